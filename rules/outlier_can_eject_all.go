package rules

import (
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// OutlierCanEjectAll reports clusters of which outlier detection may eject every
// host.
var OutlierCanEjectAll = &analyze.Rule{
	Name:       "outlier-can-eject-all",
	Code:       "CLU07",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "outlier detection may eject every endpoint of a small cluster",
		Finds: "Clusters that an active listener reaches, with `outlier_detection.max_ejection_percent` of 100, `common_lb_config.healthy_panic_threshold` of 0 (which is what istiod writes beside outlier detection) and at most 3 endpoints.",
		Hurts: "A bug that answers some requests with 5xx, or a short network fault, ejects all hosts within seconds: Envoy then answers 503 with response flag UH to every request until `base_ejection_time` has passed, also to those that would have worked.",
		Example: `outlier_detection: {consecutive_5xx: 1, max_ejection_percent: 100, base_ejection_time: 180s}
common_lb_config: {healthy_panic_threshold: {}}`,
		Silent: "a panic threshold above 0, with which Envoy goes on sending when too many hosts are ejected; `max_ejection_percent` below 100; more than 3 endpoints, of which it is unlikely that all fail at once; detection that is off (`enforcing_consecutive_5xx: 0` and its like).",
		Fix:    "set minHealthPercent of outlierDetection above 0, or lower maxEjectionPercent so that one endpoint remains",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier",
			"https://istio.io/latest/docs/reference/config/networking/destination-rule/#OutlierDetection",
			"https://github.com/istio/istio/issues/20135",
		},
	},
	Run: runOutlierCanEjectAll,
}

// fewEndpoints is how many hosts may well fail at the same time.
const fewEndpoints = 3

func runOutlierCanEjectAll(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, c := range usedClusters(pass, p) {
			if c.PeekRaw("outlier_detection") == nil || !analyze.Once(pass, c.Content, func() ejectsAll { return mayEjectAll(c.Resource) }) {
				continue
			}
			hosts := len(assignedHealth(pass, c.assignment))
			if hosts == 0 {
				hosts = len(clusterHostsOf(pass, p)[c.Name()].GetHostStatuses())
			}
			if hosts > 0 && hosts <= fewEndpoints {
				reportEjectable(pass, p, c, hosts)
			}
		}
	}
}

// ejectsAll is set for a cluster whose hosts may all be ejected.
type ejectsAll bool

func mayEjectAll(r *mesh.Resource) ejectsAll {
	message, err := r.Cluster()
	if err != nil {
		return false
	}
	detection, threshold := message.GetOutlierDetection(), message.GetCommonLbConfig().GetHealthyPanicThreshold()
	if detection.GetMaxEjectionPercent().GetValue() < 100 || threshold == nil || threshold.GetValue() > 0 {
		return false
	}
	// Consecutive 5xx are enforced unless that is set to 0; gateway failures and
	// failures of local origin only where somebody asks for it.
	enforced := detection.GetEnforcingConsecutive_5Xx() == nil || detection.GetEnforcingConsecutive_5Xx().GetValue() > 0
	return ejectsAll(enforced || detection.GetEnforcingConsecutiveGatewayFailure().GetValue() > 0 ||
		detection.GetEnforcingConsecutiveLocalOriginFailure().GetValue() > 0)
}

func reportEjectable(pass *analyze.Pass, p *mesh.Proxy, r usedCluster, hosts int) {
	message, err := r.Cluster()
	if err != nil {
		return
	}
	detection := message.GetOutlierDetection()
	f := analyze.Finding{
		Ref:     p.Ref(mesh.Cluster, r.Name()),
		Source:  r.Source,
		Message: fmt.Sprintf("%s has %s, and outlier detection may eject 100%% of them at once", r.Name(), countHosts(hosts)),
		Essence: "ejects all",
		Related: places(p, r.refs),
		Object:  istioObject(message.GetMetadata()),
		Evidence: []analyze.Evidence{
			{Name: "max_ejection_percent", Value: fmt.Sprint(detection.GetMaxEjectionPercent().GetValue())},
			{Name: "healthy_panic_threshold", Value: "0"},
		},
	}
	if n := detection.GetConsecutive_5Xx(); n != nil {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "consecutive_5xx", Value: fmt.Sprint(n.GetValue())})
	}
	pass.Report(f)
}
