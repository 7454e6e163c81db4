package rules

import (
	"bytes"
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// GatewayUnusedClusters reports gateways that carry the whole mesh for a few routes.
var GatewayUnusedClusters = &analyze.Rule{
	Name:       "gateway-unused-clusters",
	Code:       "PRF02",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Performance,
	Profile:    analyze.Perf,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedRoutes},
	Doc: analyze.Doc{
		Title: "a gateway holds many clusters that none of its routes uses",
		Finds: "Gateways with at least 50 `outbound|` clusters, of which less than a tenth is named by an active listener or by a route configuration that it asks for.",
		Hurts: "Nothing breaks. Every Service of the mesh costs the gateway memory, and every change of any endpoint a push and CPU time in istiod and in the gateway.",
		Example: `dynamic_active_clusters: 3120
named by routes: 14`,
		Silent: "sidecars, which get clusters by their Sidecar resource; routes with `cluster_header` or a cluster specifier plugin, which may choose any cluster; gateways that choose the cluster by SNI (AUTO_PASSTHROUGH, `sni_cluster`); small meshes.",
		Fix:    "set PILOT_FILTER_GATEWAY_CLUSTER_CONFIG=true on istiod, which sends gateways only what their routes need, or confine services with exportTo",
		References: []string{
			"https://istio.io/latest/docs/reference/commands/pilot-discovery/",
			"https://github.com/istio/istio/issues/38827",
			"https://github.com/istio/istio/issues/11254",
		},
	},
	Run: runGatewayUnusedClusters,
}

const (
	manyClusters = 50
	usedShare    = 0.1
)

func runGatewayUnusedClusters(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway || choosesFreely(pass, p) {
			continue
		}
		refs := referencesByCluster(pass, p)
		var outbound, used int
		for _, r := range p.Clusters {
			target, ok := parseIstioCluster(r.Name())
			if !ok || target.direction != "outbound" || r.State != mesh.Active {
				continue
			}
			outbound++
			if len(refs[r.Name()]) > 0 {
				used++
			}
		}
		if outbound < manyClusters || float64(used) >= usedShare*float64(outbound) {
			continue
		}
		f := analyze.Finding{
			Ref:     p.Ref(mesh.Cluster, ""),
			Message: fmt.Sprintf("%d of %d outbound clusters are named by no route and no listener", outbound-used, outbound),
			Essence: p.Namespace + "/" + p.Workload(),
		}
		if len(p.Clusters) > 0 {
			f.Source = p.Clusters[0].Source
		}
		pass.Report(f)
	}
}

// free is set for a resource that lets a request choose any cluster.
type free bool

func choosesFreely(pass *analyze.Pass, p *mesh.Proxy) bool {
	for _, kind := range []mesh.ResourceKind{mesh.Listener, mesh.Route} {
		for _, r := range p.Resources(kind) {
			if r.State != mesh.Active || r.Content == nil {
				continue
			}
			if analyze.Once(pass, r.Content, func() free { return namesNoCluster(r.Raw()) }) {
				return true
			}
		}
	}
	return false
}

// namesNoCluster looks for the fields by which a request chooses its cluster,
// in both spellings of JSON.
func namesNoCluster(raw []byte) free {
	for _, word := range []string{`cluster_header"`, `clusterHeader"`, `cluster_specifier_plugin"`, `clusterSpecifierPlugin"`, "sni_cluster"} {
		if bytes.Contains(raw, []byte(word)) {
			return true
		}
	}
	return false
}
