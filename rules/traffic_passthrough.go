package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// TrafficPassthrough reports calls to destinations that the mesh does not know.
var TrafficPassthrough = &analyze.Rule{
	Name:       "traffic-passthrough",
	Code:       "LIS11",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Needs:      []analyze.Need{analyze.NeedClusterStatus},
	Doc: analyze.Doc{
		Title: "a workload calls destinations that the mesh does not know",
		Finds: "Hosts of `PassthroughCluster` in `/clusters` with `cx_total` above 0, and calls in `istio_requests_total` and `istio_tcp_connections_opened_total` whose `destination_service_name` is `PassthroughCluster`. The destinations that were called most are listed.",
		Hurts: "Nothing, as long as the outbound policy is ALLOW_ANY. There is no mTLS, no policy and no retry on these calls, and with REGISTRY_ONLY each of them would fail (502, or a connection that is reset).",
		Example: `PassthroughCluster::52.30.1.9:443::cx_total::17
PassthroughCluster::10.20.0.5:5432::cx_total::4`,
		Silent: "a `PassthroughCluster` that nobody used: every sidecar has one. Envoy forgets the hosts of the cluster some time after their last connection, so the list shows recent calls.",
		Fix:    "write ServiceEntries for the destinations before the outbound policy is made REGISTRY_ONLY",
		References: []string{
			"https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/",
			"https://istio.io/latest/blog/2019/monitoring-external-service-traffic/",
			"https://github.com/istio/istio/issues/38018",
		},
	},
	Run: runTrafficPassthrough,
}

const passthrough = "PassthroughCluster"

func runTrafficPassthrough(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		called := usedHosts(p, passthrough)
		named := countedCalls(p, func(labels map[string]string) bool { return labels["destination_service_name"] == passthrough })
		delete(named, "unknown")
		delete(named, passthrough)
		if len(called) == 0 && len(named) == 0 {
			continue
		}
		f := analyze.Finding{
			Ref:     p.Ref(mesh.Cluster, passthrough),
			Source:  p.ClusterStatus.Source,
			Message: fmt.Sprintf("%s leave the mesh unseen", callsTo(called, named)),
			Essence: p.Namespace + "/" + p.Workload(),
		}
		f.Evidence = append(mostCalled(called, "connections"), mostCalled(named, "calls")...)
		pass.Report(f)
	}
}

// usedHosts are the hosts of a cluster that had connections, and how many.
func usedHosts(p *mesh.Proxy, cluster string) map[string]float64 {
	used := map[string]float64{}
	status, _ := p.ClusterStatus.Get()
	for _, c := range status.GetClusterStatuses() {
		if c.GetName() != cluster {
			continue
		}
		for _, h := range c.GetHostStatuses() {
			if n := counter(h, "cx_total"); n > 0 {
				used[addressText(h.GetAddress())] += n
			}
		}
	}
	return used
}

func callsTo(called, named map[string]float64) string {
	switch {
	case len(called) == 0:
		return fmt.Sprintf("calls to %s", countNamed(len(named), "host"))
	case len(called) == 1:
		for address := range called {
			return "connections to " + address
		}
	}
	return fmt.Sprintf("connections to %s", countNamed(len(called), "address", "addresses"))
}

// countNamed writes "1 host" or "3 hosts".
func countNamed(n int, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	if len(many) > 0 {
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

const listedCalls = 15

// mostCalled lists destinations by the number of calls.
func mostCalled(calls map[string]float64, unit string) []analyze.Evidence {
	order := slices.SortedFunc(maps.Keys(calls), func(a, b string) int { return cmp.Or(cmp.Compare(calls[b], calls[a]), cmp.Compare(a, b)) })
	var out []analyze.Evidence
	for _, destination := range order[:min(len(order), listedCalls)] {
		out = append(out, analyze.Evidence{Name: destination, Value: fmt.Sprintf("%.0f %s", calls[destination], unit)})
	}
	return out
}
