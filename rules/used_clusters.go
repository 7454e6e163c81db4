package rules

import (
	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// usedCluster is an active cluster that the active listeners of its proxy refer to.
type usedCluster struct {
	*mesh.Resource
	refs []placed
	// assignment is the active ClusterLoadAssignment under the name that the cluster
	// asks for; nil where there is none.
	assignment *mesh.Resource
}

// usedClusters returns them in the order of the dump. The result is shared and must
// not be changed.
func usedClusters(pass *analyze.Pass, p *mesh.Proxy) []usedCluster {
	return analyze.OnceForProxy(pass, p, func() []usedCluster {
		refs, given := referencesByCluster(pass, p), assignmentsOf(pass, p)
		var out []usedCluster
		for _, r := range p.Clusters {
			if used := refs[r.Name()]; r.State == mesh.Active && r.Content != nil && len(used) > 0 {
				out = append(out, usedCluster{r, used, given[assignmentName(r)]})
			}
		}
		return out
	})
}

// usedByHost groups the used clusters of the hosts that were called: a metric tells
// neither the port nor the subset of its destination_service.
func usedByHost(pass *analyze.Pass, p *mesh.Proxy, called map[string]float64) map[string][]usedCluster {
	if len(called) == 0 {
		return nil
	}
	out := map[string][]usedCluster{}
	for _, c := range usedClusters(pass, p) {
		if target, ok := parseIstioCluster(c.Name()); ok && called[target.host] > 0 {
			out[target.host] = append(out[target.host], c)
		}
	}
	return out
}

// clusterUses are references by the name of the cluster.
type clusterUses map[string][]placed

// referencesByCluster groups what the active listeners of a proxy refer to. The
// result is shared and must not be changed.
func referencesByCluster(pass *analyze.Pass, p *mesh.Proxy) clusterUses {
	return analyze.OnceForProxy(pass, p, func() clusterUses {
		refs, _ := clusterReferences(pass, p)
		out := clusterUses{}
		for _, ref := range refs {
			out[ref.cluster] = append(out[ref.cluster], ref)
		}
		return out
	})
}

// assignments are the active ClusterLoadAssignments of a proxy by name.
type assignments map[string]*mesh.Resource

// assignmentsOf is made once for each proxy; it must not be changed.
func assignmentsOf(pass *analyze.Pass, p *mesh.Proxy) assignments {
	return analyze.OnceForProxy(pass, p, func() assignments {
		out := assignments{}
		for _, r := range p.Endpoints {
			if r.State == mesh.Active {
				out[r.Name()] = r
			}
		}
		return out
	})
}

// assignmentName is the name under which a cluster of type EDS asks for its
// endpoints.
func assignmentName(r *mesh.Resource) string {
	if service := r.Peek("eds_cluster_config", "service_name"); service != "" {
		return service
	}
	return r.Name()
}
