package proxyconfig

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// ZtunnelWorkloadFilter narrows workloads; an empty field lets all through. Case
// does not matter.
type ZtunnelWorkloadFilter struct {
	Address, Namespace, Node string
}

func (f ZtunnelWorkloadFilter) keeps(w *mesh.ZtunnelWorkload) bool {
	isAddress := func(address string) bool { return strings.EqualFold(address, f.Address) }
	return sameOrAny(f.Namespace, w.Namespace) && sameOrAny(f.Node, w.Node) &&
		(f.Address == "" || slices.ContainsFunc(w.Addresses, isAddress))
}

func sameOrAny(wanted, got string) bool { return wanted == "" || strings.EqualFold(wanted, got) }

// ZtunnelWorkloadRow is a workload as ztunnel-config workload shows it.
type ZtunnelWorkloadRow struct {
	*mesh.ZtunnelWorkload
	// Address is the IPs, joined by commas, or else the host name.
	Address string
	// Waypoint is the name of the waypoint's service: "None" where there is none,
	// "NA" where the dump does not have that service.
	Waypoint string
}

// ZtunnelWorkloads returns the workloads by "namespace.name", then node.
func ZtunnelWorkloads(d *mesh.ZtunnelDump, filter ZtunnelWorkloadFilter) []ZtunnelWorkloadRow {
	waypoints := waypointNames(d)
	var rows []ZtunnelWorkloadRow
	for _, w := range d.Workloads {
		if !filter.keeps(w) {
			continue
		}
		rows = append(rows, ZtunnelWorkloadRow{
			ZtunnelWorkload: w,
			Address:         cmp.Or(strings.Join(w.Addresses, ","), w.Hostname),
			Waypoint:        waypointName(waypoints, w.Waypoint),
		})
	}
	slices.SortStableFunc(rows, func(a, b ZtunnelWorkloadRow) int {
		return cmp.Or(
			cmp.Compare(a.Namespace+"."+a.Name, b.Namespace+"."+b.Name),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.UID, b.UID))
	})
	return rows
}

// waypointNames maps every way in which a gateway can name its service to the
// service's name. Of several services the first one in the dump counts.
func waypointNames(d *mesh.ZtunnelDump) map[string]string {
	names := make(map[string]string, 2*len(d.Services))
	for _, s := range d.Services {
		for _, destination := range append([]string{s.Key()}, s.VIPs...) {
			if _, taken := names[destination]; !taken {
				names[destination] = s.Name
			}
		}
	}
	return names
}

func waypointName(names map[string]string, g *mesh.ZtunnelGateway) string {
	if g == nil {
		return "None"
	}
	if name, ok := names[g.Destination]; ok {
		return name
	}
	return "NA"
}

// ZtunnelServiceRow is a service as ztunnel-config service shows it.
type ZtunnelServiceRow struct {
	*mesh.ZtunnelService
	// VIP is the service's addresses without their networks, joined by commas.
	VIP string
	// Waypoint is as in [ZtunnelWorkloadRow].
	Waypoint string
	// Healthy counts the endpoints whose workload is in the dump and healthy, of
	// all len(Endpoints).
	Healthy int
}

// Health is "healthy/all".
func (r ZtunnelServiceRow) Health() string { return fmt.Sprintf("%d/%d", r.Healthy, len(r.Endpoints)) }

// ZtunnelServices returns the services of a namespace, or all if it is empty, by
// namespace, name and host name.
func ZtunnelServices(d *mesh.ZtunnelDump, namespace string) []ZtunnelServiceRow {
	waypoints := waypointNames(d)
	healthy := make(map[string]bool, len(d.Workloads))
	for _, w := range d.Workloads {
		healthy[w.UID] = w.Status == "Healthy"
	}
	var rows []ZtunnelServiceRow
	for _, s := range d.Services {
		if !sameOrAny(namespace, s.Namespace) {
			continue
		}
		row := ZtunnelServiceRow{ZtunnelService: s, VIP: withoutNetworks(s.VIPs), Waypoint: waypointName(waypoints, s.Waypoint)}
		for _, e := range s.Endpoints {
			if healthy[e.WorkloadUID] {
				row.Healthy++
			}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b ZtunnelServiceRow) int {
		return cmp.Or(
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.Hostname, b.Hostname))
	})
	return rows
}

func withoutNetworks(vips []string) string {
	ips := make([]string, len(vips))
	for i, vip := range vips {
		ips[i] = withoutNetwork(vip)
	}
	return strings.Join(ips, ",")
}

// withoutNetwork returns the address of "network/ip".
func withoutNetwork(vip string) string {
	if _, ip, found := strings.Cut(vip, "/"); found {
		return ip
	}
	return vip
}

// ZtunnelPolicies returns the authorization policies of a namespace, or all if it
// is empty, by namespace and name.
func ZtunnelPolicies(d *mesh.ZtunnelDump, namespace string) []*mesh.ZtunnelPolicy {
	var policies []*mesh.ZtunnelPolicy
	for _, p := range d.Policies {
		if sameOrAny(namespace, p.Namespace) {
			policies = append(policies, p)
		}
	}
	slices.SortStableFunc(policies, func(a, b *mesh.ZtunnelPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return policies
}
