package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// StaleEndpoint reports endpoints that istiod does not have any more.
var StaleEndpoint = &analyze.Rule{
	Name:       "stale-endpoint",
	Code:       "EPT03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedShards, analyze.NeedLoadAssignments},
	Doc: analyze.Doc{
		Title: "a proxy sends requests to an endpoint that istiod no longer knows",
		Finds: "Endpoints in a ClusterLoadAssignment `outbound|PORT|SUBSET|HOST` whose address and port are in no shard of HOST in istiod's `debug/endpointShardz`. It is an error where `/clusters` shows that half of at least 10 connections to it failed, else a warning.",
		Hurts: "Requests to the pod that is gone fail with 503 and response flag UF after a connect timeout, or reach whatever pod has the address now.",
		Example: `# the proxy:
{"cluster_name": "outbound|80||cart.shop.svc.cluster.local", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "10.1.0.9", "port_value": 8080}}}}]}]}
# debug/endpointShardz: 10.1.0.9 is not there
{"cart.shop.svc.cluster.local": {"shop": {"Shards": {"Kubernetes/Kubernetes": [{"Addresses": ["10.1.0.7"], "EndpointPort": 8080}]}}}}`,
		Silent: "hosts that `endpointShardz` does not list, and hosts with endpoints in several networks, or in another one than the proxy's (`NETWORK` of the node), which are reached by the address of a gateway; the ports 15443 and 15008 of such gateways; endpoints of a tunnel (`envoy_internal_address`). " +
			"The files of a capture are made seconds apart, and a rollout in between looks the same: without failed connections it is a warning.",
		Fix: "see whether the proxy still gets updates (rules xds-ack-stale, proxy-not-connected) and restart it; if every proxy has the endpoint, restart istiod",
		References: []string{
			"https://github.com/istio/istio/issues/54997",
			"https://github.com/istio/istio/issues/31277",
		},
	},
	Run: runStaleEndpoint,
}

func runStaleEndpoint(pass *analyze.Pass) {
	known := shardedEndpoints(pass.Capture)
	for _, p := range pass.Proxies {
		var seen clusterHosts
		for _, r := range p.Endpoints {
			target, ok := parseIstioCluster(r.Name())
			host := known[target.host]
			if !ok || host == nil || host.isElsewhere(p) || r.State != mesh.Active || target.direction != "outbound" {
				continue
			}
			var stale []string
			for _, h := range assignedHealth(pass, r) {
				if !host.addresses[h.address] && !isTunnel(h.address) {
					stale = append(stale, h.address)
				}
			}
			if len(stale) == 0 {
				continue
			}
			if seen == nil {
				seen = clusterHostsOf(pass, p)
			}
			slices.Sort(stale)
			reportStale(pass, p, r, stale, seen[r.Name()])
		}
	}
}

// isTunnel recognises what stands for an endpoint elsewhere: an internal listener,
// or a gateway of another network.
func isTunnel(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err != nil || port == "15443" || port == "15008" || strings.HasPrefix(address, "internal:")
}

// shard is one endpoint in debug/endpointShardz.
type shard struct {
	Addresses    []string
	Address      string // before Istio 1.25
	EndpointPort int
	Network      string
}

// shardedHost is what the istiods have of the endpoints of one host.
type shardedHost struct {
	addresses map[string]bool // "ip:port"
	network   string
}

// isElsewhere reports whether a proxy has the address of a gateway in place of the
// endpoints.
func (h *shardedHost) isElsewhere(p *mesh.Proxy) bool {
	return h.network != "" && (p.Bootstrap == nil || h.network != p.Bootstrap.Peek("node", "metadata", "NETWORK"))
}

// shardedEndpoints leaves out the hosts in several networks.
func shardedEndpoints(c *mesh.Capture) map[string]*shardedHost {
	known := map[string]*shardedHost{}
	for _, cp := range c.ControlPlanes {
		raw, _ := cp.Debug["endpointShardz"].Get()
		var hosts map[string]map[string]struct{ Shards map[string][]shard }
		if len(raw) == 0 || json.Unmarshal(raw, &hosts) != nil {
			continue
		}
		for host, namespaces := range hosts {
			for _, shards := range namespaces {
				for _, endpoints := range shards.Shards {
					addShards(known, host, endpoints)
				}
			}
		}
	}
	maps.DeleteFunc(known, func(_ string, h *shardedHost) bool { return h.network == severalNetworks })
	return known
}

const severalNetworks = "\x00"

func addShards(known map[string]*shardedHost, host string, endpoints []shard) {
	for _, e := range endpoints {
		if known[host] == nil {
			known[host] = &shardedHost{map[string]bool{}, e.Network}
		}
		if known[host].network != e.Network {
			known[host].network = severalNetworks
		}
		for _, address := range append(e.Addresses, e.Address) {
			known[host].addresses[net.JoinHostPort(address, strconv.Itoa(e.EndpointPort))] = true
		}
	}
}

func reportStale(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, stale []string, status *adminv3.ClusterStatus) {
	f := analyze.Finding{
		Severity:   analyze.Warning,
		Confidence: analyze.Likely,
		Ref:        p.Ref(mesh.Endpoint, r.Name()),
		Source:     r.Source,
		Message:    fmt.Sprintf("%s is an endpoint of %s that istiod does not have any more", stale[0], r.Name()),
		Essence:    "stale",
	}
	if more := len(stale) - 1; more > 0 {
		f.Message = fmt.Sprintf("%s and %d more are endpoints of %s that istiod does not have any more", stale[0], more, r.Name())
	}
	for _, address := range stale[:min(len(stale), listedPlaces)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "not in endpointShardz", Value: address})
	}
	for _, h := range status.GetHostStatuses() {
		address, failed, total := addressText(h.GetAddress()), counter(h, "cx_connect_fail"), counter(h, "cx_total")
		if slices.Contains(stale, address) && failed >= fewestFailures && failed*2 >= total {
			f.Severity, f.Confidence = analyze.Error, analyze.Proven
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: cmp.Or(address, "host"), Value: fmt.Sprintf("%.0f of %.0f connections failed", failed, total)})
		}
	}
	pass.Report(f)
}
