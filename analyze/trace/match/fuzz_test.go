package match

import (
	"reflect"
	"testing"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// FuzzRoute compiles a whole route and asks twice.
func FuzzRoute(f *testing.F) {
	f.Add(`{"match": {"prefix": "/API", "caseSensitive": false, "headers": [{"name": "x-a", "rangeMatch": {"end": "5"}}]}, "redirect": {"prefixRewrite": "/b"}}`, "/a?q=1", "x-a", "1")
	f.Add(`{"match": {"safeRegex": {"regex": "(a"}}, "route": {"regexRewrite": {"pattern": {"regex": "a"}, "substitution": "\\1"}}}`, "/%2e", "cookie", `s="`)
	f.Add(`{"match": `+template("/{a=**}")+`, "route": {"pathRewrite": "%REQ(x?y):1%", "hostRewrite": "%%%"}}`, "", ":authority", "[")
	f.Add(`{"match": {"connectMatcher": {}, "cookies": [{"name": "s"}]}, "requestHeadersToAdd": [{"header": {"key": "x", "value": "%"}}]}`, "#?", ":method", "CONNECT")
	f.Fuzz(func(t *testing.T, text, path, name, value string) {
		route := &routev3.Route{}
		if protojson.Unmarshal([]byte(text), route) != nil {
			return
		}
		answer := func() []any {
			a := get(path, name, value)
			result, share := CompileRoute(route.GetMatch()).Match(a)
			rewrite, host := CompilePathRewrite(route.GetMatch(), route.GetRoute()), CompileHostRewrite(route.GetRoute())
			redirect := CompileRedirect(route.GetMatch(), route.GetRedirect())
			mutations := CompileMutations(route.GetRequestHeadersToAdd(), route.GetRequestHeadersToRemove())
			return []any{result.String(), share, rewrite.Apply(a), host.Apply(a, a.Headers), redirect.Location(a), mutations.Apply(a), mutations.Unknown()}
		}
		if first, second := answer(), answer(); !reflect.DeepEqual(first, second) {
			t.Errorf("got %v and then %v", first, second)
		}
	})
}

// FuzzTree compiles a matcher tree and asks twice.
func FuzzTree(f *testing.F) {
	f.Add(expand(`{"matcherTree": {<header x-a>, "prefixMatchMap": {"map": {"": {<action a>}, "b": {<action b>, "keepMatching": true}}}}}`), "/", "x-a", "b")
	f.Add(expand(list(branch(`<query q>`, `"contains": "%"`, `<action a>`))), "/?q=%25&%", "", "")
	f.Fuzz(func(t *testing.T, text, path, name, value string) {
		m := &xdsmatcherv3.Matcher{}
		if protojson.Unmarshal([]byte(text), m) != nil {
			return
		}
		first, second := CompileTree(m).Explain(get(path, name, value)), CompileTree(m).Explain(get(path, name, value))
		if !reflect.DeepEqual(first, second) {
			t.Errorf("got %v and then %v", first, second)
		}
		if (first.Result.Outcome == Yes) != (first.Action != nil) {
			t.Errorf("got action %v with %v", first.Action, first.Result)
		}
	})
}

// FuzzPath normalises a path with all options.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"/a/../b", "/%2e%2e/;", "//..;a/%5c", "/%4%41%", "/é%00", "#", "?", ""} {
		f.Add(path, "[::1].:80")
	}
	f.Fuzz(func(t *testing.T, path, host string) {
		for action := range hcmv3.HttpConnectionManager_PathWithEscapedSlashesAction_name {
			for bits := range 4 {
				o := PathOptions{EscapedSlashes: hcmv3.HttpConnectionManager_PathWithEscapedSlashesAction(action), Normalize: bits&1 != 0, MergeSlashes: bits&2 != 0}
				got, outcome := Path(path, o)
				if outcome == PathReject && got != path {
					t.Errorf("%q rejected: got %q, want it as it was", path, got)
				}
				if o.Normalize && outcome != PathReject && (got == "" || got[0] != '/') {
					t.Errorf("%q normalised: got %q, want a leading slash", path, got)
				}
			}
		}
		Host(host, HostOptions{StripTrailingDot: true, StripMatchingPort: true, ListenerPort: 80})
		if stripped := WithoutPort(host); len(stripped) > len(host) {
			t.Errorf("WithoutPort(%q): got %q", host, stripped)
		}
	})
}
