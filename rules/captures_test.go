package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestCaptures holds what the rules say of whole captures: all findings of at
// least the given severity, in order, with the number of proxies that have them.
func TestCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	tests := []struct {
		capture string
		least   analyze.Severity
		want    []string
	}{
		// Three healthy meshes. Nothing remains to be argued.
		{"captures/bookinfo-allow-any", analyze.Warning, nil},
		{"captures/waypoint", analyze.Warning, nil},
		{"captures/bookinfo-registry-only", analyze.Warning, nil},
		{
			// Info on a healthy mesh: what the capture lacks, the copies of a
			// VirtualService without a port, and what a Sidecar hides on purpose. The
			// warnings are true: the capture's throw-away certificate is for
			// shop.example.com alone.
			"captures/shop.tar.gz", analyze.Info, []string{
				"warning gateway-cert-does-not-cover-sni istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/listener/0.0.0.0_8443#partner.example.com x1",
				"warning gateway-cert-does-not-cover-sni istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/listener/0.0.0.0_8443#shop.example.com,www.shop.example.com x1",
				"info path-rbac-weak-normalization payments-v1-rrz6thtqp-gl4kd.payments/listener/virtualInbound x2",
				"info path-rbac-weak-normalization storefront-v1-cgx6vgsdg-9fxwm.shop/listener/virtualInbound x3",
				"info blackhole-fallthrough fraud-v1-7sxk98kzn-vnk7k.payments/cluster/BlackHoleCluster x3",
				"info capture-incomplete cache-v1-xbdxb6gzt-hzq82.data/istiod's view x25",
				"info capture-incomplete cache-v1-xbdxb6gzt-hzq82.data/stats, server_info x25",
				"info fault-injection-active cache-v1-xbdxb6gzt-hzq82.data/route/8080#catalog.shop.svc.cluster.local:8080 x20",
				"info hash-policy-ineffective cache-v1-xbdxb6gzt-hzq82.data/route/8080#catalog.shop.svc.cluster.local:8080 x20",
				"info virtual-host-domain-never-matches istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/route/http.8080#shop/www.shop.example.com:8080 x1",
			},
		},
		{
			"captures/bookinfo-allow-any", analyze.Info, []string{
				"info path-rbac-weak-normalization ratings-v1-vsnqhl44b-wsqvs.default/listener/virtualInbound x1",
				"info capture-incomplete details-v1-hqxmpscr8-4h5ld.default/stats, server_info x7",
				"info route-to-missing-cluster details-v1-hqxmpscr8-4h5ld.default/route/80 x6",
			},
		},
		{
			// Planted: host details-v9, subset ratings v7, the wildcard VirtualService
			// that leads to a port that details has not, the expired certificates of a
			// gateway host and of ratings-v1; as info the Services without endpoints,
			// which only implicit routes lead to, and what the Sidecar hides from details.
			"captures/broken", analyze.Info, []string{
				"error mtls-mode-mismatch istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/cluster/outbound|9080||reviews.default.svc.cluster.local x7",
				"error route-to-missing-cluster productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|80||details.default.svc.cluster.local x6",
				"error route-to-missing-cluster productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|9080|v7|ratings.default.svc.cluster.local x6",
				"error route-to-missing-cluster productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|9080||details-v9.default.svc.cluster.local x6",
				"error weighted-dead-member productpage-v1-lzlq8s55k-c7p7m.default/route/9080#ratings.default.svc.cluster.local:9080 x6",
				"error cert-expired istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/kubernetes://shop-cert-expired x1",
				"error cert-expired ratings-v1-vsnqhl44b-wsqvs.default/secret/default x1",
				"warning outbound-port-captured productpage-v1-lzlq8s55k-c7p7m.default/listener/0.0.0.0_7000 x6",
				"warning gateway-serves-nothing istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/route/https.8443.https-c.dup-b.default x1",
				"warning gateway-serves-nothing istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/route/https.8443.https-d.dup-b.default x1",
				"warning protocol-mismatch productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|7001||mixed-tcp2.default.svc.cluster.local x6",
				"warning virtualservice-without-effect VirtualService default/productpage-b x1",
				"warning virtualservice-without-effect VirtualService default/wild-b x1",
				"warning push-status-conflict istiod/default/details-v1 x1",
				"warning push-status-conflict istiod/productpage.default.svc.cluster.local:80 x1",
				"warning push-status-conflict istiod/productpage.default.svc.cluster.local:9080 x1",
				"info path-rbac-weak-normalization ratings-v1-vsnqhl44b-wsqvs.default/listener/virtualInbound x1",
				"info cluster-without-endpoints details-v1-hqxmpscr8-4h5ld.default/cluster/outbound|9080||ghost.default.svc.cluster.local x7",
				"info cluster-without-endpoints productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|8500||noselector.default.svc.cluster.local x6",
				"info cluster-without-endpoints productpage-v1-lzlq8s55k-c7p7m.default/cluster/outbound|8600||unready.default.svc.cluster.local x6",
				"info blackhole-fallthrough details-v1-hqxmpscr8-4h5ld.default/cluster/BlackHoleCluster x1",
				"info capture-incomplete details-v1-hqxmpscr8-4h5ld.default/stats, server_info x8",
				"info route-to-missing-cluster productpage-v1-lzlq8s55k-c7p7m.default/route/80 x6",
				"info sds-secret-missing istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/kubernetes://does-not-exist x1",
				"info weak-certificate istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/kubernetes://shop-cert-expired x1",
			},
		},
		{
			// The reason of reviews-v1's NACK is in syncz and in the dump: one fault. The
			// others were pushed in the second of the capture.
			"captures/bookinfo-drift", analyze.Info, []string{
				"error xds-resource-rejected reviews-v1-cgx6vgsdg-qrcx5.default/listener/0.0.0.0_9080 x1",
				"info path-rbac-weak-normalization ratings-v1-vsnqhl44b-wsqvs.default/listener/virtualInbound x1",
				"info blackhole-fallthrough ratings-v1-vsnqhl44b-wsqvs.default/cluster/BlackHoleCluster x2",
				"info capture-incomplete details-v1-hqxmpscr8-4h5ld.default/stats, server_info x7",
				"info route-to-missing-cluster details-v1-hqxmpscr8-4h5ld.default/route/80 x5",
				"info xds-ack-stale ratings-v1-vsnqhl44b-wsqvs.default x2",
			},
		},
		{
			// A real Envoy, dumped in several forms. Its logs and counters lie beside the
			// full dump only, so the others cannot tell that bad_lb was rejected.
			"captures/envoy-real/after", analyze.Warning, []string{
				"error cluster-without-endpoints edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/empty x1",
				"error filter-chain-match-duplicate edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_http#http-twice x3",
				"error route-to-missing-cluster edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/no_such_cluster x2",
				"error route-to-missing-cluster edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/unresolvable_dns x2",
				"error xds-resource-rejected edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/bad_lb x1",
				"error xds-resource-rejected edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_http x3",
				"error xds-resource-rejected edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/never_there x3",
				"error xds-resource-rejected edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/partner_routes x1",
				"error rds-not-delivered edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/withheld_routes x2",
				"error cert-expired edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/secret/old-cert x2",
				"warning circuit-breaker-tight edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x2",
				"warning all-endpoints-unhealthy edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x1",
				"warning route-shadowed edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#shop x2",
				"warning host-port-not-matched edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes x2",
				"warning fault-injection-active edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#shop x2",
				"warning hash-policy-ineffective edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#api x2",
			},
		},
		{
			"captures/envoy-real/before", analyze.Warning, []string{
				"error cluster-without-endpoints edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/empty x1",
				"error route-to-missing-cluster edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/no_such_cluster x2",
				"error cert-expired edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/secret/old-cert x2",
				"warning circuit-breaker-tight edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x2",
				"warning all-endpoints-unhealthy edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/cluster/outbound|8080|v1|cart.shop.svc.cluster.local x1",
				"warning route-shadowed edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#shop x2",
				"warning host-port-not-matched edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes x2",
				"warning fault-injection-active edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#shop x2",
				"warning hash-policy-ineffective edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/edge_routes#api x2",
			},
		},
		{"corpus/bug-report-1.25", analyze.Warning, nil},
		{
			// The services without pods that this sidecar knows are called by nobody.
			"corpus/istio-1.18-nack", analyze.Warning, []string{
				"error xds-resource-rejected geo-5c54dcd5bd-z5ghf.hr2/listener/virtualInbound x1",
				"warning version-end-of-life geo-5c54dcd5bd-z5ghf.hr2 x1",
			},
		},
		{
			// https://github.com/zhaohuabing/bookinfo: a VirtualService that outlived its Service.
			"corpus/istio-1.5-bookinfo", analyze.Warning, []string{
				"error route-to-missing-cluster istio-ingressgateway-568476969c-v7xw7.istio-system/cluster/outbound|8000||httpbin.default.svc.cluster.local x1",
				"warning gateway-serves-nothing istio-ingressgateway-568476969c-v7xw7.istio-system/route/http.80 x1",
			},
		},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s/%s", test.capture, test.least), func(t *testing.T) {
			c := load(t, filepath.Join(shared, filepath.FromSlash(test.capture)))
			var got []string
			for _, f := range analyze.Run(c, byDefault(t), analyze.Options{}).Shown(test.least).Findings {
				got = append(got, fmt.Sprintf("%s %s %s x%d", f.Severity, f.Rule, f.Ref, len(f.Instances)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

// TestCutOff: of a dump that breaks off anywhere nothing is said that is not said of
// the whole: what is missing may have stood behind.
func TestCutOff(t *testing.T) {
	captures := filepath.Join(fixtures.Shared(t), "captures")
	for _, path := range []string{"broken/default/productpage-v1-lzlq8s55k-c7p7m/config_dump.json", "broken/istio-system/istio-ingressgateway-xzpwk8fmg-nkgm6/config_dump.json"} {
		whole, err := os.ReadFile(filepath.Join(captures, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]bool{}
		const pieces = 40
		for i := pieces; i > 0; i-- {
			length := len(whole) * i / pieces
			c, err := loader.Load([]string{"-"}, bytes.NewReader(whole[:length]), loader.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range analyze.Run(c, byDefault(t), analyze.Options{}).Shown(analyze.Warning).Findings {
				text := fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, f.Message)
				if i == pieces {
					said[text] = true
				} else if !said[text] {
					t.Errorf("%s, the first %d of %d bytes: got %s", path, length, len(whole), text)
				}
			}
		}
		if len(said) == 0 {
			t.Errorf("%s: nothing is said of the whole", path)
		}
	}
}

// TestSeveralMeshes: of two meshes that are opened together, whose pods have the same
// addresses, nothing is said that is not said of one of them, and nothing is lost.
func TestSeveralMeshes(t *testing.T) {
	captures := filepath.Join(fixtures.Shared(t), "captures")
	for _, pair := range [][2]string{{"broken", "shop.tar.gz"}, {"waypoint", "shop.tar.gz"}, {"bookinfo-registry-only", "broken"}} {
		t.Run(strings.Join(pair[:], "+"), func(t *testing.T) {
			one, other := filepath.Join(captures, pair[0]), filepath.Join(captures, pair[1])
			messages := func(paths ...string) []string {
				var out []string
				for _, f := range analyze.Run(load(t, paths...), byDefault(t), analyze.Options{}).Findings {
					// A pod of both captures has a label, that of its capture.
					message := regexp.MustCompile(` \((broken|bookinfo-registry-only)\)`).ReplaceAllString(f.Message, "")
					out = append(out, fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, message))
				}
				slices.Sort(out)
				return slices.Compact(out)
			}
			want := append(messages(one), messages(other)...)
			slices.Sort(want)
			want = slices.Compact(want)
			if got := messages(one, other); !slices.Equal(got, want) {
				t.Errorf("together they differ:\n%s", fixtures.Diff("alone", list(want), list(got)))
			}
		})
	}
}

// byDefault are the rules that run where no profile is asked for.
func byDefault(t *testing.T) []*analyze.Rule {
	t.Helper()
	rules, err := analyze.Select(All(), nil, nil, "default")
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func list(lines []string) string {
	text := ""
	for _, line := range lines {
		text += "  " + line + "\n"
	}
	return text
}

// TestOnFullCaptures runs all rules twice, over captures of all ages: no rule crashes,
// both runs say the same, and each rule finds something in one of them, if only what was
// planted there for it.
func TestOnFullCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	var paths []string
	for _, pattern := range []string{"corpus/*", "captures/bookinfo-*", "captures/broken", "captures/shop.tar.gz", "captures/envoy-real/*"} {
		found, err := filepath.Glob(filepath.Join(shared, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	fired := map[string]bool{}
	for _, path := range paths {
		// Not every capture knows its time.
		c, err := loader.Load([]string{path}, nil, loader.Options{AsOf: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatal(err)
		}
		first := analyze.Run(c, All(), analyze.Options{Hits: Hits})
		second := analyze.Run(c, All(), analyze.Options{Hits: Hits})
		if fmt.Sprint(first.Findings) != fmt.Sprint(second.Findings) || fmt.Sprint(first.Skipped) != fmt.Sprint(second.Skipped) {
			t.Errorf("%s: two runs differ", filepath.Base(path))
		}
		for _, f := range first.Findings {
			fired[f.Rule] = true
			if f.Essence == "crashed" {
				t.Errorf("%s: %s: %s", filepath.Base(path), f.Rule, f.Message)
			}
		}
	}
	for _, rule := range All() {
		planted := filepath.Join(fixtures.Root(t), "fixtures", "planted", rule.Name+".txtar")
		if _, err := os.Stat(planted); err != nil && !fired[rule.Name] {
			t.Errorf("%s finds nothing in any full capture: plant a case for it in fixtures/planted", rule.Name)
		}
	}
}

// BenchmarkLint shows that the cost grows with distinct content, not with the
// number of proxies: the bundle has 100 sidecars of 60 services.
func BenchmarkLint(b *testing.B) {
	c := load(b, filepath.Join(fixtures.Shared(b), "captures", "large", "bug-report-100.tar.gz"))
	for b.Loop() {
		analyze.Run(c, All(), analyze.Options{})
	}
}
