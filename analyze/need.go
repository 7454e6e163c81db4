package analyze

import (
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// Need is an input that a rule cannot do without, named as a user would look for
// it.
type Need string

const (
	// NeedClusters is a ClustersConfigDump with all clusters: one that a filter
	// (?name_regex=, ?mask=) has thinned out does not count, which shows in the
	// bootstrap's static clusters being absent from it.
	NeedClusters Need = "clusters of an unfiltered config_dump"
	// NeedBootstrap is a BootstrapConfigDump. istiod's own view of a proxy has
	// none, and none of its static clusters.
	NeedBootstrap Need = "bootstrap of config_dump"
	// NeedListeners is a ListenersConfigDump.
	NeedListeners Need = "listeners of config_dump"
	// NeedEndpoints is an EndpointsConfigDump or /clusters.
	NeedEndpoints Need = "endpoints (config_dump?include_eds, or clusters)"
	// NeedCertificates is a SecretsConfigDump or /certs.
	NeedCertificates Need = "secrets of config_dump, or certs"
	// NeedUpdates is any input that tells of refused updates.
	NeedUpdates Need = "listeners of config_dump, stats, or istiod's syncz"
	// NeedSync is istiod's debug/syncz. It is of the capture, not of a proxy.
	NeedSync Need = "istiod's syncz"
	// NeedTime is a moment that the capture knows of, or --as-of. It is of the
	// capture, not of a proxy.
	NeedTime Need = "time of the capture (or --as-of)"
)

// ofCapture reports whether the need is met, for all proxies, by c.
func (n Need) ofCapture(c *mesh.Capture) (met, applies bool) {
	switch n {
	case NeedSync:
		return hasSync(c), true
	case NeedTime:
		return !c.AsOf.IsZero(), true
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
	case NeedEndpoints:
		return p.Has(mesh.Endpoint) || p.ClusterStatus != nil
	case NeedCertificates:
		return p.Has(mesh.Secret) || p.Certificates != nil
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

func hasAllClusters(p *mesh.Proxy) bool {
	if !p.Has(mesh.Cluster) {
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
