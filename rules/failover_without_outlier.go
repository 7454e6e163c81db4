package rules

import (
	"bytes"
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// FailoverWithoutOutlier reports clusters with spare endpoints that are never used.
var FailoverWithoutOutlier = &analyze.Rule{
	Name:       "failover-without-outlier",
	Code:       "CLU06",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedLoadAssignments},
	Doc: analyze.Doc{
		Title: "endpoints of a lower priority wait for a failover that nothing triggers",
		Finds: "Clusters that an active listener reaches, with endpoints of several priorities (`endpoints[].priority` of the ClusterLoadAssignment) and neither `outlier_detection` nor `health_checks`.",
		Hurts: "Envoy turns to the next priority when the hosts of the first are unhealthy. Without detection they count as healthy whatever they answer: the requests go on failing (503 with flag UF or UC) in the zone that is down, beside endpoints that would work.",
		Example: `endpoints:
- {locality: {zone: a}, lb_endpoints: [...]}
- {locality: {zone: b}, priority: 1, lb_endpoints: [...]}   # and the cluster has no outlier_detection`,
		Silent: "localities of one priority, which share the load by weight; an empty first priority, from which Envoy turns away at once; endpoints whose health EDS gives (`health_status` UNHEALTHY or DRAINING of any of them): the control plane then does the detection. " +
			"istiod sets priorities for `trafficDistribution` too, where the pods' readiness is the detection: clusters of a Service with it, by istiod's `registryz`, are left out, and without a `registryz` it is info.",
		Fix: "add outlierDetection to the trafficPolicy of the DestinationRule",
		References: []string{
			"https://istio.io/latest/docs/tasks/traffic-management/locality-load-balancing/failover/",
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/priority",
			"https://github.com/istio/istio/issues/12961",
		},
	},
	Run: runFailoverWithoutOutlier,
}

func runFailoverWithoutOutlier(pass *analyze.Pass) {
	byReadiness := distributedServices(pass.Capture)
	for _, p := range pass.Proxies {
		for _, r := range usedClusters(pass, p) {
			target, isIstio := parseIstioCluster(r.Name())
			if r.Peek("type") != "EDS" || byReadiness[target.host] {
				continue
			}
			if r.PeekRaw("outlier_detection") != nil || r.PeekRaw("health_checks") != nil {
				continue
			}
			assignment := r.assignment
			if assignment == nil || !bytes.Contains(assignment.Raw(), []byte(`"priority"`)) {
				continue
			}
			first, spare := spareHosts(assignedHealth(pass, assignment))
			if first == 0 || spare == 0 {
				continue
			}
			f := analyze.Finding{
				Ref:     p.Ref(mesh.Cluster, r.Name()),
				Source:  r.Source,
				Message: fmt.Sprintf("%s has %s of a lower priority, and neither outlier detection nor health checks that would make Envoy use them", r.Name(), countHosts(spare)),
				Essence: "no detection",
				Evidence: []analyze.Evidence{
					{Name: "endpoints of priority 0", Value: fmt.Sprint(first)},
					{Name: "endpoints of lower priorities", Value: fmt.Sprint(spare)},
				},
				Related: append(places(p, r.refs), analyze.Location{Ref: p.Ref(mesh.Endpoint, assignment.Name()), Source: assignment.Source, Message: "priorities"}),
				Object:  objectOf(r.refs),
			}
			if isIstio && byReadiness == nil {
				f.Severity = analyze.Info
			}
			pass.Report(f)
		}
	}
}

// spareHosts counts the hosts of priority 0 and of all others; none where EDS says
// that a host is unhealthy.
func spareHosts(hosts []hostHealth) (first, spare int) {
	for _, h := range hosts {
		switch {
		case !h.usable:
			return 0, 0
		case h.priority == 0:
			first++
		default:
			spare++
		}
	}
	return first, spare
}
