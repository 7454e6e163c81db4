package rules

import (
	"net"
	"slices"
	"strconv"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// clusterHosts are the entries of a proxy's /clusters by the name of the cluster;
// nil where it was not captured.
type clusterHosts map[string]*adminv3.ClusterStatus

// clusterHostsOf is made once for each proxy; it must not be changed.
func clusterHostsOf(pass *analyze.Pass, p *mesh.Proxy) clusterHosts {
	return analyze.OnceForProxy(pass, p, func() clusterHosts {
		status, _ := p.ClusterStatus.Get()
		if status == nil {
			return nil
		}
		hosts := make(clusterHosts, len(status.GetClusterStatuses()))
		for _, c := range status.GetClusterStatuses() {
			hosts[c.GetName()] = c
		}
		return hosts
	})
}

// counter returns a counter of a host, such as cx_total; 0 where it has none.
func counter(h *adminv3.HostStatus, name string) float64 {
	for _, metric := range h.GetStats() {
		if metric.GetName() == name {
			return float64(metric.GetValue())
		}
	}
	return 0
}

// hostHealth is the health of one host as its load balancer sees it.
type hostHealth struct {
	address  string
	priority uint32
	usable   bool
	// why names what makes it unusable.
	why string
}

// allUsable reports whether /clusters has nothing against any host of a cluster.
func allUsable(status *adminv3.ClusterStatus) bool {
	return !slices.ContainsFunc(status.GetHostStatuses(), func(h *adminv3.HostStatus) bool { return healthFlags(h.GetHealthStatus()) != "" })
}

// observedHealth reads the health of the hosts out of /clusters.
func observedHealth(status *adminv3.ClusterStatus) []hostHealth {
	var out []hostHealth
	for _, h := range status.GetHostStatuses() {
		why := healthFlags(h.GetHealthStatus())
		out = append(out, hostHealth{addressText(h.GetAddress()), h.GetPriority(), why == "", why})
	}
	return out
}

// healthFlags names what keeps a host from being chosen, as /clusters spells it.
func healthFlags(h *adminv3.HostHealthStatus) string {
	var flags []string
	if eds := h.GetEdsHealthStatus(); isUnusable(eds) {
		flags = append(flags, "EDS "+eds.String())
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{h.GetFailedActiveHealthCheck(), "failed_active_hc"},
		{h.GetFailedOutlierCheck(), "failed_outlier_check"},
		{h.GetActiveHcTimeout(), "active_hc_timeout"},
	} {
		if flag.set {
			flags = append(flags, flag.name)
		}
	}
	return strings.Join(flags, ", ")
}

// isUnusable reports whether a health that EDS gave keeps requests away.
func isUnusable(s corev3.HealthStatus) bool {
	return s == corev3.HealthStatus_UNHEALTHY || s == corev3.HealthStatus_DRAINING || s == corev3.HealthStatus_TIMEOUT
}

// assigned is what a ClusterLoadAssignment says of its hosts.
type assigned []hostHealth

// assignedHealth reads the hosts out of the JSON of a ClusterLoadAssignment:
// decoding hundreds of thousands of them is dear.
func assignedHealth(pass *analyze.Pass, r *mesh.Resource) []hostHealth {
	if r == nil || r.Content == nil {
		return nil
	}
	return analyze.Once(pass, r.Content, func() assigned {
		var out assigned
		for _, locality := range rawjson.Elements(r.PeekRaw("endpoints")) {
			priority, _ := strconv.ParseUint(string(rawjson.Get(locality, "priority")), 10, 32)
			for _, e := range rawjson.Elements(rawjson.Get(locality, "lb_endpoints")) {
				host := hostHealth{address: assignedAddress(rawjson.Get(e, "endpoint", "address")), priority: uint32(priority), usable: true}
				status := rawjson.GetText(e, "health_status")
				if isUnusable(corev3.HealthStatus(corev3.HealthStatus_value[status])) {
					host.usable, host.why = false, "EDS "+status
				}
				out = append(out, host)
			}
		}
		return out
	})
}

// assignedAddress is addressText for JSON.
func assignedAddress(raw []byte) string {
	if internal := rawjson.Get(raw, "envoy_internal_address"); internal != nil {
		return internalAddress(rawjson.GetText(internal, "server_listener_name"), rawjson.GetText(internal, "endpoint_id"))
	}
	if pipe := rawjson.Get(raw, "pipe"); pipe != nil {
		return rawjson.GetText(pipe, "path")
	}
	socket := rawjson.Get(raw, "socket_address")
	return net.JoinHostPort(rawjson.GetText(socket, "address"), string(rawjson.Get(socket, "port_value")))
}

func internalAddress(listener, id string) string { return "internal:" + listener + "/" + id }

// addressText is "ip:port", the path of a pipe, or "internal:NAME/ID".
func addressText(a *corev3.Address) string {
	if internal := a.GetEnvoyInternalAddress(); internal != nil {
		return internalAddress(internal.GetServerListenerName(), internal.GetEndpointId())
	}
	if pipe := a.GetPipe(); pipe != nil {
		return pipe.GetPath()
	}
	socket := a.GetSocketAddress()
	return net.JoinHostPort(socket.GetAddress(), strconv.Itoa(int(socket.GetPortValue())))
}

const listedPlaces = 10

// places are the related locations of a finding about a cluster.
func places(p *mesh.Proxy, refs []placed) []analyze.Location {
	var out []analyze.Location
	for _, ref := range refs[:min(len(refs), listedPlaces)] {
		out = append(out, ref.location(p, string(ref.use)))
	}
	return out
}

// objectOf is the Istio object of the first reference that has one.
func objectOf(refs []placed) string {
	for _, ref := range refs {
		if ref.object != "" {
			return ref.object
		}
	}
	return ""
}
