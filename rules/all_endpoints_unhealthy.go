package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// AllEndpointsUnhealthy reports clusters that have hosts, none of them healthy.
var AllEndpointsUnhealthy = &analyze.Rule{
	Name:       "all-endpoints-unhealthy",
	Code:       "EPT01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "every endpoint of a cluster that the proxy routes to is unhealthy",
		Finds: "Active clusters that an active listener reaches, with hosts of which each is out: `health_flags` with `failed_active_hc`, `failed_outlier_check` or `active_hc_timeout` in `/clusters`, or `UNHEALTHY`, `DRAINING` or `TIMEOUT` from EDS. " +
			"`common_lb_config.healthy_panic_threshold` decides what Envoy makes of it: at 0, which is what istiod writes beside outlier detection, it sends nothing.",
		Hurts: "Envoy answers 503 with response flag UH without asking any host; TCP connections are closed. With a panic threshold above 0 it sends the requests to the unhealthy hosts all the same, which is a warning.",
		Example: `outbound|8080||pay.shop.svc.cluster.local::10.1.0.7:8080::health_flags::/failed_outlier_check
outbound|8080||pay.shop.svc.cluster.local::10.1.0.8:8080::health_flags::/failed_outlier_check`,
		Silent: "clusters without hosts, which are `cluster-without-endpoints`; clusters that nothing routes to; hosts that are degraded, which still get requests. " +
			"A cluster that only istiod's default route leads to, and whose hosts EDS calls unhealthy, may have no caller: a warning. Hosts that outlier detection ejected had requests.",
		Fix: "see why the hosts fail: the application's answers (outlier detection counts 5xx and failed connections), mTLS on both ends, the health check's path and port",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/panic_threshold",
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier",
			"https://github.com/istio/istio/issues/20135",
		},
	},
	Run: runAllEndpointsUnhealthy,
}

func runAllEndpointsUnhealthy(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, a := range ailingClusters(pass, p) {
			if a.usable > 0 {
				continue
			}
			f := analyze.Finding{
				Ref:      p.Ref(mesh.Cluster, a.cluster.Name()),
				Source:   a.cluster.Source,
				Message:  fmt.Sprintf("%s has %s, all unhealthy: %s", a.cluster.Name(), countHosts(len(a.hosts)), withoutHost(a.refs)),
				Essence:  "unhealthy",
				Evidence: a.evidence(),
				Related:  places(p, a.refs),
				Object:   objectOf(a.refs),
			}
			switch {
			case a.ignoresHealth():
				f.Severity = analyze.Warning
				f.Message = fmt.Sprintf("%s has %s, all unhealthy: Envoy is in panic mode and uses them all the same", a.cluster.Name(), countHosts(len(a.hosts)))
			case a.mayBeIdle():
				f.Severity, f.Confidence = analyze.Warning, analyze.Likely
			}
			pass.Report(f)
		}
	}
}

// withoutHost says what Envoy does for want of a host, by the uses of the cluster.
func withoutHost(refs []placed) string {
	uses := func(u use) bool { return slices.ContainsFunc(refs, func(ref placed) bool { return ref.use == u }) }
	switch {
	case uses(useRoute) && uses(useTCP):
		return "Envoy answers 503 with flag UH, and closes TCP connections"
	case uses(useRoute):
		return "Envoy answers 503 with flag UH"
	case uses(useTCP):
		return "Envoy closes the connections, with flag UH"
	case uses(useCall):
		return "the calls of Envoy's filters fail"
	}
	return "Envoy sends nothing there"
}

func countHosts(n int) string {
	if n == 1 {
		return "1 endpoint"
	}
	return fmt.Sprintf("%d endpoints", n)
}

// mayBeIdle reports whether nothing shows that anybody calls the cluster.
func (a *ailing) mayBeIdle() bool {
	called := func(ref placed) bool { return !ref.implicit && !isServiceListener(ref) }
	ejected := func(h hostHealth) bool { return strings.Contains(h.why, "failed_outlier_check") }
	return !slices.ContainsFunc(a.refs, called) && !slices.ContainsFunc(a.hosts, ejected)
}
