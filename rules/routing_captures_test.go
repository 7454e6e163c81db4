package rules

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
)

// routingRules are the rules on routes and listeners that always run.
func routingRules() []*analyze.Rule {
	return []*analyze.Rule{
		BlackholeFallthrough, DuplicateVhostDomain, FaultInjectionActive, FilterChainMatchDuplicate, GatewayHostUnroutable,
		GatewayServesNothing, HashPolicyIneffective, HostPortNotMatched, HTTPListenerEatsTLS, OutboundPortCaptured, RedirectLoop,
		RetryTimeoutContradiction, RewriteDoubleSlash, RouteShadowed, VirtualHostDomainNeverMatches, VirtualServiceWithoutEffect,
		WeightedDeadMember,
	}
}

// TestRoutingCaptures holds all that the rules on routes and listeners say of whole
// captures, info included.
func TestRoutingCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	const (
		edge    = "edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)"
		ingress = "istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system"
		product = "productpage-v1-lzlq8s55k-c7p7m.default"
	)
	for _, test := range []struct {
		capture string
		want    []string
	}{
		{"captures/bookinfo-allow-any", nil},
		{"captures/bookinfo-registry-only", nil},
		{"captures/waypoint", nil},
		{"corpus/bug-report-1.25", nil},
		{"captures/large/bug-report-100.tar.gz", nil},
		// The destinations that the stale proxies have not heard of.
		{"captures/bookinfo-drift", []string{"info blackhole-fallthrough ratings-v1-vsnqhl44b-wsqvs.default/cluster/BlackHoleCluster x2"}},
		{
			// A fault for qa users, a subset with a load balancer of its own, a Sidecar, and
			// the namespaces that istiod writes into the domains of a redirect.
			"captures/shop.tar.gz", []string{
				"info blackhole-fallthrough fraud-v1-7sxk98kzn-vnk7k.payments/cluster/BlackHoleCluster x3",
				"info fault-injection-active cache-v1-xbdxb6gzt-hzq82.data/route/8080#catalog.shop.svc.cluster.local:8080 x20",
				"info hash-policy-ineffective cache-v1-xbdxb6gzt-hzq82.data/route/8080#catalog.shop.svc.cluster.local:8080 x20",
				"info virtual-host-domain-never-matches istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/route/http.8080#shop/www.shop.example.com:8080 x1",
			},
		},
		{
			// Planted: the subset that is missing, the TCP ServiceEntry without an address, two
			// Gateway servers without a VirtualService, two VirtualServices that others beat.
			"captures/broken", []string{
				"error weighted-dead-member " + product + "/route/9080#ratings.default.svc.cluster.local:9080 x6",
				"warning outbound-port-captured " + product + "/listener/0.0.0.0_7000 x6",
				"warning gateway-serves-nothing " + ingress + "/route/https.8443.https-c.dup-b.default x1",
				"warning gateway-serves-nothing " + ingress + "/route/https.8443.https-d.dup-b.default x1",
				"warning virtualservice-without-effect VirtualService default/productpage-b x1",
				"warning virtualservice-without-effect VirtualService default/wild-b x1",
				"info blackhole-fallthrough details-v1-hqxmpscr8-4h5ld.default/cluster/BlackHoleCluster x1",
			},
		},
		{
			"captures/envoy-real/after", []string{
				"error filter-chain-match-duplicate " + edge + "/listener/edge_http#http-twice x3",
				"warning route-shadowed " + edge + "/route/edge_routes#shop x2",
				"warning host-port-not-matched " + edge + "/route/edge_routes x2",
				"warning fault-injection-active " + edge + "/route/edge_routes#shop x2",
				"warning hash-policy-ineffective " + edge + "/route/edge_routes#api x2",
			},
		},
		{"corpus/before-after", []string{"warning retry-timeout-contradiction default-node (before.json)/route/example:8080#*-8080 x1"}},
		{
			"corpus/plain-envoy-1.14", []string{
				"warning rewrite-double-slash customerId/route/https#local_service x1",
				"warning rewrite-double-slash customerId/route/https#local_service x1",
				"warning rewrite-double-slash customerId/route/https#local_service x1",
			},
		},
		// A headless TCP service had one listener for all addresses then.
		{"corpus/istio-1.3", []string{"info outbound-port-captured a-6bb6dbdcc5-z58cx.apps-1-99281/listener/0.0.0.0_10090 x1"}},
		{
			"corpus/istio-1.5-bookinfo", []string{
				"warning gateway-serves-nothing istio-ingressgateway-568476969c-v7xw7.istio-system/route/http.80 x1",
				"info outbound-port-captured productpage-v1-7d6cfb7dfd-ccspq.default (productpage-config-dump)/listener/0.0.0.0_14250 x1",
			},
		},
	} {
		t.Run(test.capture, func(t *testing.T) {
			c := load(t, filepath.Join(shared, filepath.FromSlash(test.capture)))
			if got := summary(c, routingRules()); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

// TestRoutingStrict holds what the strict rules on routes say of a healthy mesh.
func TestRoutingStrict(t *testing.T) {
	c := load(t, filepath.Join(fixtures.Shared(t), "captures", "shop.tar.gz"))
	want := []string{
		"info regex-suspicious cache-v1-xbdxb6gzt-hzq82.data/route/8080#catalog.shop.svc.cluster.local:8080 x20",
		"info vhost-no-catch-all istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/route/https.8443.https-partner.edge.istio-system#partner.example.com:8443 x1",
	}
	if got := summary(c, []*analyze.Rule{RegexSuspicious, UnsafeRetry, VhostNoCatchAll}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", list(got), list(want))
	}
}
