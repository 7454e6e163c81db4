package proxyconfig

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// EDSRow is one endpoint of a ClusterLoadAssignment, as the EndpointsConfigDump has it.
type EDSRow struct {
	EndpointRow
	// Addresses are the address and the additional_addresses as istioctl's eds table prints them:
	// "IP:port", the path of a pipe, "envoy://listener/id".
	Addresses []string
}

// AssignedEndpoints returns the endpoints of the EndpointsConfigDump that fit, in the order of their
// clusters' names as [Clusters] sorts them, within a cluster as captured. Clusters are named as the
// dump names them: by the service_name of EDS. The error is as that of [Endpoints].
func AssignedEndpoints(p *mesh.Proxy, f EndpointFilter) ([]EDSRow, error) {
	resources := slices.Clone(p.Endpoints)
	slices.SortStableFunc(resources, func(a, b *mesh.Resource) int {
		return cmp.Or(ParseClusterName(a.Name()).compare(ParseClusterName(b.Name())), cmp.Compare(a.Name(), b.Name()))
	})
	var rows []EDSRow
	var errs []error
	for _, r := range resources {
		assignment, err := r.LoadAssignment()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		var hosts []*endpointv3.Endpoint
		for _, locality := range assignment.GetEndpoints() {
			for _, e := range locality.GetLbEndpoints() {
				hosts = append(hosts, e.GetEndpoint())
			}
		}
		for i, row := range assignmentRows(r, assignment.GetClusterName(), assignment, FromEDS) {
			if f.fits(row) {
				rows = append(rows, EDSRow{EndpointRow: row, Addresses: edsAddresses(hosts[i])})
			}
		}
	}
	return rows, errors.Join(errs...)
}

func edsAddresses(e *endpointv3.Endpoint) []string {
	addresses := []string{edsAddress(e.GetAddress())}
	for _, additional := range e.GetAdditionalAddresses() {
		addresses = append(addresses, edsAddress(additional.GetAddress()))
	}
	return addresses
}

func edsAddress(a *corev3.Address) string {
	if socket := a.GetSocketAddress(); socket != nil {
		return fmt.Sprintf("%s:%d", socket.GetAddress(), socket.GetPortValue())
	}
	return strings.TrimPrefix(addressOf(a).Text(), "unix://")
}
