package replay

import (
	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// status is what /clusters said of a cluster; nil where it was not captured.
func (b *builder) status(cluster string) *adminv3.ClusterStatus {
	if b.clusterStatus == nil {
		b.clusterStatus = map[string]*adminv3.ClusterStatus{}
		all, _ := b.proxy.ClusterStatus.Get() // what was saved of it
		for _, status := range all.GetClusterStatuses() {
			b.clusterStatus[status.GetName()] = status
		}
	}
	return b.clusterStatus[cluster]
}

// checkedHealth are the hosts of a cluster that Envoy itself had found to be
// unhealthy.
func (b *builder) checkedHealth(cluster string) map[string]bool {
	unhealthy := map[string]bool{}
	for _, host := range b.status(cluster).GetHostStatuses() {
		health := host.GetHealthStatus()
		if health.GetFailedActiveHealthCheck() || health.GetFailedOutlierCheck() {
			unhealthy[addressText(host.GetAddress())] = true
		}
	}
	return unhealthy
}

// statusHosts are the hosts of a cluster as /clusters tells them; nil where it
// does not know the cluster.
func (b *builder) statusHosts(cluster string) *endpointv3.ClusterLoadAssignment {
	status := b.status(cluster)
	if status == nil {
		return nil
	}
	assignment := &endpointv3.ClusterLoadAssignment{}
	for _, host := range status.GetHostStatuses() {
		endpoint := lbEndpoint(proto.CloneOf(host.GetAddress()))
		endpoint.GetEndpoint().Hostname = host.GetHostname()
		endpoint.HealthStatus = host.GetHealthStatus().GetEdsHealthStatus()
		if weight := host.GetWeight(); weight > 0 {
			endpoint.LoadBalancingWeight = wrapperspb.UInt32(weight)
		}
		assignment.Endpoints = append(assignment.Endpoints, &endpointv3.LocalityLbEndpoints{
			Locality:    localityOf(host),
			Priority:    host.GetPriority(),
			LbEndpoints: []*endpointv3.LbEndpoint{endpoint},
		})
	}
	return assignment
}

func localityOf(host *adminv3.HostStatus) *corev3.Locality {
	locality := host.GetLocality()
	if locality.GetRegion()+locality.GetZone()+locality.GetSubZone() == "" {
		return nil
	}
	return proto.CloneOf(locality)
}
