package rules

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// WeightedDeadMember reports traffic splits of which a part can only fail.
var WeightedDeadMember = &analyze.Rule{
	Name:       "weighted-dead-member",
	Code:       "RTE04",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedBootstrap, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "a part of a traffic split goes to a cluster that cannot answer",
		Finds: "Members of `weighted_clusters` with a weight above 0 whose cluster does not exist, has no endpoint, or has only endpoints that are unhealthy and get no request, in a split of which another member can answer. The finding gives the part of the requests that fails: weight through the sum of weights.",
		Hurts: "Exactly that part of the requests fails with 503 (NC without a cluster, UH without a healthy endpoint), the others succeed: it looks like a flaky service, and retries hide it at the price of latency.",
		Example: `weighted_clusters:
  clusters:
  - {name: outbound|9080|v7|ratings.default.svc.cluster.local, weight: 30} # no such subset
  - {name: outbound|9080|v1|ratings.default.svc.cluster.local, weight: 70}`,
		Silent:     "a weight of 0; a split of which no member can answer, which route-to-missing-cluster and cluster-without-endpoints report; unhealthy endpoints that Envoy asks all the same, being in panic mode (`common_lb_config.healthy_panic_threshold` above 0, 50% where it is not set, without `fail_traffic_on_panic`), which all-endpoints-unhealthy reports; clusters of DNS or ORIGINAL_DST, whose hosts are no endpoints of EDS; copies of a VirtualService on ports that its host does not have; on-demand CDS. A cluster that is still warming is a warning.",
		Fix:        "set the weight of the dead member to 0 until it has endpoints; create the subset in the DestinationRule, or the pods that it selects",
		References: []string{"https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination", "https://github.com/istio/istio/issues/20367"},
	},
	Run: runWeightedDeadMember,
}

func runWeightedDeadMember(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if _, onDemand := clusterReferences(pass, p); onDemand {
			continue
		}
		var v *vitality
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return eachRoute[[]routeFault](t.config, func(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
				if len(route.GetRoute().GetWeightedClusters().GetClusters()) < 2 {
					return routeFault{}, false
				}
				if v == nil {
					v = newVitality(pass, p)
				}
				return v.judge(vh, route, index)
			})
		})
	}
}

// vitality tells which clusters of a proxy can answer.
type vitality struct {
	pass     *analyze.Pass
	clusters map[string]*mesh.Resource
	warming  map[string]bool
	hosts    *hostIndex
	status   clusterHosts
	assigned assignments
}

func newVitality(pass *analyze.Pass, p *mesh.Proxy) *vitality {
	v := &vitality{pass: pass, clusters: map[string]*mesh.Resource{}, warming: map[string]bool{},
		hosts: hostIndexOf(pass, p), status: clusterHostsOf(pass, p), assigned: assignmentsOf(pass, p)}
	for _, r := range p.Clusters {
		switch r.State {
		case mesh.Active:
			v.clusters[r.Name()] = r
		case mesh.Warming:
			v.warming[r.Name()] = true
		}
	}
	return v
}

// deadOf says why a cluster cannot answer; "" if it can, or if that is not known.
func (v *vitality) deadOf(name string) string {
	r := v.clusters[name]
	switch {
	case r == nil && v.warming[name]:
		return "is still warming"
	case r == nil:
		return "does not exist"
	case r.Peek("type") != "EDS":
		return ""
	}
	if why := v.hosts.none(r); why != "" {
		return why
	}
	hosts := observedHealth(v.status[name])
	if len(hosts) == 0 {
		hosts = assignedHealth(v.pass, v.assigned[assignmentName(r)])
	}
	if len(hosts) == 0 || slices.ContainsFunc(hosts, func(h hostHealth) bool { return h.usable }) {
		return ""
	}
	message, err := r.Cluster()
	if err != nil {
		return ""
	}
	a := ailing{hosts: hosts}
	if a.panic(message.GetCommonLbConfig()); a.ignoresHealth() {
		return ""
	}
	return fmt.Sprintf("has no healthy endpoint (%s)", hosts[0].why)
}

func (v *vitality) judge(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	members := route.GetRoute().GetWeightedClusters().GetClusters()
	total := uint32(0)
	for _, c := range members {
		total += c.GetWeight().GetValue()
	}
	fault := routeFault{virtualHost: vh.GetName(), object: istioObject(route.GetMetadata())}
	var dead []string
	failing, alive, gone := 0.0, false, false
	for _, c := range members {
		share := percent(c.GetWeight().GetValue(), total)
		if share == 0 || c.GetName() == "" {
			continue
		}
		why := v.deadOf(c.GetName())
		if why == "" {
			alive = true
			continue
		}
		failing += share
		gone = gone || v.clusters[c.GetName()] != nil || !v.warming[c.GetName()]
		dead = append(dead, withoutPort(c.GetName())+" "+why)
		fault.evidence = append(fault.evidence, analyze.Evidence{Name: fmt.Sprintf("%.4g%%", share), Value: c.GetName()})
	}
	if len(dead) == 0 || !alive {
		return routeFault{}, false
	}
	if !gone {
		fault.severity = analyze.Warning
	}
	fault.route, fault.share = routeWords(route, index), failing
	fault.message = fmt.Sprintf("%.4g%% of the requests of %s of %s fail: %s", failing, fault.route, hostOf(vh), strings.Join(dead[:min(len(dead), 3)], "; "))
	return fault, true
}
