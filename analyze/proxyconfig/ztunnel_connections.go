package proxyconfig

import (
	"cmp"
	"net"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// The directions of a connection, as seen from the workload.
const (
	ZtunnelInbound  = "Inbound"
	ZtunnelOutbound = "Outbound"
)

// ZtunnelConnectionFilter narrows connections; an empty field lets all through.
// Case does not matter.
type ZtunnelConnectionFilter struct {
	// Namespace is that of the workload.
	Namespace string
	// Direction is [ZtunnelInbound] or [ZtunnelOutbound].
	Direction string
}

// ZtunnelConnectionRow is a connection as ztunnel-config connections shows it.
type ZtunnelConnectionRow struct {
	State *mesh.ZtunnelState
	// Workload is "name.namespace".
	Workload  string
	Direction string
	// Local, Remote and Target are "address:port". Target is what the client asked
	// for; empty where the dump does not tell.
	Local, Remote, Target string
	Protocol              string
}

// ZtunnelStates returns the pods that ztunnel serves, by namespace and name.
func ZtunnelStates(d *mesh.ZtunnelDump, namespace string) []*mesh.ZtunnelState {
	var states []*mesh.ZtunnelState
	for _, s := range d.States {
		if sameOrAny(namespace, s.Namespace) {
			states = append(states, s)
		}
	}
	slices.SortStableFunc(states, func(a, b *mesh.ZtunnelState) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
	return states
}

// ZtunnelConnections returns the connections by workload, the inbound ones of
// each first, in the order of the dump. Unless raw is set, addresses are given
// the names of services and workloads.
func ZtunnelConnections(d *mesh.ZtunnelDump, filter ZtunnelConnectionFilter, raw bool) []ZtunnelConnectionRow {
	named := func(address string) string { return address }
	if !raw {
		named = addressNames(d)
	}
	var rows []ZtunnelConnectionRow
	for _, s := range ZtunnelStates(d, filter.Namespace) {
		row := ZtunnelConnectionRow{State: s, Workload: s.Name + "." + s.Namespace}
		if sameOrAny(filter.Direction, ZtunnelInbound) {
			for _, c := range s.Inbound {
				row.Direction, row.Protocol = ZtunnelInbound, c.Protocol
				row.Local, row.Remote, row.Target = named(c.ActualDestination), named(c.Source), c.OriginalDestination
				rows = append(rows, row)
			}
		}
		if sameOrAny(filter.Direction, ZtunnelOutbound) {
			for _, c := range s.Outbound {
				row.Direction, row.Protocol = ZtunnelOutbound, c.Protocol
				row.Local, row.Remote, row.Target = named(c.Source), named(c.ActualDestination), named(c.OriginalDestination)
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// addressNames returns a function that puts the name of a service, or else of a
// workload, in the place of an IP. An IP that several of them share, such as
// that of a node, keeps standing for itself: any one name would be a guess.
func addressNames(d *mesh.ZtunnelDump) func(string) string {
	services, workloads := map[string]string{}, map[string]string{}
	for _, s := range d.Services {
		for _, vip := range s.VIPs {
			nameOnce(services, withoutNetwork(vip), s.Hostname)
		}
	}
	for _, w := range d.Workloads {
		for _, ip := range w.Addresses {
			nameOnce(workloads, ip, w.Name+"."+w.Namespace)
		}
	}
	return func(address string) string {
		ip, port, err := net.SplitHostPort(address)
		if err != nil {
			return address
		}
		names := services
		if _, isService := services[ip]; !isService {
			names = workloads
		}
		if name := names[ip]; name != "" {
			return net.JoinHostPort(name, port)
		}
		return address
	}
}

// nameOnce enters the name of an IP, and "" once it has two.
func nameOnce(names map[string]string, ip, name string) {
	if other, taken := names[ip]; taken && other != name {
		name = ""
	}
	names[ip] = name
}
