package trace

import (
	"net/netip"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// onward is the request on its way to the next proxy.
type onward struct {
	proxy   *mesh.Proxy
	arrival arrival
	notes   []Unknown
}

// payload is what travels inside a CONNECT tunnel.
type payload struct {
	request  request.Request
	from, to netip.AddrPort
	// inner is what travels inside this one; nil for none.
	inner *payload
}

// next returns where the request goes from here, if the capture has it.
func (h *hop) next() (onward, bool) {
	if h.balance == nil {
		return onward{}, false
	}
	target := h.target()
	if target == nil {
		return onward{}, false
	}
	if target.internal != "" {
		return h.intoInternal(target)
	}
	if h.in.direction == request.Inbound && h.in.internal == "" {
		return onward{}, false // the application itself
	}
	p := h.walk.engine.byIP[target.addr.Addr()]
	if p == nil {
		return onward{}, false
	}
	return h.intoProxy(p, target)
}

// intoInternal goes on in an internal listener of the same proxy.
func (h *hop) intoInternal(target *host) (onward, bool) {
	in := h.carried()
	in.internal = target.internal
	if h.connects && h.in.tunnel != nil {
		in = h.unwrapped()
		in.internal = target.internal
	} else if target.tunnel.IsValid() {
		in.to = target.tunnel
	}
	in.direction = h.in.direction
	return onward{proxy: h.view.proxy, arrival: in}, true
}

// intoProxy goes on at another proxy, or at a gateway's or waypoint's own address.
func (h *hop) intoProxy(p *mesh.Proxy, target *host) (onward, bool) {
	if p == h.view.proxy && h.in.direction == request.Inbound {
		return onward{}, false
	}
	in := h.carried()
	in.to = target.addr
	in.direction = request.Inbound
	if p.Kind != mesh.Sidecar {
		in.direction = request.AtGateway
	}
	var notes []Unknown
	if tunnel := h.tunnelHost(); tunnel != "" {
		in = wrapped(in, tunnel)
	}
	in.request.TLS = h.clientTLS(target)
	in.request.To, in.request.From = in.to.String(), addressText(in.from)
	return onward{proxy: p, arrival: in, notes: notes}, true
}

// carried is the request as this proxy sends it on.
func (h *hop) carried() arrival {
	r := h.request
	r.TLS = h.request.TLS
	if h.manager != nil {
		r.TLS = nil
		r.Path, r.Authority = h.header(":path"), h.header(":authority")
		r.Scheme = h.header(":scheme")
		r.Headers = nil
		for _, header := range h.attrs.Headers {
			if !strings.HasPrefix(header.Name, ":") {
				r.Headers = append(r.Headers, header)
			}
		}
	} else if h.attrs.TLS {
		r.TLS = nil
	}
	return arrival{request: r, to: h.attrs.Destination, from: h.ownAddress(), tunnel: h.in.tunnel}
}

// ownAddress is the address that this proxy connects from.
func (h *hop) ownAddress() netip.AddrPort {
	for _, address := range h.view.proxy.Addresses {
		if ip, err := netip.ParseAddr(address); err == nil {
			return netip.AddrPortFrom(ip.Unmap(), 0)
		}
	}
	return netip.AddrPort{}
}

// clientTLS is the handshake with which this proxy connects to an endpoint; nil
// for cleartext.
func (h *hop) clientTLS(target *host) *request.TLS {
	s := h.sockets
	switch s.tls.Mode {
	case "tls", "mtls":
		tls := &request.TLS{SNI: s.tls.SNI, ALPN: h.alpnTo(target, s.tls.ALPN)}
		if s.tls.Mode == "mtls" {
			tls.ClientURISAN = h.view.principal()
		}
		return tls
	}
	if h.manager == nil && !h.attrs.TLS {
		return h.request.TLS // bytes are carried as they are
	}
	return nil
}

// tunnelHost is the authority of the CONNECT in which a TCP proxy sends the
// connection; empty where it does not.
func (h *hop) tunnelHost() string {
	if h.chain == nil {
		return ""
	}
	for _, f := range h.chain.filters {
		hostname := f.tcp.GetTunnelingConfig().GetHostname()
		switch {
		case hostname == "":
		case strings.Contains(hostname, "%DOWNSTREAM_LOCAL_ADDRESS%"):
			return h.attrs.Destination.String()
		case !strings.Contains(hostname, "%"):
			return hostname
		default:
			h.unknown("tunneling_config.hostname "+hostname, "the destination inside the tunnel")
			return h.attrs.Destination.String()
		}
	}
	return ""
}

// wrapped puts a request into a CONNECT.
func wrapped(in arrival, authority string) arrival {
	inner := &payload{request: in.request, from: in.from, to: in.to, inner: in.tunnel}
	if to, err := netip.ParseAddrPort(authority); err == nil {
		inner.to = to
	}
	in.tunnel = inner
	in.request = request.Request{Protocol: request.HTTP2, Method: "CONNECT", Authority: authority}
	return in
}

// unwrapped takes the request out of the CONNECT that ends here. Its destination
// is the authority of the CONNECT.
func (h *hop) unwrapped() arrival {
	inner := h.in.tunnel
	in := arrival{request: inner.request, to: inner.to, from: h.attrs.Source, tunnel: inner.inner}
	if to, err := netip.ParseAddrPort(h.header(":authority")); err == nil {
		in.to = to
	}
	if len(h.attrs.PeerURISANs) > 0 {
		in.principal = h.attrs.PeerURISANs[0]
	}
	return in
}

// principal is the SPIFFE id of the proxy's own workload: that of its certificate,
// else the one made of its node's service account; empty where neither is known.
func (v *view) principal() string {
	if v.principalKnown {
		return v.principalID
	}
	v.principalKnown = true
	v.principalID = workloadPrincipal(v.proxy)
	return v.principalID
}
