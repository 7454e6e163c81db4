package trace

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// errNoDestination is a request that says neither where it goes nor for whom it is.
var errNoDestination = errors.New("the request names no destination: expected a URL with a host, or an ip:port to connect to")

// anywhere is a documentation address (RFC 5737) that stands for a destination
// whose address does not matter: a listener of any address takes it.
var anywhere = netip.MustParseAddr("192.0.2.1")

// resolve gives a request the addresses with which it reaches p, and says what had
// to be assumed.
func (e *Engine) resolve(p *mesh.Proxy, req request.Request, direction request.Direction) (arrival, []Unknown, error) {
	if err := req.Check(); err != nil {
		return arrival{}, nil, err
	}
	to, err := req.Destination()
	if err != nil {
		return arrival{}, nil, err
	}
	from, err := req.Source()
	if err != nil {
		return arrival{}, nil, err
	}
	r := &resolver{engine: e, view: e.view(p), request: req, direction: direction}
	if to.IsValid() {
		r.to = to
	} else if err := r.byAuthority(); err != nil {
		return arrival{}, nil, err
	}
	if r.direction == "" {
		r.direction = r.directionOf()
	}
	if !from.IsValid() {
		from = r.source()
	}
	in := arrival{request: req, direction: r.direction, to: r.to, from: from}
	in.request.To, in.request.From = r.to.String(), addressText(from)
	return r.throughTunnel(in), r.notes, nil
}

// hbonePort is where waypoints and ztunnels take connections in HTTP CONNECT tunnels.
const hbonePort = 15008

// throughTunnel puts a request for somebody behind a waypoint into the tunnel in
// which it reaches the waypoint.
func (r *resolver) throughTunnel(in arrival) arrival {
	p := r.view.proxy
	if p.Kind != mesh.Waypoint || in.to.Port() == hbonePort {
		return in
	}
	if to := in.to.Addr(); to == r.ownIP() || to.IsUnspecified() {
		return in // a port of the waypoint itself
	}
	door := netip.AddrPortFrom(r.ownIP(), hbonePort)
	if l := r.view.at(door); l == nil || !l.bound {
		return in
	}
	principal := ""
	if in.request.TLS != nil {
		principal = in.request.TLS.ClientURISAN
	}
	if !r.request.IsTCP() && r.request.Scheme != "https" {
		in.request.TLS = nil
	}
	in = wrapped(in, in.to.String())
	in.to = door
	in.request.TLS = &request.TLS{ALPN: []string{"h2"}, ClientURISAN: cmp.Or(principal, "spiffe://cluster.local/ns/default/sa/client")}
	in.request.To, in.request.From = door.String(), addressText(in.from)
	if principal == "" {
		r.notes = append(r.notes, Unknown{What: "the client's SPIFFE id", Effect: "any is taken: name one with --source-principal"})
	}
	return in
}

// resolver finds the destination of a request that names a host only.
type resolver struct {
	engine    *Engine
	view      *view
	request   request.Request
	direction request.Direction
	to        netip.AddrPort
	notes     []Unknown
}

// source is the address that a client of the proxy has where the request does not
// say: the pod's own at a sidecar's outbound side, else loopback.
func (r *resolver) source() netip.AddrPort {
	if r.direction == request.Outbound {
		for _, address := range r.view.proxy.Addresses {
			if ip, err := netip.ParseAddr(address); err == nil {
				return netip.AddrPortFrom(ip.Unmap(), 0)
			}
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
}

// directionOf tells on which side a connection enters the proxy.
func (r *resolver) directionOf() request.Direction {
	p := r.view.proxy
	if p.Kind != mesh.Sidecar && r.view.redirected(request.Outbound) == nil && r.view.redirected(request.Inbound) == nil {
		return request.AtGateway
	}
	if p.Kind == mesh.Gateway || p.Kind == mesh.Waypoint {
		return request.AtGateway
	}
	if slices.Contains(p.Addresses, r.to.Addr().String()) {
		return request.Inbound
	}
	return request.Outbound
}

// byAuthority resolves the host and port of the request.
func (r *resolver) byAuthority() error {
	host, port, err := r.hostPort()
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		r.to = netip.AddrPortFrom(ip.Unmap(), port)
		return nil
	}
	if r.direction == "" {
		r.direction = r.directionOf()
	}
	switch {
	case r.view.proxy.Kind == mesh.Waypoint:
		r.outbound(host, port)
	case r.direction == request.Inbound:
		r.to = netip.AddrPortFrom(r.ownIP(), port)
	case r.direction == request.AtGateway:
		r.atGateway(port)
	default:
		r.outbound(host, port)
	}
	return nil
}

// hostPort splits :authority; the port is that of the scheme where it names none.
func (r *resolver) hostPort() (string, uint16, error) {
	authority := r.request.Authority
	if authority == "" && r.request.TLS != nil {
		authority = r.request.TLS.SNI
	}
	if authority == "" {
		return "", 0, errNoDestination
	}
	host, text, err := net.SplitHostPort(authority)
	if err != nil {
		host, text = strings.Trim(authority, "[]"), ""
	}
	if text == "" {
		port := uint16(80)
		if r.request.TLS != nil || r.request.Scheme == "https" {
			port = 443
		}
		if r.request.IsTCP() && r.request.TLS == nil {
			return "", 0, fmt.Errorf("destination %q: expected a port, as in tcp://%s:3306", authority, host)
		}
		return host, port, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("destination %q: expected a port between 0 and 65535", authority)
	}
	return host, uint16(port), nil
}

func (r *resolver) ownIP() netip.Addr {
	for _, address := range r.view.proxy.Addresses {
		if ip, err := netip.ParseAddr(address); err == nil {
			return ip.Unmap()
		}
	}
	return anywhere
}

// atGateway finds the gateway's listener for a port of its service: the port
// itself, what a Service of the capture maps it to, or Istio's habit of 8080 for 80
// and 8443 for 443.
func (r *resolver) atGateway(port uint16) {
	ip := r.ownIP()
	candidates := []uint16{port}
	for _, s := range r.engine.index().services {
		if target, ok := s.ports[port]; ok && strings.HasPrefix(r.view.proxy.Name, s.name) && s.namespace == r.view.proxy.Namespace {
			candidates = append(candidates, target)
		}
	}
	switch port {
	case 80:
		candidates = append(candidates, 8080)
	case 443:
		candidates = append(candidates, 8443)
	}
	for _, candidate := range candidates {
		to := netip.AddrPortFrom(ip, candidate)
		if l := r.view.at(to); l != nil && l.bound {
			r.to = to
			if candidate != port {
				r.notes = append(r.notes, Unknown{What: "port", Effect: fmt.Sprintf("no listener has port %d; the gateway's listener on %d is taken, as a Service maps them", port, candidate)})
			}
			return
		}
	}
	// A listener of one address only, such as one on loopback.
	for _, l := range r.view.listeners {
		for _, address := range l.addresses {
			if l.bound && address.Port() == port {
				r.to = address
				return
			}
		}
	}
	r.to = netip.AddrPortFrom(ip, port)
}
