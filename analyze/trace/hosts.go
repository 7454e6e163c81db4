package trace

import (
	"net/netip"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// health is what a load balancer makes of a host.
type health int8

const (
	healthy health = iota
	degraded
	unhealthy
)

// host is one endpoint of a cluster.
type host struct {
	address  string
	addr     netip.AddrPort
	internal string // server_listener_name of an internal address
	// tunnel is where an internal listener connects to for this host.
	tunnel   netip.AddrPort
	weight   uint32
	priority uint32
	locality string
	// localityWeight is that of its locality; 0 where none is set.
	localityWeight uint32
	health         health
	healthText     string
	// lb is the metadata under envoy.lb, sockets that under envoy.transport_socket_match.
	lb, sockets map[string]any
	hostname    string
	// cluster is the member of an aggregate cluster that the host belongs to.
	cluster *cluster
}

// hostSet is what is known of a cluster's hosts.
type hostSet struct {
	hosts []*host
	// from says where they were found.
	from string
	// missing says why none are known; empty where they are.
	missing string
	// overprovisioning is the factor in percent.
	overprovisioning uint32
	// names are the host names of a DNS cluster whose addresses are not known.
	unresolved bool
}

const defaultOverprovisioning = 140

// hostsOf collects the hosts of a cluster once: from EDS or its load_assignment,
// with the health that /clusters saw.
func (v *view) hostsOf(c *cluster) *hostSet {
	if c.hosts != nil {
		return c.hosts
	}
	name := c.message.GetName()
	set := &hostSet{overprovisioning: defaultOverprovisioning}
	c.hosts = set
	status := v.status(name)
	assignment, from := v.assignment(c)
	if c.isDNS() {
		if status != nil {
			set.from = "/clusters"
			set.addStatus(status, c)
			return set
		}
		set.unresolved = true
	}
	switch {
	case assignment != nil:
		set.from = from
		if factor := assignment.GetPolicy().GetOverprovisioningFactor().GetValue(); factor > 0 {
			set.overprovisioning = factor
		}
		set.addAssignment(assignment, c)
		if status != nil {
			set.observe(status)
			set.from += " and /clusters"
		}
	case status != nil:
		set.from = "/clusters"
		set.addStatus(status, c)
	case c.message.GetType() == clusterv3.Cluster_EDS && c.message.GetClusterType() == nil:
		set.missing = "the capture has no endpoints of this cluster"
	}
	return set
}

// assignment returns the ClusterLoadAssignment of a cluster and where it is from;
// nil where the capture has none.
func (v *view) assignment(c *cluster) (*endpointv3.ClusterLoadAssignment, string) {
	if c.message.GetType() != clusterv3.Cluster_EDS || c.message.GetClusterType() != nil {
		return c.message.GetLoadAssignment(), "load_assignment"
	}
	name := c.message.GetEdsClusterConfig().GetServiceName()
	if name == "" {
		name = c.message.GetName()
	}
	r := v.endpoints[name]
	if r == nil {
		return nil, ""
	}
	assignment, err := r.LoadAssignment()
	if err != nil {
		return nil, ""
	}
	return assignment, "EDS"
}

func (s *hostSet) addAssignment(assignment *endpointv3.ClusterLoadAssignment, c *cluster) {
	for _, group := range assignment.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			h := &host{
				weight: max(e.GetLoadBalancingWeight().GetValue(), 1), priority: group.GetPriority(),
				locality: localityText(group.GetLocality()), localityWeight: group.GetLoadBalancingWeight().GetValue(),
				healthText: e.GetHealthStatus().String(), health: edsHealth(e.GetHealthStatus()),
				hostname: e.GetEndpoint().GetHostname(), cluster: c,
			}
			h.setAddress(e.GetEndpoint().GetAddress())
			h.setMetadata(e.GetMetadata(), group.GetMetadata())
			s.hosts = append(s.hosts, h)
		}
	}
}

func edsHealth(status corev3.HealthStatus) health {
	switch status {
	case corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_DRAINING, corev3.HealthStatus_TIMEOUT:
		return unhealthy
	case corev3.HealthStatus_DEGRADED:
		return degraded
	}
	return healthy
}

func (h *host) setAddress(a *corev3.Address) {
	if internal := a.GetEnvoyInternalAddress(); internal != nil {
		h.internal = internal.GetServerListenerName()
		h.address = "envoy://" + h.internal + "/" + internal.GetEndpointId() // as Envoy logs it
		return
	}
	if pipe := a.GetPipe(); pipe != nil {
		h.address = pipe.GetPath()
		return
	}
	socket := a.GetSocketAddress()
	if _, err := netip.ParseAddr(socket.GetAddress()); err != nil && h.hostname == "" {
		h.hostname = socket.GetAddress()
	}
	h.address = joinPort(socket.GetAddress(), socket.GetPortValue())
	if addr, ok := addressOf(a); ok {
		h.addr, h.address = addr, addr.String()
	}
}

func (h *host) setMetadata(own, group *corev3.Metadata) {
	h.lb = structMap(own.GetFilterMetadata()["envoy.lb"])
	h.sockets = structMap(own.GetFilterMetadata()["envoy.transport_socket_match"])
	if h.sockets == nil {
		h.sockets = structMap(group.GetFilterMetadata()["envoy.transport_socket_match"])
	}
	for _, key := range []string{"envoy.filters.listener.original_dst", "tunnel"} {
		fields := own.GetFilterMetadata()[key].GetFields()
		for _, name := range []string{"local", "address", "destination"} {
			if addr, err := netip.ParseAddrPort(fields[name].GetStringValue()); err == nil {
				h.tunnel = addr
			}
		}
	}
}

// addStatus takes the hosts themselves from /clusters.
func (s *hostSet) addStatus(status *adminv3.ClusterStatus, c *cluster) {
	for _, hs := range status.GetHostStatuses() {
		h := &host{
			weight: max(hs.GetWeight(), 1), priority: hs.GetPriority(),
			locality: localityText(hs.GetLocality()), hostname: hs.GetHostname(), cluster: c,
		}
		h.setAddress(hs.GetAddress())
		h.observe(hs.GetHealthStatus())
		s.hosts = append(s.hosts, h)
	}
}

// observe lays the health that Envoy saw over that of EDS.
func (s *hostSet) observe(status *adminv3.ClusterStatus) {
	byAddress := map[string]*adminv3.HostHealthStatus{}
	for _, hs := range status.GetHostStatuses() {
		var h host
		h.setAddress(hs.GetAddress())
		byAddress[h.address] = hs.GetHealthStatus()
	}
	for _, h := range s.hosts {
		if seen, ok := byAddress[h.address]; ok {
			h.observe(seen)
		}
	}
}

func (h *host) observe(seen *adminv3.HostHealthStatus) {
	eds := edsHealth(seen.GetEdsHealthStatus())
	var flags []string
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{seen.GetFailedActiveHealthCheck(), "failed_active_health_check"},
		{seen.GetFailedOutlierCheck(), "failed_outlier_check"},
		{seen.GetPendingActiveHc() && seen.GetFailedActiveHealthCheck(), "pending_active_hc"},
		{seen.GetActiveHcTimeout(), "active_hc_timeout"},
	} {
		if flag.set {
			flags = append(flags, flag.name)
		}
	}
	if h.healthText == "" || eds != healthy {
		h.healthText, h.health = seen.GetEdsHealthStatus().String(), max(h.health, eds)
	}
	if seen.GetFailedActiveDegradedCheck() {
		h.health = max(h.health, degraded)
		h.healthText = "DEGRADED"
	}
	if len(flags) > 0 {
		h.health, h.healthText = unhealthy, strings.Join(flags, ", ")
	}
}
