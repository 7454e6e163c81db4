package drift

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
)

// dropDefaults takes out what one side writes with its default and the other leaves
// unset, where protobuf tells both apart and Envoy does not. Endpoints in Envoy's
// dump have all of that; it reports coarse health only, and knows of no locality
// without endpoints.
func dropDefaults(m proto.Message) {
	switch m := m.(type) {
	case *clusterv3.Cluster:
		if t, ok := m.GetClusterDiscoveryType().(*clusterv3.Cluster_Type); ok && t.Type == clusterv3.Cluster_STATIC {
			m.ClusterDiscoveryType = nil
		}
	case *endpointv3.ClusterLoadAssignment:
		kept := m.GetEndpoints()[:0]
		for _, locality := range m.GetEndpoints() {
			if len(locality.GetLbEndpoints()) > 0 {
				kept = append(kept, locality)
			}
		}
		m.Endpoints = kept
		normalizePolicy(m)
	case *endpointv3.LocalityLbEndpoints:
		if proto.Size(m.GetLocality()) == 0 {
			m.Locality = nil
		}
	case *endpointv3.LbEndpoint:
		m.HealthStatus = coarse(m.GetHealthStatus())
		if m.GetLoadBalancingWeight().GetValue() == 1 {
			m.LoadBalancingWeight = nil
		}
		if proto.Size(m.GetMetadata()) == 0 {
			m.Metadata = nil
		}
		if e := m.GetEndpoint(); e != nil && proto.Size(e.GetHealthCheckConfig()) == 0 {
			e.HealthCheckConfig = nil
		}
	}
}

// defaultOverprovisioning is Envoy's, in percent.
const defaultOverprovisioning = 140

func normalizePolicy(m *endpointv3.ClusterLoadAssignment) {
	if m.GetPolicy().GetOverprovisioningFactor().GetValue() == defaultOverprovisioning {
		m.Policy.OverprovisioningFactor = nil
	}
	if proto.Size(m.GetPolicy()) == 0 {
		m.Policy = nil
	}
}

// coarse is the health as Envoy counts it: what is unknown is healthy.
func coarse(health corev3.HealthStatus) corev3.HealthStatus {
	switch health {
	case corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_DRAINING, corev3.HealthStatus_TIMEOUT:
		return corev3.HealthStatus_UNHEALTHY
	case corev3.HealthStatus_DEGRADED:
		return corev3.HealthStatus_DEGRADED
	}
	return corev3.HealthStatus_HEALTHY
}

// edsServices are the names under which EDS serves the clusters of a config; nil
// where it shows no clusters. Envoy's dump lists endpoints of other clusters too:
// those never came from istiod's EDS.
func edsServices(c *mesh.Config) map[string]bool {
	if !c.Has(mesh.Cluster) {
		return nil
	}
	names := map[string]bool{}
	for _, r := range c.Clusters {
		if r.Peek("type") != "EDS" {
			continue
		}
		name := r.Peek("eds_cluster_config", "service_name")
		if name == "" {
			name = r.Name()
		}
		names[name] = true
	}
	return names
}
