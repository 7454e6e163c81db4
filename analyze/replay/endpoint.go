package replay

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// assignments are the captured endpoints by the name that EDS knows them by.
func (b *builder) assignments() map[string]*endpointv3.ClusterLoadAssignment {
	out := map[string]*endpointv3.ClusterLoadAssignment{}
	for _, resource := range b.proxy.Endpoints {
		if resource.State != mesh.Active {
			continue
		}
		assignment, err := resource.LoadAssignment()
		if err != nil {
			b.changes.add("left out: endpoints of "+resource.Name(), err.Error(), resource.Source.String())
			continue
		}
		if _, ok := out[resource.Name()]; !ok {
			out[resource.Name()] = assignment
		}
	}
	return out
}

// hosts returns a copy of the hosts that a cluster had, their addresses being
// those of stubs.
func (b *builder) hosts(c *clusterv3.Cluster, assignments map[string]*endpointv3.ClusterLoadAssignment) *endpointv3.ClusterLoadAssignment {
	assignment, known := c.GetLoadAssignment(), true
	switch {
	case c.GetClusterType() != nil && assignment == nil, c.GetType() == clusterv3.Cluster_ORIGINAL_DST:
		return b.oneHost(c.GetName(), "its endpoints are found at run time")
	case c.GetType() == clusterv3.Cluster_EDS && c.GetClusterType() == nil:
		assignment, known = assignments[edsName(c)]
	}
	if !known {
		if status := b.statusHosts(c.GetName()); status != nil {
			return b.stubbed(c, status)
		}
		if !b.proxy.Has(mesh.Endpoint) {
			return b.oneHost(c.GetName(), "the capture has no endpoints; this captures them: "+mesh.DumpCommand(b.proxy))
		}
	}
	return b.stubbed(c, assignment)
}

func edsName(c *clusterv3.Cluster) string {
	if name := c.GetEdsClusterConfig().GetServiceName(); name != "" {
		return name
	}
	return c.GetName()
}

func (b *builder) oneHost(cluster, why string) *endpointv3.ClusterLoadAssignment {
	b.changes.add("replaced: all hosts of a cluster by one", why, "cluster "+cluster)
	return &endpointv3.ClusterLoadAssignment{ClusterName: cluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		LbEndpoints: []*endpointv3.LbEndpoint{lbEndpoint(socketAddress(b.backends.standIn(cluster)))},
	}}}
}

func lbEndpoint(address *corev3.Address) *endpointv3.LbEndpoint {
	return &endpointv3.LbEndpoint{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
		Endpoint: &endpointv3.Endpoint{Address: address},
	}}
}

// stubbed returns a copy of an assignment on loopback.
func (b *builder) stubbed(c *clusterv3.Cluster, captured *endpointv3.ClusterLoadAssignment) *endpointv3.ClusterLoadAssignment {
	assignment := &endpointv3.ClusterLoadAssignment{}
	if captured != nil {
		assignment = proto.CloneOf(captured)
	}
	assignment.ClusterName = c.GetName()
	if assignment.Policy != nil {
		assignment.Policy.EndpointStaleAfter = nil
	}
	named := assignment.NamedEndpoints
	assignment.NamedEndpoints = nil
	health := b.checkedHealth(c.GetName())
	for _, locality := range assignment.GetEndpoints() {
		locality.LbConfig = nil
		locality.LoadBalancingWeight = weight(locality.GetLoadBalancingWeight())
		for _, host := range locality.GetLbEndpoints() {
			if name := host.GetEndpointName(); name != "" {
				host.HostIdentifier = &endpointv3.LbEndpoint_Endpoint{Endpoint: proto.CloneOf(named[name])}
			}
			b.stub(c, host, health)
		}
	}
	return assignment
}

// weight is nil for the 0 that Envoy's dump has where no weight is set, and that
// no Envoy takes.
func weight(captured *wrapperspb.UInt32Value) *wrapperspb.UInt32Value {
	if captured.GetValue() == 0 {
		return nil
	}
	return captured
}

// stub moves one host to loopback. A host that is an internal listener stays one.
func (b *builder) stub(c *clusterv3.Cluster, host *endpointv3.LbEndpoint, health map[string]bool) {
	endpoint := host.GetEndpoint()
	if endpoint.GetAddress().GetEnvoyInternalAddress() != nil {
		return
	}
	captured := addressText(endpoint.GetAddress())
	here := socketAddress(b.backends.of(c.GetName(), captured))
	host.HostIdentifier = &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: here, Hostname: endpoint.GetHostname()}}
	host.LoadBalancingWeight = weight(host.GetLoadBalancingWeight())
	if health[captured] {
		host.HealthStatus = corev3.HealthStatus_UNHEALTHY
		b.changes.add("replaced: the health of a host", "Envoy had found it unhealthy or ejected it, and checks nothing here", fmt.Sprintf("cluster %s, host %s", c.GetName(), captured))
	}
	if policy := c.GetLbPolicy(); policy == clusterv3.Cluster_RING_HASH || policy == clusterv3.Cluster_MAGLEV {
		keepHashKey(host, captured)
	}
}

// keepHashKey lets consistent hashing choose by the captured address.
func keepHashKey(host *endpointv3.LbEndpoint, captured string) {
	const namespace, key = "envoy.lb", "hash_key"
	if host.Metadata == nil {
		host.Metadata = &corev3.Metadata{}
	}
	if host.Metadata.FilterMetadata == nil {
		host.Metadata.FilterMetadata = map[string]*structpb.Struct{}
	}
	values := host.Metadata.FilterMetadata[namespace]
	if values == nil {
		values = &structpb.Struct{}
		host.Metadata.FilterMetadata[namespace] = values
	}
	if values.Fields == nil {
		values.Fields = map[string]*structpb.Value{}
	}
	if values.Fields[key] == nil {
		values.Fields[key] = structpb.NewStringValue(captured)
	}
}
