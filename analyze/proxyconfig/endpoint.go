package proxyconfig

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// EndpointFilter narrows endpoints. Address is that of an endpoint, with or without its port;
// Cluster and Status are compared without regard to case. Empty fields do not narrow.
type EndpointFilter struct {
	Address, Cluster, Status string
	Port                     int
}

func (f EndpointFilter) fits(row EndpointRow) bool {
	return (f.Address == "" || strings.EqualFold(f.Address, row.Address.Host) || strings.EqualFold(f.Address, row.Address.String())) &&
		(f.Port == 0 || f.Port == row.Address.Port) &&
		(f.Cluster == "" || strings.EqualFold(f.Cluster, row.Cluster)) &&
		(f.Status == "" || strings.EqualFold(f.Status, row.Status))
}

// EndpointOrigin is the part of a capture that knows an endpoint.
type EndpointOrigin string

const (
	// FromStatus is Envoy's /clusters: what it balances to, with its own view of the health.
	FromStatus EndpointOrigin = "clusters"
	// FromEDS is the EndpointsConfigDump: what the control plane sent.
	FromEDS EndpointOrigin = "EDS"
	// FromBoth is an endpoint of FromStatus that FromEDS has, too.
	FromBoth EndpointOrigin = "clusters+EDS"
	// FromCluster is the load_assignment of a cluster that needs no EDS.
	FromCluster EndpointOrigin = "CDS"
)

// EndpointRow is one endpoint of one cluster.
type EndpointRow struct {
	Cluster string
	Address EndpointAddress
	// Status is the health that the control plane gave it: "HEALTHY", "UNKNOWN", "DRAINING", ...
	Status string
	// Outlier is set while outlier detection has ejected the endpoint.
	Outlier bool
	// Health lists what else Envoy finds wrong with it, by the names of
	// envoy.admin.v3.HostHealthStatus, such as "failed_active_health_check".
	Health   []string
	Priority uint32
	// Weight is load_balancing_weight; 0 where none is set.
	Weight   uint32
	Locality string
	Hostname string
	Origin   EndpointOrigin
	// Resource is the ClusterLoadAssignment or the cluster behind the row; nil for FromStatus.
	Resource *mesh.Resource
}

// Endpoints returns the endpoints that fit, by address, port and cluster. They are those of
// /clusters where the capture has it; else those of the EndpointsConfigDump; else what is written
// in the clusters themselves. joined adds to the first what the second knows, and endpoints that
// only the second has. The error tells of what could not be read; the rows are what could.
func Endpoints(p *mesh.Proxy, f EndpointFilter, joined bool) ([]EndpointRow, error) {
	all, err := endpoints(p, joined)
	rows := slices.DeleteFunc(all, func(row EndpointRow) bool { return !f.fits(row) })
	slices.SortStableFunc(rows, func(a, b EndpointRow) int {
		return cmp.Or(
			cmp.Compare(a.Address.Text(), b.Address.Text()), cmp.Compare(a.Address.Port, b.Address.Port), cmp.Compare(a.Cluster, b.Cluster))
	})
	return rows, err
}

func endpoints(p *mesh.Proxy, joined bool) ([]EndpointRow, error) {
	if p.ClusterStatus == nil {
		if p.Has(mesh.Endpoint) {
			return assignedEndpoints(p)
		}
		return inlineEndpoints(p)
	}
	status, err := p.ClusterStatus.Get()
	rows := statusEndpoints(status)
	if !joined {
		return rows, err
	}
	assigned, assignedErr := assignedEndpoints(p)
	return join(rows, assigned), errors.Join(err, assignedErr)
}

func statusEndpoints(status *adminv3.Clusters) []EndpointRow {
	var rows []EndpointRow
	for _, c := range status.GetClusterStatuses() {
		for _, host := range c.GetHostStatuses() {
			health := host.GetHealthStatus()
			rows = append(rows, EndpointRow{
				Cluster: c.GetName(), Address: addressOf(host.GetAddress()), Status: health.GetEdsHealthStatus().String(),
				Outlier: health.GetFailedOutlierCheck(), Health: healthFlags(health),
				Priority: host.GetPriority(), Weight: host.GetWeight(), Locality: localityText(host.GetLocality()),
				Hostname: host.GetHostname(), Origin: FromStatus,
			})
		}
	}
	return rows
}

func healthFlags(h *adminv3.HostHealthStatus) []string {
	var flags []string
	for _, flag := range []struct {
		set  bool
		name string
	}{
		{h.GetFailedActiveHealthCheck(), "failed_active_health_check"},
		{h.GetFailedOutlierCheck(), "failed_outlier_check"},
		{h.GetFailedActiveDegradedCheck(), "failed_active_degraded_check"},
		{h.GetPendingDynamicRemoval(), "pending_dynamic_removal"},
		{h.GetPendingActiveHc(), "pending_active_hc"},
		{h.GetExcludedViaImmediateHcFail(), "excluded_via_immediate_hc_fail"},
		{h.GetActiveHcTimeout(), "active_hc_timeout"},
	} {
		if flag.set {
			flags = append(flags, flag.name)
		}
	}
	return flags
}

// assignedEndpoints are those of the EndpointsConfigDump. It names an EDS cluster by its
// service_name; the rows name the clusters.
func assignedEndpoints(p *mesh.Proxy) ([]EndpointRow, error) {
	clusters := clustersByService(p)
	var rows []EndpointRow
	var errs []error
	for _, r := range p.Endpoints {
		assignment, err := r.LoadAssignment()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		names := clusters[assignment.GetClusterName()]
		if len(names) == 0 {
			names = []string{assignment.GetClusterName()}
		}
		for _, name := range names {
			rows = append(rows, assignmentRows(r, name, assignment, FromEDS)...)
		}
	}
	return rows, errors.Join(errs...)
}

// clustersByService lists the EDS clusters that ask for endpoints by another name than their own.
func clustersByService(p *mesh.Proxy) map[string][]string {
	byService := map[string][]string{}
	for _, r := range p.Clusters {
		if service := r.Peek("eds_cluster_config", "service_name"); service != "" && service != r.Name() && r.State == mesh.Active {
			byService[service] = append(byService[service], r.Name())
		}
	}
	for service, names := range byService {
		if p.Active(mesh.Cluster, service) != nil {
			byService[service] = append(names, service)
		}
	}
	return byService
}

// inlineEndpoints are those of clusters that need no EDS.
func inlineEndpoints(p *mesh.Proxy) ([]EndpointRow, error) {
	var rows []EndpointRow
	var errs []error
	for _, r := range p.Clusters {
		if r.State != mesh.Active || r.Peek("type") == "EDS" {
			continue
		}
		c, err := r.Cluster()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rows = append(rows, assignmentRows(r, r.Name(), c.GetLoadAssignment(), FromCluster)...)
	}
	return rows, errors.Join(errs...)
}

func assignmentRows(r *mesh.Resource, cluster string, assignment *endpointv3.ClusterLoadAssignment, origin EndpointOrigin) []EndpointRow {
	var rows []EndpointRow
	for _, locality := range assignment.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			rows = append(rows, EndpointRow{
				Cluster: cluster, Address: addressOf(e.GetEndpoint().GetAddress()), Status: e.GetHealthStatus().String(),
				Priority: locality.GetPriority(), Weight: e.GetLoadBalancingWeight().GetValue(), Locality: localityText(locality.GetLocality()),
				Hostname: e.GetEndpoint().GetHostname(), Origin: origin, Resource: r,
			})
		}
	}
	return rows
}

// join adds to what /clusters says the endpoints' EDS resources, and the endpoints that only EDS has.
func join(status, assigned []EndpointRow) []EndpointRow {
	type key struct {
		cluster string
		address EndpointAddress
	}
	at := make(map[key]int, len(status))
	for i, row := range status {
		at[key{row.Cluster, row.Address}] = i
	}
	for _, row := range assigned {
		i, known := at[key{row.Cluster, row.Address}]
		if !known {
			status = append(status, row)
			continue
		}
		status[i].Origin, status[i].Resource = FromBoth, row.Resource
		status[i].Hostname = cmp.Or(status[i].Hostname, row.Hostname)
		status[i].Locality = cmp.Or(status[i].Locality, row.Locality)
	}
	return status
}
