package rules

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// edgeListener is a listener with the connection managers of its chains.
type edgeListener struct {
	message  *listenerv3.Listener
	managers []*hcmv3.HttpConnectionManager
}

// eachEdge visits the active listeners with HTTP by which requests enter gateways,
// but for those that only the pod itself reaches.
func eachEdge(pass *analyze.Pass, visit func(p *mesh.Proxy, r *mesh.Resource, l edgeListener)) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		for _, r := range p.Listeners {
			if r.State != mesh.Active || r.Origin == mesh.Static || r.Content == nil {
				continue
			}
			l := analyze.Once(pass, r.Content, func() edgeListener { return newEdgeListener(pass, r) })
			if len(l.managers) > 0 && isEdge(l.message) {
				visit(p, r, l)
			}
		}
	}
}

func newEdgeListener(pass *analyze.Pass, r *mesh.Resource) edgeListener {
	message, err := r.Listener()
	if err != nil {
		return edgeListener{}
	}
	l := edgeListener{message: message}
	for _, chain := range filterChains(pass, r) {
		if chain.manager != nil {
			l.managers = append(l.managers, chain.manager)
		}
	}
	return l
}
