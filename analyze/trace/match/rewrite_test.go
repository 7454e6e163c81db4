package match

import (
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/request"
)

func TestPathRewrite(t *testing.T) {
	regex := func(pattern, substitution string) string {
		return `{"regexRewrite": {"pattern": {"regex": "` + pattern + `"}, "substitution": "` + substitution + `"}}`
	}
	const prefix = `{"prefixRewrite": "/new"}`
	uri := func(text string) string {
		return `{"pathRewritePolicy": {"name": "uri_template", "typedConfig": {
			"@type": "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig", "pathTemplateRewrite": "` + text + `"}}}`
	}
	tests := []struct{ match, action, path, want string }{
		{`{"prefix": "/api"}`, prefix, "/api/x?q=1", "/new/x?q=1"},
		{`{"prefix": "/api/"}`, prefix, "/api/x", "/newx"},
		{`{"prefix": "/api"}`, `{"prefixRewrite": "/"}`, "/api/x", "//x"},
		{`{"prefix": "/API", "caseSensitive": false}`, prefix, "/api/x", "/new/x"},
		{`{"path": "/api"}`, prefix, "/api?q", "/new?q"},
		{`{"pathSeparatedPrefix": "/api"}`, prefix, "/api/x", "/new/x"},
		{`{"safeRegex": {"regex": "/api.*"}}`, prefix, "/api/x?q", "/new?q"},
		{`{"prefix": "/"}`, regex("^/(a)(p?)", `/$1-\\2\\\\\\1`), "/api?a", `/$1-p\ai?a`},
		{`{"prefix": "/"}`, regex("a", `[\\0]`), "/aba", "/[a]b[a]"},
		{`{"prefix": "/"}`, regex("x*", "-"), "/axx", "-/-a-"},
		{`{"prefix": "/"}`, regex("(a)", `\\2`), "/a", "/a"},
		{`{"prefix": "/"}`, regex("a", `b\\x`), "/a", "/b"},
		{`{"prefix": "/"}`, regex("(", "x"), "/a", "/a"},
		{`{"prefix": "/"}`, `{"pathRewrite": "/n/%REQ(x-a)%"}`, "/a?q", "/n/1?q"},
		{`{"prefix": "/"}`, `{"pathRewrite": "%REQ(x-b)%"}`, "/a?q", "/a?q"},
		{`{"prefix": "/"}`, `{}`, "/a?q", "/a?q"},
		{template("/{a}/{b=**}"), uri("/{b}/$1/{a}"), "/x/y/z?q", "/y/z/$1/x?q"},
		{template("/{a}"), uri("/{c}"), "/x", "/x"},
	}
	for _, test := range tests {
		t.Run(test.match+test.action, func(t *testing.T) {
			p := CompilePathRewrite(parse(t, &routev3.RouteMatch{}, test.match), parse(t, &routev3.RouteAction{}, test.action))
			if got := p.Apply(get(test.path, "x-a", "1")); got != test.want {
				t.Errorf("got %q, want %q (%s)", got, test.want, p.Unknown)
			}
		})
	}
}

func TestRewritesThatAreNotKnown(t *testing.T) {
	tests := []struct{ match, action, want string }{
		{`{"prefix": "/"}`, `{"pathRewrite": "/%RESPONSE_CODE%"}`, "path_rewrite with %RESPONSE_CODE%"},
		{`{"prefix": "/"}`, `{"regexRewrite": {"pattern": {"regex": "("}}}`, "compiling safe_regex \"(\": expected an expression in RE2's syntax: error parsing regexp: missing closing ): `(`"},
		{`{"prefix": "/"}`, `{"pathRewritePolicy": {"name": "own"}}`, "path_rewrite_policy own"},
		{`{"prefix": "/"}`, `{}`, ""},
	}
	for _, test := range tests {
		p := CompilePathRewrite(parse(t, &routev3.RouteMatch{}, test.match), parse(t, &routev3.RouteAction{}, test.action))
		if p.Unknown != test.want {
			t.Errorf("%s: got %q, want %q", test.action, p.Unknown, test.want)
		}
	}
}

func TestHostRewrite(t *testing.T) {
	const forward = `, "appendXForwardedHost": true`
	tests := []struct {
		action          string
		headers         []string
		host, forwarded string
	}{
		{`"hostRewriteLiteral": "new.example"`, nil, "new.example", ""},
		{`"hostRewriteLiteral": "new.example"` + forward, nil, "new.example", "shop.example:8080"},
		{`"hostRewriteLiteral": "new.example"` + forward, []string{"x-forwarded-host", "a"}, "new.example", "a,shop.example:8080"},
		{`"hostRewriteLiteral": "new.example"` + forward, []string{"x-forwarded-host", "a,shop.example:8080"}, "new.example", "a,shop.example:8080"},
		{`"hostRewriteHeader": "x-a"`, []string{"x-a", "1", "x-a", "2"}, "1", ""},
		{`"hostRewriteHeader": "x-a"` + forward, nil, "shop.example:8080", ""},
		{`"hostRewritePathRegex": {"pattern": {"regex": "^/([a-z]+).*$"}, "substitution": "\\1.example"}`, nil, "cart.example", ""},
		{`"hostRewrite": "%REQ(x-a)%.%REQ(x-b)%"`, []string{"x-b", ""}, "-.", ""},
		{`"hostRewrite": "%UPSTREAM_HOST%"`, nil, "shop.example:8080", ""},
		{`"autoHostRewrite": true`, nil, "shop.example:8080", ""},
	}
	for _, test := range tests {
		t.Run(test.action, func(t *testing.T) {
			h := CompileHostRewrite(parse(t, &routev3.RouteAction{}, "{"+test.action+"}"))
			a := get("/cart/1?q", test.headers...)
			got := h.Apply(a, a.Headers)
			host, _ := got.Get(":authority")
			forwarded, _ := got.Get("x-forwarded-host")
			if host != test.host || forwarded != test.forwarded {
				t.Errorf("got %q and x-forwarded-host %q, want %q and %q", host, forwarded, test.host, test.forwarded)
			}
			if before, _ := a.Headers.Get(":authority"); before != "shop.example:8080" {
				t.Errorf("the headers of the request were changed to %q", before)
			}
		})
	}
	auto := CompileHostRewrite(parse(t, &routev3.RouteAction{}, `{"autoHostRewrite": true}`))
	if host, _ := auto.SetHost(get("/").Headers, "db.example").Get(":authority"); !auto.Auto || host != "db.example" {
		t.Errorf("auto_host_rewrite: got %v and %q, want true and db.example", auto.Auto, host)
	}
}

func TestRedirect(t *testing.T) {
	tests := []struct{ match, redirect, authority, path, want string }{
		{`{"prefix": "/"}`, `{"httpsRedirect": true}`, "a.example", "/x?q", "https://a.example/x?q"},
		{`{"prefix": "/"}`, `{"httpsRedirect": true}`, "a.example:80", "/", "https://a.example/"},
		{`{"prefix": "/"}`, `{"httpsRedirect": true}`, "a.example:8080", "/", "https://a.example:8080/"},
		{`{"prefix": "/"}`, `{"httpsRedirect": true}`, "[::1]:80", "/", "https://[::1]/"},
		{`{"prefix": "/"}`, `{"schemeRedirect": "http"}`, "a.example:80", "/", "http://a.example:80/"},
		{`{"prefix": "/"}`, `{"portRedirect": 8443}`, "a.example:80", "/", "http://a.example:8443/"},
		{`{"prefix": "/"}`, `{"hostRedirect": "b.example:1"}`, "a.example:80", "/x", "http://b.example:1/x"},
		{`{"prefix": "/"}`, `{"pathRedirect": "new"}`, "a", "/x?q", "http://a/new?q"},
		{`{"prefix": "/"}`, `{"pathRedirect": "/new?n"}`, "a", "/x?q", "http://a/new?n"},
		{`{"prefix": "/"}`, `{"pathRedirect": "/new?n", "stripQuery": true}`, "a", "/x?q", "http://a/new?n"},
		{`{"prefix": "/"}`, `{"pathRedirect": "/new", "stripQuery": true}`, "a", "/x?q", "http://a/new"},
		{`{"prefix": "/api"}`, `{"prefixRewrite": "/new"}`, "a", "/api/x?q", "http://a/new/x?q"},
		{`{"prefix": "/api"}`, `{"prefixRewrite": "", "stripQuery": true}`, "a", "/api/x?q", "http://a/api/x"},
		{`{"safeRegex": {"regex": ".*"}}`, `{"prefixRewrite": "/new"}`, "a", "/api/x?q", "http://a/new?q"},
		{`{"prefix": "/"}`, `{"regexRewrite": {"pattern": {"regex": "^/api(.*)$"}, "substitution": "\\1/y"}}`, "a", "/api/x?q", "http://a/x/y?q"},
		{`{"prefix": "/"}`, `{"pathRewrite": "/n/%REQ(x-a)%"}`, "a", "/api?q", "http://a/n/1?q"},
	}
	for _, test := range tests {
		t.Run(test.redirect+test.authority, func(t *testing.T) {
			r := CompileRedirect(parse(t, &routev3.RouteMatch{}, test.match), parse(t, &routev3.RedirectAction{}, test.redirect))
			a := get(test.path, "x-a", "1")
			a.Headers = a.Headers.Set(":authority", test.authority)
			if got := r.Location(a); got != test.want || r.Unknown != "" {
				t.Errorf("got %q (%s), want %q", got, r.Unknown, test.want)
			}
		})
	}
}

// The scheme that the client used counts for ports, the one of the request else.
func TestRedirectOverTLS(t *testing.T) {
	r := CompileRedirect(parse(t, &routev3.RouteMatch{}, `{"prefix": "/"}`), parse(t, &routev3.RedirectAction{}, `{"schemeRedirect": "http", "responseCode": "FOUND"}`))
	a := &Attributes{TLS: true, Headers: request.Headers{{Name: ":authority", Value: "a.example:443"}, {Name: ":path", Value: "/"}}}
	if got := r.Location(a); got != "http://a.example/" || r.Status != 302 {
		t.Errorf("got %d %q, want 302 http://a.example/", r.Status, got)
	}
	a.Headers = append(a.Headers, request.Header{Name: "x-forwarded-proto", Value: "http"})
	if got := r.Location(a); got != "http://a.example:443/" {
		t.Errorf("with x-forwarded-proto http: got %q, want http://a.example:443/", got)
	}
}
