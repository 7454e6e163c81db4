package mesh

import (
	"encoding/json"
	"iter"
	"strings"
	"time"
)

// ZtunnelDump is ztunnel's /config_dump. Its lists are in the order of the dump.
// Every entry keeps its JSON as captured in Raw, valid JSON, with the fields
// that have no name here.
type ZtunnelDump struct {
	Workloads    []*ZtunnelWorkload
	Services     []*ZtunnelService
	Policies     []*ZtunnelPolicy
	Certificates []*ZtunnelCertificate
	// States is workloadState: the pods that this ztunnel serves.
	States []*ZtunnelState
	// Config is config, ztunnel's own settings; nil in older dumps.
	Config json.RawMessage
	// Version is what ztunnel was built from: version.istioVersion, or else the
	// ISTIO_VERSION of its proxy metadata. Empty where unknown.
	Version string
	// Node is config.localNode, the Kubernetes node that this ztunnel serves; empty
	// in older dumps, see [ZtunnelDump.NodeOf].
	Node string
}

// Ztunnels are the proxies that have a ZtunnelDump, with what of it can be read.
func (c *Capture) Ztunnels() iter.Seq2[*Proxy, *ZtunnelDump] {
	return func(yield func(*Proxy, *ZtunnelDump) bool) {
		for _, p := range c.Proxies {
			if p.ZtunnelDump == nil {
				continue
			}
			if dump, _ := p.ZtunnelDump.Get(); dump != nil && !yield(p, dump) {
				return
			}
		}
	}
}

// NodeOf returns the Kubernetes node of p, the ztunnel that the dump is from:
// Node, or else that of its pod among the workloads. Empty where unknown.
func (d *ZtunnelDump) NodeOf(p *Proxy) string {
	if d.Node != "" {
		return d.Node
	}
	for _, w := range d.Workloads {
		if w.Name == p.Name && w.Namespace == p.Namespace {
			return w.Node
		}
	}
	return ""
}

// ZtunnelWorkload is a workload as ztunnel knows it: istio.workload.Workload.
type ZtunnelWorkload struct {
	// UID is "cluster//Pod/namespace/name" for a pod.
	UID             string
	Name, Namespace string
	// Addresses are workloadIps; empty for a workload that is known by Hostname.
	Addresses []string
	Hostname  string
	// Protocol is how it is reached: "HBONE" or "TCP" (plain text).
	Protocol string
	// Status is "Healthy" or "Unhealthy".
	Status string
	// Waypoint and NetworkGateway are nil where the workload has none.
	Waypoint, NetworkGateway         *ZtunnelGateway
	TrustDomain, ServiceAccount      string
	WorkloadName, WorkloadType       string
	CanonicalName, CanonicalRevision string
	ClusterID, Network, Node         string
	// Services are "namespace/hostname"; empty in older dumps.
	Services []string
	// Policies are the "namespace/name" of the authorization policies that select
	// this workload. Policies of a whole namespace or mesh are not repeated here.
	Policies []string
	Raw      json.RawMessage
}

// ZtunnelGateway is the address of a waypoint or network gateway.
type ZtunnelGateway struct {
	// Destination is "network/ip" or "namespace/hostname".
	Destination string
	// Port is that of HBONE; 0 where unknown.
	Port int
}

// ZtunnelService is a service as ztunnel knows it: istio.workload.Service.
type ZtunnelService struct {
	Name, Namespace, Hostname string
	// VIPs are "network/ip"; empty for a headless service.
	VIPs []string
	// Ports are sorted by Service.
	Ports []ZtunnelPort
	// Endpoints are in the order of the dump.
	Endpoints       []ZtunnelEndpoint
	Waypoint        *ZtunnelGateway // nil where the service has none
	SubjectAltNames []string
	// IPFamilies is "IPv4", "IPv6" or "Dual"; empty where the dump has none.
	IPFamilies string
	Raw        json.RawMessage
}

// Key is "namespace/hostname", by which other entries refer to the service.
func (s *ZtunnelService) Key() string { return s.Namespace + "/" + s.Hostname }

// ZtunnelPort maps a port of a service to that of a workload; 0 where unknown.
type ZtunnelPort struct{ Service, Target int }

// ZtunnelEndpoint is one workload behind a service.
type ZtunnelEndpoint struct {
	WorkloadUID string
	// Address is "network/ip"; newer dumps have none.
	Address string
	// Status is "Healthy" or "Unhealthy"; empty where the dump has none, and then
	// that of the workload counts.
	Status string
	Ports  []ZtunnelPort
}

// ZtunnelPolicy is an authorization policy: istio.security.Authorization.
type ZtunnelPolicy struct {
	Name, Namespace string
	// Scope is "Global", "Namespace" or "WorkloadSelector".
	Scope string
	// Action is "Allow" or "Deny".
	Action string
	// Rules are any of all of any matches, as captured; nil where there are none.
	Rules json.RawMessage
	Raw   json.RawMessage
}

// Key is "namespace/name".
func (p *ZtunnelPolicy) Key() string { return p.Namespace + "/" + p.Name }

// ZtunnelCertificate is what ztunnel holds for one identity.
type ZtunnelCertificate struct {
	// Identity is "spiffe://trust-domain/ns/namespace/sa/service-account".
	Identity string
	// State is "Available", "Initializing", or "Unavailable: " and the reason.
	State string
	// Chain is the leaf and its intermediates. In older dumps the root is its
	// last element, and Roots is empty.
	Chain []ZtunnelX509
	Roots []ZtunnelX509
	Raw   json.RawMessage
}

// Unavailable reports whether ztunnel could not get the certificate.
func (c *ZtunnelCertificate) Unavailable() bool { return strings.Contains(c.State, "Unavailable") }

// ZtunnelX509 is one certificate, with its fields as ztunnel spells them.
type ZtunnelX509 struct {
	PEM string
	// SerialNumber is decimal.
	SerialNumber string
	// ValidFrom and ExpirationTime are RFC 3339.
	ValidFrom, ExpirationTime string
}

// Validity returns the times between which the certificate is valid. It is false
// where one of them is missing or no time.
func (x ZtunnelX509) Validity() (from, until time.Time, known bool) {
	from, errFrom := time.Parse(time.RFC3339, x.ValidFrom)
	until, errUntil := time.Parse(time.RFC3339, x.ExpirationTime)
	return from, until, errFrom == nil && errUntil == nil
}

// ZtunnelState is a pod that ztunnel serves, and its open connections.
type ZtunnelState struct {
	// UID is the pod's Kubernetes UID; empty in dumps that list states without one.
	UID                                          string
	Name, Namespace, TrustDomain, ServiceAccount string
	// State is "Up", "Pending" or "Draining".
	State             string
	Inbound, Outbound []ZtunnelConnection
	Raw               json.RawMessage
}

// ZtunnelConnection is one open connection; addresses are "ip:port".
type ZtunnelConnection struct {
	Source string
	// OriginalDestination is what the client asked for: an address, or for inbound
	// connections the host name of a service; empty where unknown.
	OriginalDestination string
	ActualDestination   string
	// Protocol is "HBONE" or "TCP"; empty in older dumps.
	Protocol string
}
