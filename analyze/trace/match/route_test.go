package match

import (
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/request"
)

func template(text string) string {
	return `{"pathMatchPolicy": {"name": "uri_template", "typedConfig": {
		"@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "pathTemplate": "` + text + `"}}}`
}

func TestRoutePath(t *testing.T) {
	tests := []struct{ route, path, want string }{
		{`{"prefix": "/api"}`, "/apix?q", "matches"},
		{`{"prefix": "/api?"}`, "/api?q", "prefix: wants /api?, got /api"},
		{`{"prefix": "/API", "caseSensitive": false}`, "/api", "matches"},
		{`{"prefix": "/API", "caseSensitive": true}`, "/api", "prefix: wants /API, got /api"},
		{`{"path": "/api"}`, "/api?q#f", "matches"},
		{`{"path": "/api"}`, "/api/", "path: wants /api, got /api/"},
		{`{"path": "/API", "caseSensitive": false}`, "/b", "path: wants /API (ignoring case), got /b"},
		{`{"pathSeparatedPrefix": "/api"}`, "/api", "matches"},
		{`{"pathSeparatedPrefix": "/api"}`, "/api/x", "matches"},
		{`{"pathSeparatedPrefix": "/api"}`, "/apix", "path_separated_prefix: wants /api, got /apix"},
		{`{"safeRegex": {"regex": "/v\\d+"}}`, "/v12?x", "matches"},
		{`{"safeRegex": {"regex": "/v\\d+"}}`, "/v12/x", `safe_regex: wants /v\d+, got /v12/x`},
		{template("/api/{a}"), "/api/x=*", "matches"},
		{template("/api/{a}"), "/api/x/y", "path_match_policy: wants /api/{a}, got /api/x/y"},
		{template("/api/{a}"), "/api/", "path_match_policy: wants /api/{a}, got /api/"},
		{template("/**.m3u8"), "/a/b.m3u8", "matches"},
		{template("/{a=x/*}/{b=**}"), "/x/1/2/3", "matches"},
		{template("/**/*"), "/a", `path_match_policy: cannot be known: reading the path template "/**/*": expected no glob behind **`},
		{`{"pathMatchPolicy": {"name": "own"}}`, "/", "path_match_policy: cannot be known: own"},
		{`{"connectMatcher": {}}`, "/", "connect_matcher: wants a CONNECT request, got GET"},
		{`{}`, "/", "path_specifier: cannot be known: a route without a path specifier"},
	}
	for _, test := range tests {
		r := CompileRoute(parse(t, &routev3.RouteMatch{}, test.route))
		t.Run(test.route+test.path, func(t *testing.T) {
			got, _ := r.Match(get(test.path))
			sameResult(t, got, test.want)
		})
	}
}

func TestRouteIgnoresPathParameters(t *testing.T) {
	r := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"path": "/api/x"}`))
	r.IgnorePathParameters = true
	got, _ := r.Match(get("/api;v=1/x;y"))
	sameResult(t, got, "matches")
}

func TestRouteConnect(t *testing.T) {
	connect := func(pairs ...string) *Attributes {
		a := get("/", pairs...)
		a.Headers = a.Headers.Set(":method", "CONNECT")
		return a
	}
	tests := []struct {
		route      string
		attributes *Attributes
		want       string
	}{
		{`{"connectMatcher": {}}`, connect(), "matches"},
		{`{"connectMatcher": {}}`, connect(":protocol", "connect-udp"), "matches"},
		{`{"connectMatcher": {}}`, connect(":protocol", "websocket"), "connect_matcher: wants a CONNECT request, got CONNECT"},
		{`{"prefix": "/"}`, connect(), "prefix: wants /, got a request without a path"},
		{`{"prefix": "/"}`, connect(":protocol", "websocket"), "matches"},
		{`{"prefix": "/"}`, get("/").without(":path"), "prefix: wants /, got a request without a path"},
	}
	for _, test := range tests {
		got, _ := CompileRoute(parse(t, &routev3.RouteMatch{}, test.route)).Match(test.attributes)
		sameResult(t, got, test.want)
	}
}

// Envoy asks for the path last.
func TestRouteConditions(t *testing.T) {
	known := get("/x?q=1", "content-type", "application/grpc+proto", "x-a", "1", "cookie", "s=1")
	known.TLS, known.PeerPresented = true, true
	known.Metadata = map[string]*structpb.Struct{"f": {Fields: map[string]*structpb.Value{
		"a": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"b": structpb.NewStringValue("1")}}),
	}}}
	known.FilterState = map[string]string{"k": "v", "ip": "10.1.2.3:80"}
	const value = `"path": [{"key": "a"}, {"key": "b"}], "value": {"stringMatch": {"exact": "2"}}`
	tests := []struct{ conditions, want string }{
		{`"headers": [{"name": "x-a", "exactMatch": "1"}], "queryParameters": [{"name": "q"}], "cookies": [{"name": "s", "stringMatch": {"exact": "1"}}], "grpc": {}`, "matches"},
		{`"headers": [{"name": "x-a"}, {"name": "x-b"}], "queryParameters": [{"name": "z"}]`, "header x-b: wants present, got no such header"},
		{`"queryParameters": [{"name": "z"}], "cookies": [{"name": "z", "stringMatch": {"exact": "1"}}]`, "query parameter z: wants present, got no such parameter"},
		{`"cookies": [{"name": "z", "stringMatch": {"exact": "1"}}], "tlsContext": {"validated": true}`, "cookie z: wants exact 1, got no such cookie"},
		{`"tlsContext": {"presented": true, "validated": false}`, "matches"},
		{`"tlsContext": {"presented": false}`, "tls_context presented: wants false, got true"},
		{`"tlsContext": {"validated": true}, "dynamicMetadata": [{"filter": "f", ` + value + `}]`, "tls_context validated: wants true, got false"},
		{`"dynamicMetadata": [{"filter": "f", ` + value + `}]`, "dynamic_metadata f.a.b: wants exact 2, got 1"},
		{`"dynamicMetadata": [{"filter": "f", "invert": true, ` + value + `}]`, "matches"},
		{`"dynamicMetadata": [{"filter": "g", ` + value + `}]`, "dynamic_metadata g.a.b: cannot be known: what the filters set while the request runs is not in a capture"},
		{`"filterState": [{"key": "k", "stringMatch": {"exact": "w"}}]`, "filter_state k: wants exact w, got v"},
		{`"filterState": [{"key": "ip", "addressMatch": {"ranges": [{"addressPrefix": "10.0.0.0", "prefixLen": 8}]}}]`, "matches"},
		{`"filterState": [{"key": "ip", "addressMatch": {"invertMatch": true, "ranges": [{"addressPrefix": "10.0.0.0", "prefixLen": 8}]}}]`, "filter_state ip: wants an address outside 10.0.0.0/8, got 10.1.2.3:80"},
		{`"filterState": [{"key": "z", "stringMatch": {"exact": "w"}}]`, "filter_state z: cannot be known: what the filters set while the request runs is not in a capture"},
		// What fails for certain outweighs what is unknown.
		{`"dynamicMetadata": [{"filter": "g", ` + value + `}], "filterState": [{"key": "k", "stringMatch": {"exact": "w"}}]`, "filter_state k: wants exact w, got v"},
	}
	for _, test := range tests {
		t.Run(test.conditions, func(t *testing.T) {
			got, share := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/x", `+test.conditions+`}`)).Match(known)
			sameResult(t, got, test.want)
			if (share == 0) != (got.Outcome == No) {
				t.Errorf("got a share of %v for %v", share, got)
			}
		})
	}
	got, _ := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/y", "headers": [{"name": "x-b"}]}`)).Match(known)
	sameResult(t, got, "header x-b: wants present, got no such header")
}

func TestRouteGRPC(t *testing.T) {
	tests := map[string]bool{
		"application/grpc": true, "application/grpc+proto": true,
		"application/grpc-web": false, "application/GRPC": false, "application/grpc;charset=utf-8": false, "": false,
	}
	r := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/", "grpc": {}}`))
	for contentType, want := range tests {
		if got, _ := r.Match(get("/", "content-type", contentType)); (got.Outcome == Yes) != want {
			t.Errorf("content-type %q: got %v, want %v", contentType, got, want)
		}
	}
	got, _ := r.Match(get("/"))
	sameResult(t, got, "grpc: wants content-type application/grpc, got no such header")
}

func TestRouteFraction(t *testing.T) {
	random := func(n uint64) *uint64 { return &n }
	tests := []struct {
		fraction string
		random   *uint64
		want     Outcome
		share    float64
	}{
		{`"numerator": 30`, nil, Yes, 0.3},
		{`"numerator": 30, "denominator": "TEN_THOUSAND"`, nil, Yes, 0.003},
		{`"numerator": 30, "denominator": "MILLION"`, random(1_000_029), Yes, 1},
		{`"numerator": 30, "denominator": "MILLION"`, random(1_000_030), No, 0},
		{`"numerator": 30`, random(129), Yes, 1},
		{`"numerator": 30`, random(130), No, 0},
		{`"numerator": 0`, nil, No, 0},
		{`"numerator": 100`, nil, Yes, 1},
		{`"numerator": 101`, random(99), Yes, 1},
	}
	for _, test := range tests {
		r := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/", "runtimeFraction": {"defaultValue": {`+test.fraction+`}}}`))
		a := get("/")
		a.Random = test.random
		got, share := r.Match(a)
		if got.Outcome != test.want || share != test.share {
			t.Errorf("%s: got %v with share %v, want %v with %v", test.fraction, got, share, test.want, test.share)
		}
	}
	if _, share := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/y", "runtimeFraction": {"defaultValue": {"numerator": 30}}}`)).Match(get("/x")); share != 0 {
		t.Errorf("a share of a route that does not match: got %v, want 0", share)
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	r := CompileRoute(parse(t, &routev3.RouteMatch{}, `{"prefix": "/x", "headers": [{"name": "x-a", "exactMatch": "2"}], "queryParameters": [{"name": "q"}]}`))
	for _, a := range []*Attributes{get("/x?q", "x-a", "2"), get("/x?q", "x-a", "1"), get("/y?q", "x-a", "2")} {
		if n := testing.AllocsPerRun(100, func() { r.Match(a) }); n > 0 {
			t.Errorf("matching %v: got %v allocations, want none", request.Headers(a.Headers[1:2]), n)
		}
	}
}
