package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestSyncCaptures holds what the rules on delivery and versions say of whole
// captures. The time is given where a capture ends in the second of its last push.
func TestSyncCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	tests := []struct {
		rule, captures, asOf string
		want                 []string
	}{
		// Asked for clusters only, so that all of them wait for endpoints and no route exists.
		{"resource-stuck-warming", "captures/bookinfo-drift", "2026-11-22T07:59:20Z", []string{
			"warning reviews-v2-lz2sk9fxw-mfhsb.default/cluster x1",
		}},
		{"resource-stuck-warming", "captures/shop.tar.gz", "2026-11-22T23:00:00Z", nil},
		{"sds-secret-missing", "captures/broken", "2026-11-22T08:47:03Z", []string{
			"error istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/kubernetes://does-not-exist x1",
		}},
		// The harness withheld a certificate, a rotated one and a route configuration.
		{"sds-secret-missing", "captures/envoy-real/after", "2026-11-22T11:00:00Z", []string{
			"error edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/secret/withheld_cert x2",
			"warning edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/secret/withheld_rotated_cert x2",
		}},
		{"rds-not-delivered", "captures/envoy-real/after", "", []string{
			"error edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/route/withheld_routes x2",
		}},
		{"ecds-not-delivered", "captures/envoy-real/after", "", nil},
		{"proxy-not-connected", "captures/shop.tar.gz", "", nil},
		{"proxy-not-connected", "corpus/bug-report-1.25", "", nil},
		{"push-status-conflict", "captures/broken", "", []string{
			"warning istiod/default/details-v1 x1",
			"warning istiod/productpage.default.svc.cluster.local:80 x1",
			"warning istiod/productpage.default.svc.cluster.local:9080 x1",
		}},
		{"istiod-replicas-disagree", "captures/bookinfo-drift captures/bookinfo-allow-any", "", nil},
		{"proxy-not-live", "captures/envoy-real/after", "", nil},
		{"debug-logging", "corpus/bug-report-1.25", "", nil},
		{"remote-cluster-not-synced", "corpus/bug-report-1.25", "", nil},
		{"version-skew", "corpus/bug-report-1.25", "", nil},
		{"version-end-of-life", "corpus/istio-1.18-nack", "", []string{"warning geo-5c54dcd5bd-z5ghf.hr2 x1"}},
		{"version-end-of-life", "corpus/openshift-1.20", "", nil},
		{"admin-exposed", "captures/shop.tar.gz", "", nil},
		{"admin-exposed", "corpus/before-after", "", []string{"warning default-node (after.json)/bootstrap x2"}},
		{"tracing-full-sampling", "captures/shop.tar.gz", "", nil},
		// The refused listener and the stale proxies are of the first capture only.
		{"xds-resource-rejected", "captures/bookinfo-drift captures/bookinfo-allow-any", "", []string{
			"error reviews-v1-cgx6vgsdg-qrcx5.default (bookinfo-drift)/listener/0.0.0.0_9080 x1",
		}},
		{"xds-ack-stale", "captures/bookinfo-drift captures/bookinfo-allow-any", "", []string{
			"info ratings-v1-vsnqhl44b-wsqvs.default (bookinfo-drift) x2",
		}},
	}
	for _, test := range tests {
		t.Run(test.rule+"/"+test.captures, func(t *testing.T) {
			var paths []string
			for _, capture := range strings.Fields(test.captures) {
				paths = append(paths, filepath.Join(shared, filepath.FromSlash(capture)))
			}
			var opts loader.Options
			if test.asOf != "" {
				var err error
				if opts.AsOf, err = time.Parse(time.RFC3339, test.asOf); err != nil {
					t.Fatal(err)
				}
			}
			c, err := loader.Load(paths, nil, opts)
			if err != nil {
				t.Fatal(err)
			}
			result := analyze.Run(c, []*analyze.Rule{analyze.Find(All(), test.rule)}, analyze.Options{})
			if len(result.Skipped) > 0 && len(result.Skipped[0].Proxies) == 0 {
				t.Errorf("skipped for want of %v", result.Skipped[0].Missing)
			}
			var got []string
			for _, f := range result.Findings {
				got = append(got, fmt.Sprintf("%s %s x%d", f.Severity, f.Ref, len(f.Instances)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}
