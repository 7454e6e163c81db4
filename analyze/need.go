package analyze

import (
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// Need is an input that a rule cannot do without, named as a user would look for
// it.
type Need string

const (
	// NeedClusters is a ClustersConfigDump with all clusters: one that a filter
	// (?name_regex=, ?mask=) has thinned out does not count, which shows in the
	// bootstrap's static clusters being absent from it, nor does one that is cut off.
	NeedClusters Need = "clusters of an unfiltered config_dump"
	// NeedBootstrap is a BootstrapConfigDump. istiod's own view of a proxy has
	// none, and none of its static clusters.
	NeedBootstrap Need = "bootstrap of config_dump"
	// NeedListeners is a ListenersConfigDump.
	NeedListeners Need = "listeners of config_dump"
	// NeedRoutes is a RoutesConfigDump that is not cut off.
	NeedRoutes Need = "routes of config_dump"
	// NeedEndpoints is an EndpointsConfigDump or /clusters.
	NeedEndpoints Need = "endpoints (config_dump?include_eds, or clusters)"
	// NeedLoadAssignments is an EndpointsConfigDump.
	NeedLoadAssignments Need = "endpoints of config_dump?include_eds"
	// NeedCertificates is a SecretsConfigDump or /certs.
	NeedCertificates Need = "secrets of config_dump, or certs"
	// NeedSecrets is a SecretsConfigDump that is not cut off.
	NeedSecrets Need = "secrets of config_dump"
	// NeedUpdates is any input that tells of refused updates.
	NeedUpdates Need = "listeners of config_dump, stats, or istiod's syncz"
	// NeedSync is istiod's debug/syncz. It is of the capture, not of a proxy.
	NeedSync Need = "istiod's syncz"
	// NeedIstiods is the list of pods with every istiod in it, and debug/syncz or
	// debug/adsz of each. It is of the capture, not of a proxy.
	NeedIstiods Need = "the pods, and syncz or adsz of every istiod among them"
	// NeedReplicas is debug/configz or debug/registryz of two istiods. It is of the
	// capture, not of a proxy.
	NeedReplicas Need = "configz or registryz of a second istiod"
	// NeedPushStatus is debug/push_status. It is of the capture, not of a proxy.
	NeedPushStatus Need = "istiod's push_status"
	// NeedRemoteClusters is debug/clusterz. It is of the capture, not of a proxy.
	NeedRemoteClusters Need = "istiod's clusterz"
	// NeedIstiodVersion is a bug-report's versions, or istiod's metrics. It is of
	// the capture, not of a proxy.
	NeedIstiodVersion Need = "version of istiod (versions, or its metrics)"
	// NeedTime is a moment that the capture knows of, or --as-of. It is of the
	// capture, not of a proxy.
	NeedTime Need = "time of the capture (or --as-of)"
	// NeedClusterStatus is /clusters: hosts with their health and counters.
	NeedClusterStatus Need = "clusters"
	// NeedStats is /stats in any of its forms.
	NeedStats Need = "stats"
	// NeedServerInfo is /server_info.
	NeedServerInfo Need = "server_info"
	// NeedRegistry is istiod's debug/registryz. It is of the capture, not of a proxy.
	NeedRegistry Need = "istiod's registryz"
	// NeedShards is istiod's debug/endpointShardz. It is of the capture, not of a
	// proxy.
	NeedShards Need = "istiod's endpointShardz"
	// NeedZtunnel is the config_dump of a ztunnel. It is of the capture: rules for
	// ztunnels look among the proxies of the capture themselves.
	NeedZtunnel Need = "config_dump of a ztunnel"
	// NeedObjects are Kubernetes objects. It is of the capture, not of a proxy.
	NeedObjects Need = "kubernetes objects"
	// NeedServiceAccounts are ServiceAccount objects. It is of the capture, not of a
	// proxy.
	NeedServiceAccounts Need = "service accounts (kubectl get serviceaccounts -A -o yaml)"
	// NeedSockets is netstat of the pod.
	NeedSockets Need = "netstat"
)

// ofCapture reports whether the need is met, for all proxies, by c.
func (n Need) ofCapture(c *mesh.Capture) (met, applies bool) {
	switch n {
	case NeedSync:
		return hasSync(c), true
	case NeedIstiods:
		return hasAllIstiods(c), true
	case NeedReplicas:
		return hasReplicas(c), true
	case NeedPushStatus:
		return hasDebug(c, "push_status"), true
	case NeedRemoteClusters:
		return hasDebug(c, "clusterz"), true
	case NeedIstiodVersion:
		return slices.ContainsFunc(c.ControlPlanes, func(cp *mesh.ControlPlane) bool { return cp.Version != "" }), true
	case NeedTime:
		return !c.AsOf.IsZero(), true
	case NeedRegistry:
		return hasDebug(c, "registryz"), true
	case NeedShards:
		return hasDebug(c, "endpointShardz"), true
	case NeedObjects:
		return len(c.Objects) > 0, true
	case NeedServiceAccounts:
		return hasObject(c, "ServiceAccount"), true
	case NeedZtunnel:
		return slices.ContainsFunc(c.Proxies, func(p *mesh.Proxy) bool { return p.ZtunnelDump != nil }), true
	}
	return false, false
}

// ofProxy reports whether p meets the need.
func (n Need) ofProxy(p *mesh.Proxy, c *mesh.Capture) bool {
	switch n {
	case NeedClusters:
		return hasAllClusters(p)
	case NeedBootstrap:
		return p.Bootstrap != nil
	case NeedListeners:
		return p.Has(mesh.Listener)
	case NeedRoutes:
		return p.Whole(mesh.Route)
	case NeedEndpoints:
		return p.Has(mesh.Endpoint) || p.ClusterStatus != nil
	case NeedLoadAssignments:
		return p.Has(mesh.Endpoint)
	case NeedSecrets:
		return p.Whole(mesh.Secret)
	case NeedCertificates:
		return p.Has(mesh.Secret) || p.Certificates != nil
	case NeedClusterStatus:
		return p.ClusterStatus != nil
	case NeedSockets:
		return p.Sockets != nil
	case NeedStats:
		return p.Stats != nil
	case NeedServerInfo:
		return p.ServerInfo != nil
	case NeedUpdates:
		return p.Has(mesh.Listener) || p.Stats != nil || hasSync(c)
	}
	met, _ := n.ofCapture(c)
	return met
}

func hasSync(c *mesh.Capture) bool {
	for _, cp := range c.ControlPlanes {
		if cp.Sync != nil {
			return true
		}
	}
	return false
}

func hasDebug(c *mesh.Capture, name string) bool {
	return slices.ContainsFunc(c.ControlPlanes, func(cp *mesh.ControlPlane) bool { return cp.Debug[name] != nil })
}

func hasObject(c *mesh.Capture, kind string) bool {
	return slices.ContainsFunc(c.Objects, func(doc *mesh.Doc[[]mesh.Object]) bool {
		objects, _ := doc.Get()
		return slices.ContainsFunc(objects, func(o mesh.Object) bool { return o.Kind == kind })
	})
}

func hasAllClusters(p *mesh.Proxy) bool {
	if !p.Whole(mesh.Cluster) {
		return false
	}
	if p.Bootstrap == nil {
		return true
	}
	static := map[string]bool{}
	for _, r := range p.Clusters {
		static[r.Name()] = r.Origin == mesh.Static
	}
	for _, raw := range rawjson.Elements(rawjson.Get(p.Bootstrap.Raw(), "static_resources", "clusters")) {
		if !static[rawjson.GetText(raw, "name")] {
			return false
		}
	}
	return true
}
