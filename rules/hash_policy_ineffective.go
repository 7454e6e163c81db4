package rules

import (
	"bytes"
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// HashPolicyIneffective reports session affinity of which only one half is configured.
var HashPolicyIneffective = &analyze.Rule{
	Name:       "hash-policy-ineffective",
	Code:       "RTE11",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a route hashes requests for a cluster that does not use the hash, or the other way round",
		Finds: "Routes with a `hash_policy` whose clusters have an `lb_policy` (or a `load_balancing_policy`) that ignores hashes, such as ROUND_ROBIN or LEAST_REQUEST; and routes without one to a cluster with RING_HASH or MAGLEV.",
		Hurts: "Session affinity does not work, and nothing says so: requests of one session reach any endpoint. A ring without a hash gets a random one for every request.",
		Example: `route: {cluster: outbound|80||cart.shop.svc.cluster.local, hash_policy: [{header: {header_name: x-user}}]}
# and
cluster: {name: outbound|80||cart.shop.svc.cluster.local, lb_policy: LEAST_REQUEST}`,
		Silent:     "clusters that the proxy does not have (route-to-missing-cluster); balancers that choose the host by themselves (CLUSTER_PROVIDED, override_host, extensions that are not known); routes that hash for one of several weighted clusters, if that one uses it. A subset that replaces the hashing load balancer of its host on purpose is info.",
		Fix:        "set consistentHash in the DestinationRule that wins for the host and the subset which the route names: a subset's own trafficPolicy replaces the host's loadBalancer",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#envoy-v3-api-msg-config-route-v3-routeaction-hashpolicy", "https://istio.io/latest/docs/reference/config/networking/destination-rule/#LoadBalancerSettings-ConsistentHashLB"},
	},
	Run: runHashPolicyIneffective,
}

// balancing is what a load balancer makes of a request's hash.
type balancing int

const (
	balancingUnknown balancing = iota
	ignoresHash
	usesHash
)

func runHashPolicyIneffective(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		clusters := map[string]*mesh.Resource{}
		for _, r := range p.Clusters {
			if r.State == mesh.Active {
				clusters[r.Name()] = r
			}
		}
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return eachRoute[[]routeFault](t.config, func(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
				return hashFault(clusters, vh, route, index)
			})
		})
	}
}

func hashFault(clusters map[string]*mesh.Resource, vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	hashes := len(route.GetRoute().GetHashPolicy()) > 0
	targets := targetsOf(route.GetRoute())
	if len(targets) == 0 {
		return routeFault{}, false
	}
	var culprit string
	var policy string
	for _, name := range targets {
		r := clusters[name]
		if r == nil {
			continue
		}
		b, text := balancingOf(r)
		switch {
		case hashes && b != ignoresHash:
			return routeFault{}, false
		case hashes && culprit == "", !hashes && b == usesHash && culprit == "":
			culprit, policy = name, text
		}
	}
	if culprit == "" {
		return routeFault{}, false
	}
	fault := routeFault{virtualHost: vh.GetName(), object: istioObject(route.GetMetadata()), evidence: []analyze.Evidence{{Name: "cluster", Value: culprit}, {Name: "lb_policy", Value: policy}}}
	where := fmt.Sprintf("%s of %s", routeWords(route, index), hostOf(vh))
	if hashes {
		fault.message = fmt.Sprintf("hash_policy of %s has no effect: %s balances by %s", where, withoutPort(culprit), policy)
		if overrides(clusters, culprit) {
			fault.severity = analyze.Info
			fault.message += ", unlike its host"
			fault.fix = "nothing if the subset's own loadBalancer is meant; else remove it from the subset"
		}
		return fault, true
	}
	fault.message = fmt.Sprintf("%s of %s has nothing to hash: %s has no hash_policy, so every request goes to a random host", policy, withoutPort(culprit), where)
	fault.fix = "make the DestinationRule with consistentHash visible where the route is made (exportTo, same host and subset), so that istiod gives the route its hash_policy"
	return fault, true
}

// overrides reports whether a cluster is a subset whose host does use the hash: a
// subset's trafficPolicy that names another load balancer is usually meant, and
// istiod makes the route's hash_policy of the host's.
func overrides(clusters map[string]*mesh.Resource, name string) bool {
	c, ok := parseIstioCluster(name)
	if !ok || c.subset == "" {
		return false
	}
	host := clusters[fmt.Sprintf("%s|%s||%s", c.direction, c.port, c.host)]
	if host == nil {
		return false
	}
	b, _ := balancingOf(host)
	return b == usesHash
}

// targetsOf are the clusters that an action names, those with a weight of 0 aside.
func targetsOf(action *routev3.RouteAction) []string {
	if name := action.GetCluster(); name != "" {
		return []string{name}
	}
	var names []string
	for _, c := range action.GetWeightedClusters().GetClusters() {
		if c.GetWeight().GetValue() > 0 && c.GetName() != "" {
			names = append(names, c.GetName())
		}
	}
	return names
}

// withoutPort names an Istio cluster by what its copies on other ports share.
func withoutPort(cluster string) string {
	c, ok := parseIstioCluster(cluster)
	switch {
	case !ok:
		return cluster
	case c.subset != "":
		return fmt.Sprintf("%s (subset %s)", c.host, c.subset)
	}
	return c.host
}

// balancingOf reads the load balancer out of the JSON of a cluster: there are many.
func balancingOf(r *mesh.Resource) (balancing, string) {
	if policies := r.PeekRaw("load_balancing_policy"); policies != nil {
		for _, hashing := range []string{"RingHash", "Maglev"} {
			if bytes.Contains(policies, []byte("."+hashing)) {
				return usesHash, hashing
			}
		}
		for _, plain := range []string{"RoundRobin", "LeastRequest", "Random"} {
			if bytes.Contains(policies, []byte(".v3."+plain)) && !bytes.Contains(policies, []byte("override_host")) {
				return ignoresHash, plain
			}
		}
		return balancingUnknown, ""
	}
	switch policy := r.Peek("lb_policy"); policy {
	case "RING_HASH", "MAGLEV":
		return usesHash, policy
	case "", "ROUND_ROBIN":
		return ignoresHash, "ROUND_ROBIN"
	case "LEAST_REQUEST", "RANDOM":
		return ignoresHash, policy
	}
	return balancingUnknown, ""
}
