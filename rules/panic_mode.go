package rules

import (
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// PanicMode reports clusters with so few healthy hosts that Envoy ignores health.
var PanicMode = &analyze.Rule{
	Name:       "panic-mode",
	Code:       "EPT02",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "too few endpoints of a cluster are healthy: Envoy sends requests to the unhealthy ones too",
		Finds: "Active clusters that an active listener reaches, with healthy and unhealthy hosts, where the healthy ones of a priority are fewer than `common_lb_config.healthy_panic_threshold` (50% where it is not set) and all priorities together cannot carry the load: " +
			"1.4 times the healthy hosts are less than all.",
		Hurts: "A part of the requests goes to hosts that are known to fail, in proportion to their number: 503 with flag UF, or the application's own errors. With `fail_traffic_on_panic` Envoy answers 503 with flag UH to everybody instead.",
		Example: `cluster: {name: payments, common_lb_config: {healthy_panic_threshold: {value: 50}}}
payments::10.1.0.7:8080::health_flags::healthy
payments::10.1.0.8:8080::health_flags::/failed_active_hc
payments::10.1.0.9:8080::health_flags::/failed_active_hc`,
		Silent: "a threshold of 0, which istiod writes beside outlier detection: health is never ignored. Enough healthy hosts in another priority. Clusters without any healthy host are `all-endpoints-unhealthy`.",
		Fix:    "restore the unhealthy hosts; a threshold of 0 (minHealthPercent of outlierDetection) keeps requests on the healthy ones, if they can carry them",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold",
			"https://github.com/envoyproxy/envoy/issues/2671",
		},
	},
	Run: runPanicMode,
}

func runPanicMode(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, a := range ailingClusters(pass, p) {
			if a.usable == 0 || !a.panics {
				continue
			}
			effect := "the unhealthy ones get requests too"
			if a.failing {
				effect = "no request is sent at all"
			}
			pass.Report(analyze.Finding{
				Ref:      p.Ref(mesh.Cluster, a.cluster.Name()),
				Source:   a.cluster.Source,
				Message:  fmt.Sprintf("%s is in panic mode: %d of %s healthy, below the threshold of %g%%, so %s", a.cluster.Name(), a.usable, countHosts(len(a.hosts)), a.threshold, effect),
				Essence:  "panic",
				Evidence: a.evidence(),
				Related:  places(p, a.refs),
				Object:   objectOf(a.refs),
			})
		}
	}
}
