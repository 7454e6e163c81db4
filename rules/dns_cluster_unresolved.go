package rules

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// DNSClusterUnresolved reports clusters whose host names gave no address.
var DNSClusterUnresolved = &analyze.Rule{
	Name:       "dns-cluster-unresolved",
	Code:       "CLU05",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedClusterStatus},
	Doc: analyze.Doc{
		Title: "a DNS cluster that the proxy routes to has no address",
		Finds: "Active clusters of type STRICT_DNS or LOGICAL_DNS (or `cluster_type` `envoy.cluster.dns`) that an active listener reaches and that `/clusters` lists without a host. The message names the host names of `load_assignment` that did not resolve, or says that there are none.",
		Hurts: "Envoy answers 503 with response flag UH (no healthy upstream), or DF; TCP connections are reset.",
		Example: `{"name": "outbound|443||api.partner.example", "type": "STRICT_DNS", "load_assignment": {"endpoints": [
  {"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "api.partner.example", "port_value": 443}}}}]}]}}
outbound|443||api.partner.example::default_priority::max_connections::4294967295   # and no host line`,
		Silent: "clusters that nothing routes to, and those that `/clusters` does not list at all; a proxy in its first minute (`uptime_current_epoch` of `/server_info`), when answers are still awaited. " +
			"Where only the route that istiod makes of itself, a mirror, a trace or a log leads there, nobody may miss it: a warning.",
		Fix: "resolve the name from within the pod's network: a typing error in the ServiceEntry, a missing endpoints list, or a resolver or egress rule that keeps the answer away",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/service_discovery#strict-dns",
			"https://github.com/istio/istio/issues/49315",
			"https://github.com/istio/istio/issues/54062",
		},
	},
	Run: runDNSClusterUnresolved,
}

func runDNSClusterUnresolved(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if justStarted(p) {
			continue
		}
		listed := clusterHostsOf(pass, p)
		for _, c := range usedClusters(pass, p) {
			if status, known := listed[c.Name()]; known && len(status.GetHostStatuses()) == 0 && isDNS(c.Resource) {
				reportUnresolved(pass, p, c.Resource, c.refs)
			}
		}
	}
}

// justStarted reports whether the proxy was captured in its first minute.
func justStarted(p *mesh.Proxy) bool {
	info, err := p.ServerInfo.Get()
	return err == nil && info.GetUptimeCurrentEpoch() != nil && info.GetUptimeCurrentEpoch().AsDuration() < time.Minute
}

func isDNS(r *mesh.Resource) bool {
	switch r.Peek("type") {
	case "STRICT_DNS", "LOGICAL_DNS":
		return true
	}
	switch r.Peek("cluster_type", "name") {
	case "envoy.cluster.dns", "envoy.clusters.dns", "envoy.cluster.strict_dns", "envoy.cluster.logical_dns":
		return true
	}
	return false
}

func reportUnresolved(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, refs []placed) {
	names := configuredNames(r)
	why := "its configuration names no endpoint"
	if len(names) > 0 {
		why = strings.Join(names[:min(len(names), listedPlaces)], ", ") + " did not resolve"
	}
	f := analyze.Finding{
		Severity:   analyze.Warning,
		Confidence: analyze.Likely,
		Ref:        p.Ref(mesh.Cluster, r.Name()),
		Source:     r.Source,
		Message:    fmt.Sprintf("%s has no address: %s", r.Name(), why),
		Essence:    "unresolved",
		Related:    places(p, refs),
		Object:     objectOf(refs),
	}
	asked := func(ref placed) bool {
		return !ref.implicit && !isServiceListener(ref) && ref.use != useMirror && ref.use != useTelemetry
	}
	if slices.ContainsFunc(refs, asked) {
		f.Severity, f.Confidence = analyze.Error, analyze.Proven
	}
	pass.Report(f)
}

// configuredNames are the hosts of the cluster's own load assignment.
func configuredNames(r *mesh.Resource) []string {
	message, err := r.Cluster()
	if err != nil {
		return nil
	}
	var names []string
	for _, locality := range message.GetLoadAssignment().GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			socket := e.GetEndpoint().GetAddress().GetSocketAddress()
			name := net.JoinHostPort(socket.GetAddress(), strconv.Itoa(int(socket.GetPortValue())))
			if socket != nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}
