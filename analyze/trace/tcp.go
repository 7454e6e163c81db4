package trace

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
)

// tcp carries the connection as a TCP proxy does.
func (h *hop) tcp(config *tcpproxyv3.TcpProxy, sniCluster bool) bool {
	name, reason := config.GetCluster(), "tcp_proxy"
	criteria := lbCriteria(config.GetMetadataMatch())
	if sniCluster && h.attrs.SNI != "" {
		name, reason = h.attrs.SNI, "sni_cluster: the SNI names the cluster"
	} else if weighted := config.GetWeightedClusters().GetClusters(); len(weighted) > 0 {
		weights := make([]uint64, len(weighted))
		for i, c := range weighted {
			weights[i] = uint64(c.GetWeight())
		}
		taken, share := h.pickWeighted(weights, nil)
		name = weighted[taken].GetName()
		criteria = lbCriteria(config.GetMetadataMatch(), weighted[taken].GetMetadataMatch())
		reason = fmt.Sprintf("tcp_proxy weighted_clusters: %s of the connections", percent(share))
	}
	if tunnel := config.GetTunnelingConfig(); tunnel != nil {
		reason += ", in an HTTP CONNECT tunnel to " + tunnel.GetHostname()
	}
	if !h.useCluster(name, reason) {
		return false
	}
	return h.loadBalance(criteria)
}

// planTCP sets what a TCP proxy logs even of a connection that is refused before
// it: its cluster.
func (h *hop) planTCP() {
	for _, f := range h.chain.filters {
		if f.tcp != nil {
			h.out.Outcome.Protocol = "tcp"
			h.out.Outcome.Cluster = f.tcp.GetCluster()
		}
	}
}

// lbCriteria merges what routes and weighted clusters ask for under envoy.lb; later
// values win. nil where nothing is asked for.
func lbCriteria(all ...*corev3.Metadata) map[string]any {
	var merged map[string]any
	for _, m := range all {
		for name, value := range m.GetFilterMetadata()["envoy.lb"].GetFields() {
			if merged == nil {
				merged = map[string]any{}
			}
			merged[name] = value.AsInterface()
		}
	}
	return merged
}
