package expect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

func ptr[T any](value T) *T { return &value }

func TestCompare(t *testing.T) {
	split := expect.Prediction{Verdict: trace.Routed, Weights: []expect.Weight{{Cluster: "a", Weight: 4}, {Cluster: "b", Weight: 1}, {Cluster: "c"}}}
	tests := []struct {
		name string
		want expect.Expectation
		got  expect.Prediction
		out  string
	}{
		{"nothing asked", expect.Expectation{}, expect.Prediction{Verdict: trace.NoRoute, Status: 404}, ""},
		{"everything fits", expect.Expectation{
			Verdict: ptr(string(trace.Denied)), Listener: ptr("l"), FilterChain: ptr("#0"), VirtualHost: ptr("v"), Route: ptr("r"), Cluster: ptr("c"),
			Endpoints: ptr(2), Status: ptr(403), Flags: ptr("B,A"), Details: ptr("d"), Redirect: ptr(""), Path: ptr("/p"), Authority: ptr("h"), Denied: ptr("ns/p"),
		}, expect.Prediction{
			Verdict: trace.Denied, Listener: "l", FilterChain: "#0", VirtualHost: "v", Route: "r", Cluster: "c",
			Endpoints: 2, Status: 403, Flags: "A,B", Details: "d", UpstreamPath: "/p", UpstreamAuthority: "h", Policy: "ns/p",
		}, ""},
		{"nothing fits", expect.Expectation{
			Verdict: ptr(string(trace.Routed)), Cluster: ptr("c"), Endpoints: ptr(0), Status: ptr(0), Redirect: ptr("https://a/"), Path: ptr(""), Denied: ptr("p"),
		}, expect.Prediction{Verdict: trace.Denied, Endpoints: 1, Status: 403, UpstreamPath: "/p", Policy: "p2"},
			"verdict: want routed, got denied; cluster: want c, got none; endpoints: want 0, got 1; status: want 0, got 403; " +
				"redirect: want https://a/, got none; rewrite.path: want none, got /p; denied: want p, got p2"},
		{"policy by its name", expect.Expectation{Denied: ptr("p")}, expect.Prediction{Policy: "ns/p"}, ""},
		{"no policy", expect.Expectation{Denied: ptr("")}, expect.Prediction{Policy: "ns/p"}, "denied: want none, got ns/p"},
		{"shares", expect.Expectation{Weights: []expect.Weight{{Cluster: "b", Weight: 20}, {Cluster: "a", Weight: 80}}}, split, ""},
		{"other shares", expect.Expectation{Weights: []expect.Weight{{Cluster: "a", Weight: 90}, {Cluster: "b", Weight: 10}}}, split, "weights: want a: 90, b: 10, got a: 4, b: 1"},
		{"a cluster more", expect.Expectation{Weights: []expect.Weight{{Cluster: "a", Weight: 4}}}, split, "weights: want a: 4, got a: 4, b: 1"},
		{"no choice", expect.Expectation{Weights: []expect.Weight{{Cluster: "a", Weight: 1}}}, expect.Prediction{Cluster: "a"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, d := range expect.Compare(test.want, test.got) {
				got = append(got, d.String())
			}
			if text := strings.Join(got, "; "); text != test.out {
				t.Errorf("got %q; want %q", text, test.out)
			}
		})
	}
}

func TestExplained(t *testing.T) {
	routed := expect.Prediction{
		Verdict: trace.Routed, FilterChain: "http", VirtualHost: "v", Route: "r", Cluster: "c",
		UpstreamPath: "/p", UpstreamAuthority: "h", Upstreams: []string{"10.0.0.1:80", "10.0.0.2:80"},
	}
	split := expect.Prediction{Verdict: trace.Routed, Weights: []expect.Weight{{Cluster: "a", Weight: 1}, {Cluster: "b", Weight: 1}, {Cluster: "off"}}}
	notFound := expect.Prediction{Verdict: trace.NoRoute, FilterChain: "http", VirtualHost: "v", Status: 404, Flags: "NR", Details: "route_not_found"}
	denied := expect.Prediction{Verdict: trace.Denied, Status: 403, Details: "rbac_access_denied_matched_policy[none]", Route: "r"}
	closed := expect.Prediction{Verdict: trace.NoFilterChain, Flags: "NR", Details: "filter_chain_not_found"}
	refused := expect.Prediction{Verdict: trace.Denied, FilterChain: "tcp"}
	redirect := expect.Prediction{Verdict: trace.Redirect, Status: 301, Location: "https://h/p", Details: "direct_response"}
	blackhole := expect.Prediction{Verdict: trace.BlackHole, Cluster: "BlackHoleCluster", Status: 503, Flags: "UH", Details: "no_healthy_upstream"}
	unknown := routed
	unknown.Unknowns = []string{"ext_authz"}
	type (
		seen     = request.Observed
		outcomes = []expect.Prediction
	)
	tests := []struct {
		name     string
		seen     seen
		outcomes outcomes
		want     string
	}{
		{"nothing seen", seen{}, outcomes{routed}, "yes []"},
		{"no outcome", seen{Status: 200}, nil, "unknown []"},
		{"all of it", seen{Status: 200, Details: "via_upstream", FilterChain: "http", VirtualHost: "v", Route: "r", Cluster: "c", Upstream: "10.0.0.2:80", UpstreamPath: "/p", UpstreamAuthority: "h"}, outcomes{routed}, "yes []"},
		{"nothing of it", seen{FilterChain: "x", VirtualHost: "x", Route: "x", Cluster: "x", Upstream: "x", UpstreamPath: "x", UpstreamAuthority: "x"}, outcomes{routed}, "no [filter_chain virtual_host route cluster upstream upstream_path upstream_authority]"},
		{"the upstream's status", seen{Status: 404, Details: "via_upstream"}, outcomes{routed}, "yes []"},
		{"the upstream's redirect", seen{Status: 302, Location: "/x"}, outcomes{routed}, "yes []"},
		{"the upstream fails", seen{Status: 503, Flags: "UF,URX", Details: "upstream_reset_before_response_started{connection_failure}"}, outcomes{routed}, "yes []"},
		{"Envoy answers instead", seen{Status: 404, Flags: "NR", Details: "route_not_found"}, outcomes{routed}, "no [flags details]"},
		{"a filter denies instead", seen{Status: 403, Details: "rbac_access_denied_matched_policy[none]"}, outcomes{routed}, "no [details]"},
		{"unknown filter", seen{Status: 403, Flags: "UAEX", Details: "ext_authz_denied"}, outcomes{unknown}, "unknown [flags]"},
		{"one of the weights", seen{Cluster: "b"}, outcomes{split}, "yes []"},
		{"none of the weights", seen{Cluster: "off"}, outcomes{split}, "no [cluster]"},
		{"second outcome", seen{Status: 404, Flags: "NR"}, outcomes{routed, notFound}, "yes []"},
		{"nearest outcome", seen{Status: 403, Flags: "NR", Route: "r"}, outcomes{notFound, denied}, "no [flags]"},
		{"Envoy's answer", seen{Status: 404, Flags: "NR", Details: "route_not_found", FilterChain: "http"}, outcomes{notFound}, "yes []"},
		{"an upstream's instead", seen{Status: 404, Details: "via_upstream", Cluster: "c", Upstream: "10.0.0.1:80", UpstreamPath: "/"}, outcomes{notFound}, "no [details cluster upstream upstream_path]"},
		{"other status", seen{Status: 500}, outcomes{notFound}, "no [status]"},
		{"no flag", seen{Status: 404, Flags: "UH"}, outcomes{notFound}, "no [flags]"},
		{"the client hangs up", seen{Flags: "NR,DC", Details: "downstream_remote_disconnect"}, outcomes{notFound}, "yes []"},
		{"denied, with the cluster in the log", seen{Status: 403, Details: "rbac_access_denied_matched_policy[none]", Cluster: "c", Route: "r"}, outcomes{denied}, "yes []"},
		{"denied by another policy", seen{Status: 403, Details: "rbac_access_denied_matched_policy[x]"}, outcomes{denied}, "no [details]"},
		{"redirect", seen{Status: 301, Location: "https://h/p", Details: "direct_response"}, outcomes{redirect}, "yes []"},
		{"another location", seen{Status: 301, Location: "https://h/q"}, outcomes{redirect}, "no [location]"},
		{"closed", seen{Error: "closed", Flags: "NR", Details: "filter_chain_not_found"}, outcomes{closed}, "yes []"},
		{"refused by the network filter", seen{Error: "closed", FilterChain: "tcp"}, outcomes{refused}, "yes []"},
		{"not closed", seen{Status: 200}, outcomes{closed}, "no [status error]"},
		{"closed instead of answered", seen{Error: "closed"}, outcomes{notFound}, "no [error]"},
		{"closed instead of routed", seen{Error: "closed"}, outcomes{routed}, "no [error]"},
		{"upstream closed", seen{Error: "closed", Flags: "UF"}, outcomes{routed}, "yes []"},
		{"blackhole", seen{Status: 503, Flags: "UH", Details: "no_healthy_upstream", Cluster: "BlackHoleCluster"}, outcomes{blackhole}, "yes []"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			match, differs := expect.Explained(test.seen, test.outcomes)
			if got := fmt.Sprint(match, " ", differs); got != test.want {
				t.Errorf("got %s; want %s", got, test.want)
			}
		})
	}
}
