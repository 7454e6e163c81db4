package trace_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

func sharedCapture(t *testing.T, path ...string) *mesh.Capture {
	t.Helper()
	file := filepath.Join(append([]string{fixtures.Shared(t)}, path...)...)
	capture, err := loader.Load([]string{file}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

func reachOf(t *testing.T, capture *mesh.Capture, proxy string) map[string]string {
	t.Helper()
	p, err := capture.FindProxy(proxy, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range trace.New(capture).Reach(p, trace.Options{}) {
		got[fmt.Sprintf("%s:%d %s", r.Host, r.Port, r.Protocol)] = fmt.Sprintf("%s %.2f", r.Worst().Verdict, r.Worst().Share)
	}
	return got
}

// TestReachOfCaptures holds what proxies of whole meshes reach, and what not.
func TestReachOfCaptures(t *testing.T) {
	for _, tc := range []struct {
		capture, proxy string
		want           map[string]string
	}{
		{"bookinfo-registry-only", "productpage", map[string]string{
			"*:9080 http": "blackhole 1.00", "*:0 tcp": "blackhole 1.00", "details.default.svc.cluster.local:9080 http": "routed 1.00",
		}},
		{"bookinfo-allow-any", "productpage", map[string]string{
			"*:9080 http": "passthrough 1.00", "*:0 tcp": "passthrough 1.00", "details.default.svc.cluster.local:9080 http": "routed 1.00",
		}},
		{"broken", "productpage", map[string]string{
			"ratings.default.svc.cluster.local:9080 http":     "no-cluster 0.30", // a subset without a DestinationRule
			"ghost.default.svc.cluster.local:9080 http":       "no-healthy-endpoint 1.00",
			"unready.default.svc.cluster.local:8600 http":     "no-healthy-endpoint 1.00",
			"reviews.default.svc.cluster.local:9080 http":     "tls-mismatch 1.00", // cleartext to servers that are STRICT
			"conflict-tcp.example.net:7000 tcp":               "routed 1.00",
			"mixed-tcp.default.svc.cluster.local:7000 tcp":    "routed 1.00", // though the server passes it through
			"*.api.example.org:80 http":                       "no-cluster 1.00",
			"productpage.default.svc.cluster.local:9080 http": "routed 1.00",
		}},
		{"broken", "details-v1", map[string]string{
			"ghost.default.svc.cluster.local:9080 http": "no-healthy-endpoint 1.00", "*:9080 http": "blackhole 1.00", "*:0 tcp": "blackhole 1.00",
		}},
		{"shop.tar.gz", "istio-ingressgateway", map[string]string{
			"www.shop.example.com:8080 http": "redirect 1.00", "legacy.example.com:8443 tls": "routed 1.00",
			"orders-db.data.svc.cluster.local:3306 tcp": "routed 1.00", "partner.example.com:8443 https": "no-route 1.00",
		}},
	} {
		t.Run(tc.capture+"/"+tc.proxy, func(t *testing.T) {
			got := reachOf(t, sharedCapture(t, "captures", tc.capture), tc.proxy)
			for target, want := range tc.want {
				if got[target] != want {
					t.Errorf("%s: got %q, want %q", target, got[target], want)
				}
			}
		})
	}
}

// TestReachOfOldProxies holds that dumps of Istio before v3 are answered.
func TestReachOfOldProxies(t *testing.T) {
	for _, tc := range []struct{ dump, target, want string }{
		{"istio-0.8", "kubernetes.default.svc.cluster.local:443 tcp", "routed 1.00"},
		{"istio-1.1/config_dump.json", "reviews.default.svc.cluster.local:9080 http", "routed 1.00"},
		{"istio-1.1/config_dump.json", "kube-dns.kube-system.svc.cluster.local:53 tcp", "routed 1.00"},
		{"istio-1.3", "b.apps-1-99281.svc.cluster.local:80 http", "routed 1.00"},
		{"istio-1.4", "reviews.bookinfo.svc.cluster.local:80 http", "no-cluster 1.00"},
		{"istio-1.5-bookinfo/productpage-config-dump", "*:3000 http", "passthrough 1.00"},
	} {
		t.Run(tc.dump, func(t *testing.T) {
			got := reachOf(t, sharedCapture(t, "corpus", tc.dump), "")
			if got[tc.target] != tc.want {
				t.Errorf("%s: got %q, want %q", tc.target, got[tc.target], tc.want)
			}
		})
	}
}

// TestTo asks all proxies of the shop for hosts: clients that differ in nothing but
// their pod are one line.
func TestTo(t *testing.T) {
	capture := sharedCapture(t, "captures", "shop.tar.gz")
	engine := trace.New(capture)
	for _, tc := range []struct {
		host string
		want []string
	}{
		{"payments:8080", []string{
			"payments.payments.svc.cluster.local:8080 http",
			"denied 2 cache-v1.data", "denied 3 kafka-v1.data", "denied 1 orders-db-v1.data", "denied 2 payments-v1.payments",
			"routed 2 cart-v1.shop", "routed 3 catalog-v1.shop", "routed 1 catalog-v2.shop", "routed 2 checkout-v1.shop", "routed 1 fraud-v1.payments",
			"routed 1 search-canary.shop", "routed 2 search-v1.shop", "routed 3 storefront-v1.shop",
		}},
		{"mainframe.corp.example", []string{
			"mainframe.corp.example:5000 tcp",
			// The Sidecar of their namespace does not import it.
			"blackhole 1 fraud-v1.payments", "blackhole 2 payments-v1.payments",
			"routed 2 cache-v1.data", "routed 2 cart-v1.shop", "routed 3 catalog-v1.shop", "routed 1 catalog-v2.shop", "routed 2 checkout-v1.shop",
			"routed 3 kafka-v1.data", "routed 1 orders-db-v1.data", "routed 1 search-canary.shop", "routed 2 search-v1.shop", "routed 3 storefront-v1.shop",
		}},
		// A gateway is asked for its own hosts, by the port of its Service.
		{"shop.example.com:443", []string{"shop.example.com:8443 https", "routed 1 istio-ingressgateway.istio-system"}},
	} {
		t.Run(tc.host, func(t *testing.T) {
			var got []string
			for _, d := range engine.To(tc.host, trace.Options{}) {
				got = append(got, d.String())
				for _, f := range d.From {
					got = append(got, fmt.Sprintf("%s %d %s.%s", f.Reached.Worst().Verdict, len(f.Proxies), f.Workload, f.Namespace))
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
		})
	}
}

func TestToUnknownHost(t *testing.T) {
	for _, tc := range []struct{ capture, want string }{
		{"bookinfo-registry-only", "nowhere.example:80 http blackhole"},
		{"bookinfo-allow-any", "nowhere.example:80 http passthrough"},
	} {
		destinations := trace.New(sharedCapture(t, "captures", tc.capture)).To("nowhere.example", trace.Options{})
		if len(destinations) != 1 {
			t.Fatalf("%s: got %d destinations, want 1", tc.capture, len(destinations))
		}
		for _, f := range destinations[0].From {
			if got := fmt.Sprintf("%s %s", destinations[0].String(), f.Reached.Worst().Verdict); got != tc.want {
				t.Errorf("%s: %s: got %q, want %q", tc.capture, f.Workload, got, tc.want)
			}
		}
	}
}
