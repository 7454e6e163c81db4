package trace

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/meshray/meshray/analyze/request"
)

const tableText = `{
	"name": "t",
	"virtual_hosts": [{
		"name": "v", "domains": ["a"],
		"virtual_clusters": [{"name": "posts", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}],
		"response_headers_to_add": [{"header": {"key": "x-level", "value": "host"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
		"routes": [
			{"match": {"path": "/direct"}, "direct_response": {"status": 418, "body": {"inline_string": "teapot"}}},
			{"match": {"path": "/away"}, "redirect": {"host_redirect": "b"}},
			{"match": {"path": "/none"}, "non_forwarding_action": {}},
			{"match": {"path": "/plugin"}, "route": {"cluster_specifier_plugin": "p"}},
			{"match": {"prefix": "/"}, "route": {"cluster": "c", "timeout": "2s"},
			 "response_headers_to_add": [{"header": {"key": "x-level", "value": "route"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]}
		]
	}]
}`

func TestRouteTableAsk(t *testing.T) {
	tests := []struct {
		name, authority, method, path string
		verdict                       Verdict
		index, status                 int
		location, cluster, virtual    string
		level                         string // of x-level in the response
	}{
		{"forwarded", "a", "GET", "/", Routed, 4, 0, "", "c", "other", "host"},
		{"virtual cluster", "a", "POST", "/", Routed, 4, 0, "", "c", "posts", "host"},
		{"direct response to gRPC", "a", "POST", "/direct", DirectResponse, 0, 418, "http://a/direct", "", "", "host"},
		{"redirect", "a", "GET", "/away", Redirect, 1, 301, "http://b/away", "", "", "host"},
		{"not for forwarding", "a", "GET", "/none", Routed, 2, 0, "", "", "other", "host"},
		{"plugin", "a", "GET", "/plugin", Unmodelled, 3, 0, "", "", "other", "host"},
		{"no host", "b", "GET", "/", NoVirtualHost, -1, 404, "", "", "", ""},
	}
	config := &routev3.RouteConfiguration{}
	if err := protojson.Unmarshal([]byte(tableText), config); err != nil {
		t.Fatalf("reading the table: %v", err)
	}
	table := NewRouteTable(config)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := table.Ask(TableRequest{Request: request.Request{
				Authority: test.authority, Method: test.method, Path: test.path,
				Headers: request.Headers{{Name: "x-forwarded-proto", Value: "http"}, {Name: "content-type", Value: "application/grpc"}},
			}})
			o := &got.Outcome
			if o.Verdict == NoVirtualHost {
				o.Status = 404 // the answer to gRPC has 200
			}
			if o.Verdict != test.verdict || o.RouteIndex != test.index || o.Status != test.status || o.Location != test.location || o.Cluster != test.cluster {
				t.Errorf("got %s %d %d %q %q; want %+v", o.Verdict, o.RouteIndex, o.Status, o.Location, o.Cluster, test)
			}
			if level, _ := got.ResponseHeaders.Get("x-level"); got.VirtualCluster != test.virtual || level != test.level {
				t.Errorf("got virtual cluster %q, x-level %q; want %q, %q", got.VirtualCluster, level, test.virtual, test.level)
			}
		})
	}
}

// The level that counts is turned round, and the configuration stays as it was.
func TestRouteTableMostSpecificWins(t *testing.T) {
	config := &routev3.RouteConfiguration{}
	if err := protojson.Unmarshal([]byte(tableText), config); err != nil {
		t.Fatalf("reading the table: %v", err)
	}
	config.MostSpecificHeaderMutationsWins = true
	fraction := &corev3.RuntimeFractionalPercent{RuntimeKey: "k"}
	config.VirtualHosts[0].Routes[0].Match.RuntimeFraction = fraction
	got := NewRouteTable(config).Ask(TableRequest{Request: request.Request{
		Authority: "a", Path: "/direct", Headers: request.Headers{{Name: "x-forwarded-proto", Value: "http"}},
	}})
	if level, _ := got.ResponseHeaders.Get("x-level"); level != "route" || got.Outcome.Cluster != "c" {
		t.Errorf("got x-level %q from cluster %q; want that of the last route, the first being off", level, got.Outcome.Cluster)
	}
	if fraction.GetDefaultValue().GetNumerator() != 0 {
		t.Errorf("got %v; want the configuration unchanged", fraction)
	}
}
