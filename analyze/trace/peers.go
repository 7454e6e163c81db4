package trace

import (
	"net/netip"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
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

// Peers returns the endpoints of a cluster of the proxy that proxies own, itself
// included, in the order of the endpoints. Those in tunnels are left out, and those whose
// transport socket is not modelled.
func (e *Engine) Peers(p *mesh.Proxy, name string) []Peer {
	e = e.of(p)
	defer e.myTurn()()
	v := e.view(p)
	c := v.clusters[name]
	if c == nil || !c.load() || c.message.GetTransportSocketMatcher() != nil {
		return nil
	}
	var peers []Peer
	for _, h := range v.hostsOf(c).hosts {
		owner := e.byIP[h.addr.Addr()]
		if owner == nil || h.internal != "" {
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

// Acceptance is what a proxy makes of a connection before any request comes over it.
type Acceptance struct {
	// Listener and FilterChain name what takes the connection, as in [Outcome].
	Listener, FilterChain string
	// Chain is that filter chain; nil where none fits.
	Chain *listenerv3.FilterChain
	// Verdict is empty where the connection comes about, and the handshake too if the
	// chain ends TLS; else it is [TLSMismatch], [NoFilterChain], [NoListener] or
	// [Unmodelled]. Reason says why.
	Verdict Verdict
	Reason  string
}

// Accept asks a proxy what it makes of a connection to its workload. A nil handshake
// is cleartext.
func (e *Engine) Accept(p *mesh.Proxy, to netip.AddrPort, handshake *request.TLS) (Acceptance, error) {
	e = e.of(p)
	defer e.myTurn()()
	in, _, err := e.resolve(p, request.Request{To: to.String(), TLS: handshake}, request.Inbound)
	if err != nil {
		return Acceptance{}, err
	}
	h := newHop(&walk{engine: e, choices: &choices{}}, p, in)
	if h.enter() && h.inspect() && h.chooseChain() {
		h.terminateTLS()
	}
	o := &h.out.Outcome
	a := Acceptance{Listener: o.Listener, FilterChain: o.FilterChain, Verdict: o.Verdict, Reason: o.Reason}
	if h.chain != nil {
		a.Chain = h.chain.message
	}
	return a, nil
}
