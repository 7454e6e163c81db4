package trace

import (
	"net/netip"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// Peer is an endpoint of a cluster that belongs to another proxy of the capture, and
// how the client secures the connection to it.
type Peer struct {
	Address netip.AddrPort
	// Proxy takes the connection.
	Proxy *mesh.Proxy
	TLS   UpstreamTLS
	// Context is the transport socket that was chosen; nil for cleartext.
	Context *tlsv3.UpstreamTlsContext
}

// Peers returns the endpoints of a cluster of the proxy that other proxies own, in
// the order of the endpoints. Those in tunnels are left out, and those whose
// transport socket is not modelled.
func (e *Engine) Peers(p *mesh.Proxy, name string) []Peer {
	v := e.view(p)
	c := v.clusters[name]
	if c == nil || !c.load() || c.message.GetTransportSocketMatcher() != nil {
		return nil
	}
	var peers []Peer
	for _, h := range v.hostsOf(c).hosts {
		owner := e.byIP[h.addr.Addr()]
		if owner == nil || owner == p || h.internal != "" {
			continue
		}
		socket, _ := c.socketsOf().socketFor(h)
		if socket.unknown != "" || socket.tunnels {
			continue
		}
		peers = append(peers, Peer{Address: h.addr, Proxy: owner, TLS: socket.tls, Context: socket.config})
	}
	return peers
}

// Principal is the SPIFFE id that the proxy shows to others; empty where the capture
// does not tell.
func (e *Engine) Principal(p *mesh.Proxy) string { return e.view(p).principal() }

// Accept asks a proxy what it makes of a connection to its workload: its outcome is
// [TLSMismatch] or [NoFilterChain] where the connection fails before any request. A
// nil handshake is cleartext.
func (e *Engine) Accept(p *mesh.Proxy, to netip.AddrPort, handshake *request.TLS) (Outcome, error) {
	req := request.Request{To: to.String(), TLS: handshake}
	t, err := e.Trace(p, req, request.Inbound, Options{FirstHop: true})
	if err != nil {
		return Outcome{}, err
	}
	return t.Paths[0].Hops[0].Outcome, nil
}
