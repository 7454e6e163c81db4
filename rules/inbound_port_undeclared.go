package rules

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// InboundPortUndeclared reports ports of a workload that are called and that no
// Service declares.
var InboundPortUndeclared = &analyze.Rule{
	Name:       "inbound-port-undeclared",
	Code:       "LIS09",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Needs:      []analyze.Need{analyze.NeedClusterStatus},
	Doc: analyze.Doc{
		Title:   "a workload is called on ports that no Service declares",
		Finds:   "Hosts of `InboundPassthroughCluster`, `InboundPassthroughClusterIpv4` and `InboundPassthroughClusterIpv6` in `/clusters` with `cx_total` above 0: connections that came to the workload and found no filter chain for their port.",
		Hurts:   "They are carried as bytes: no HTTP telemetry, no HTTP authorization rules, no routes. Rules on paths and methods do not apply to these ports.",
		Example: `InboundPassthroughCluster::10.1.0.7:9404::cx_total::120`,
		Silent:  "an inbound passthrough cluster that nobody used: every sidecar has one. Probes and scrapers call such ports on purpose, so it is no more than info.",
		Fix:     "declare the port in the workload's Service, if it is meant to be part of the mesh",
		References: []string{
			"https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/",
			"https://istio.io/latest/docs/ops/configuration/traffic-management/traffic-routing/",
		},
	},
	Run: runInboundPortUndeclared,
}

var inboundPassthroughs = []string{"InboundPassthroughCluster", "InboundPassthroughClusterIpv4", "InboundPassthroughClusterIpv6"}

func runInboundPortUndeclared(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, cluster := range inboundPassthroughs {
			byPort := map[string]float64{}
			var ports []string
			for address, n := range usedHosts(p, cluster) {
				if _, port, err := net.SplitHostPort(address); err == nil {
					byPort[port] += n
				}
			}
			for port := range byPort {
				ports = append(ports, port)
			}
			if len(ports) == 0 {
				continue
			}
			slices.SortFunc(ports, comparePorts)
			pass.Report(analyze.Finding{
				Ref:      p.Ref(mesh.Cluster, cluster),
				Source:   p.ClusterStatus.Source,
				Message:  undeclared(ports),
				Essence:  p.Namespace + "/" + p.Workload() + " " + strings.Join(ports, ","),
				Evidence: mostCalled(byPort, "connections"),
			})
		}
	}
}

func undeclared(ports []string) string {
	if len(ports) == 1 {
		return fmt.Sprintf("port %s is called, though no Service of the workload declares it", ports[0])
	}
	text := strings.Join(ports[:min(len(ports), listedPlaces)], ", ")
	if more := len(ports) - listedPlaces; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("ports %s are called, though no Service of the workload declares them", text)
}

// comparePorts orders ports by number.
func comparePorts(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
}
