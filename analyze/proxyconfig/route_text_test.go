package proxyconfig

import (
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
)

// route reads the JSON of one route.
func route(t *testing.T, raw string) RouteRow {
	t.Helper()
	rows := Routes(&mesh.Proxy{Config: mesh.Config{Routes: []*mesh.Resource{
		resource(mesh.Route, `{"name": "r", "virtual_hosts": [{"name": "h", "domains": ["*"], "routes": [`+raw+`]}]}`),
	}}}, RouteFilter{})
	if rows[0].Err != nil {
		t.Fatal(rows[0].Err)
	}
	return rows[0].Routes[0]
}

func TestRouteConditions(t *testing.T) {
	tests := []struct{ match, path, want string }{
		{`"prefix": "/a"`, "/a*", ""},
		{`"prefix": "/a", "case_sensitive": false, "grpc": {}`, "/a*", "any case; gRPC"},
		{`"connect_matcher": {}`, "", "CONNECT"},
		{`"path": "/x", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]`, "/x", ":method=POST"},
		{`"path": "/x", "headers": [{"name": "h", "exact_match": "v"}, {"name": "h", "safe_regex_match": {"regex": "v+"}}]`, "/x", "h=v; h~v+"},
		{`"path": "/x", "headers": [{"name": "h", "prefix_match": "v"}, {"name": "h", "suffix_match": "v"}, {"name": "h", "contains_match": "v"}]`, "/x", "h=v*; h=*v; h=*v*"},
		{`"path": "/x", "headers": [{"name": "h", "present_match": true}, {"name": "h", "present_match": false}, {"name": "h"}]`, "/x", "h present; h absent; h present"},
		{`"path": "/x", "headers": [{"name": "h", "range_match": {"start": "1", "end": "5"}, "invert_match": true}]`, "/x", "not h in [1,5)"},
		{`"path": "/x", "query_parameters": [{"name": "q", "present_match": true}, {"name": "q", "string_match": {"safe_regex": {"regex": "a|b"}}}]`, "/x", "?q present; ?q~a|b"},
		{`"safe_regex": {"regex": "/[a-z]"}, "runtime_fraction": {"default_value": {"numerator": 5}}`, "regex /[a-z]", "5 of 100 requests"},
	}
	for _, test := range tests {
		row := route(t, `{"match": {`+test.match+`}, "route": {"cluster": "c"}}`)
		if row.Match != test.path {
			t.Errorf("path of %s: got %q, want %q", test.match, row.Match, test.path)
		}
		if got := strings.Join(row.Conditions, "; "); got != test.want {
			t.Errorf("conditions of %s: got %q, want %q", test.match, got, test.want)
		}
	}
}

func TestRouteAction(t *testing.T) {
	tests := []struct{ action, want, rewrites string }{
		{`"route": {"cluster": "c"}`, "c", ""},
		{`"route": {"cluster_header": "x-to"}`, "cluster of header x-to", ""},
		{`"route": {"cluster_specifier_plugin": "p"}`, "cluster by plugin p", ""},
		{`"route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 1}, {"cluster_header": "x-to", "weight": 2}]}}`, "weighted: a 1, cluster of header x-to 2", ""},
		{`"route": {"cluster": "c", "prefix_rewrite": "/", "auto_host_rewrite": true}`, "c", "prefix /, host of the endpoint"},
		{`"route": {"cluster": "c", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}, "host_rewrite_header": "x-host"}`, "c", "path s/a/b/, host of header x-host"},
		{`"redirect": {"path_redirect": "/b"}`, "redirect 301 /b", ""},
		{`"redirect": {"https_redirect": true, "port_redirect": 8443, "response_code": "FOUND"}`, "redirect 302 https://HOST:8443", ""},
		{`"redirect": {"host_redirect": "b", "prefix_rewrite": "/n", "response_code": "SEE_OTHER"}`, "redirect 303 b/n*", ""},
		{`"direct_response": {"status": 404}`, "response 404", ""},
		{`"non_forwarding_action": {}`, "served by Envoy", ""},
		{`"name": "nothing"`, "none", ""},
	}
	for _, test := range tests {
		row := route(t, `{"match": {"prefix": "/"}, `+test.action+`}`)
		if row.Action != test.want || row.Rewrites != test.rewrites {
			t.Errorf("%s: got %q and rewrites %q, want %q and %q", test.action, row.Action, row.Rewrites, test.want, test.rewrites)
		}
	}
}
