package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
)

// TestTrafficCaptures holds what the rules on clusters, endpoints and traffic say of
// whole captures, info included.
func TestTrafficCaptures(t *testing.T) {
	rules := []*analyze.Rule{
		AllEndpointsUnhealthy, AppNotListening, CircuitBreakerTight, ConfigOversized, DNSClusterUnresolved, DuplicateServiceHost,
		EndpointConnectFailures, EndpointSetDivergence, FailoverWithoutOutlier, GatewayUnusedClusters, InboundPortUndeclared,
		KeepaliveRace, NetworkPolicyBlocksHBONE, OutlierCanEjectAll, PanicMode, ProtocolMismatch, ProxyConfigDivergence,
		StaleEndpoint, TrafficPassthrough, WaypointUnready, WildcardServiceEntryOpensEgress, ZtunnelCertBad,
	}
	shared := fixtures.Shared(t)
	const edge = "edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)"
	for _, test := range []struct {
		capture string
		want    []string
	}{
		// Healthy meshes, with headless services, failover by locality and a waypoint.
		{"captures/bookinfo-allow-any", nil},
		{"captures/bookinfo-registry-only", nil},
		{"captures/bookinfo-drift", nil},
		{"captures/shop.tar.gz", nil},
		{"captures/waypoint", nil},
		{"corpus/bug-report-1.25", nil},
		{
			// Three Services share details' port 9080; two of them call it TCP.
			"captures/broken", []string{
				"warning protocol-mismatch productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|7001||mixed-tcp2.default.svc.cluster.local x6",
			},
		},
		{
			"captures/envoy-real/before", []string{
				"warning circuit-breaker-tight " + edge + "/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x2",
				"warning all-endpoints-unhealthy " + edge + "/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x1",
			},
		},
		{
			// A headless TCP service had one listener for all addresses then.
			"corpus/istio-1.3", []string{
				"warning wildcard-serviceentry-opens-egress a-6bb6dbdcc5-z58cx.apps-1-99281/cluster/outbound|10090||headless.apps-1-99281.svc.cluster.local x1",
			},
		},
		{
			// One identity is not needed any more, one waits.
			"corpus/ztunnel", []string{
				"error ztunnel-cert-bad dump/secret/spiffe://cluster.local/ns/istio-system/sa/istiod x1",
			},
		},
		{
			"corpus/istioctl-pc-json", []string{
				"warning endpoint-connect-failures proxy/cluster/xds-grpc x1",
			},
		},
	} {
		t.Run(test.capture, func(t *testing.T) {
			c := load(t, filepath.Join(shared, filepath.FromSlash(test.capture)))
			var got []string
			for _, f := range analyze.Run(c, rules, analyze.Options{}).Findings {
				got = append(got, fmt.Sprintf("%s %s %s x%d", f.Severity, f.Rule, f.Ref, len(f.Instances)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

// TestDivergentReplicas holds that of the proxies which istiod's syncz calls stale
// or refused, those with a healthy replica beside them are found.
func TestDivergentReplicas(t *testing.T) {
	c := load(t, filepath.Join(fixtures.Shared(t), "captures", "large", "bug-report-100.tar.gz"))
	result := analyze.Run(c, []*analyze.Rule{ProxyConfigDivergence}, analyze.Options{})
	if got, want := len(result.Findings), 12; got != want {
		t.Errorf("got %d findings, want %d", got, want)
	}
	for _, f := range result.Findings {
		if len(f.Instances) != 1 || f.Severity != analyze.Warning {
			t.Errorf("%s: got %s on %d proxies, want a warning on one", f.Ref, f.Severity, len(f.Instances))
		}
	}
}
