package trace

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/request"
)

// anyPrincipal is a client's name in its certificate where that of the proxy itself,
// whose trust domain its clients share, is not known.
const anyPrincipal = "spiffe://client.example/any"

// door is a filter chain as a client comes to it.
type door struct {
	chain     *chain
	direction request.Direction
	// ip is the address that the client connects to; invalid where any will do.
	ip   netip.Addr
	port uint16
	// any is set where the listener takes connections to any address.
	any bool
	// tls is set where the client speaks TLS; names are the server names, empty for any.
	tls   bool
	names []string
	// certificate is set where the client must show one; principal is in it.
	certificate bool
	principal   string
	// asked is the domain that names a virtual host, where it has it.
	asked string
}

func newDoor(v *view, l *listener, c *chain, direction request.Direction) door {
	m := c.match()
	d := door{
		chain: c, direction: direction, ip: l.addresses[0].Addr(), port: l.addresses[0].Port(),
		tls:   c.tls.terminates || m.GetTransportProtocol() == "tls" || len(m.GetServerNames()) > 0,
		names: m.GetServerNames(), certificate: c.tls.requires, principal: cmp.Or(v.principal(), anyPrincipal),
	}
	if port := m.GetDestinationPort().GetValue(); port > 0 && port < 1<<16 {
		d.port = uint16(port)
	}
	switch {
	case !d.ip.IsUnspecified():
	case len(c.destinations) > 0:
		d.ip = c.destinations[0].Addr()
	case direction == request.AtGateway:
		d.ip, d.any = (&resolver{view: v}).ownIP(), true
	default:
		d.ip, d.any = netip.Addr{}, true
	}
	return d
}

// handshake is what the client says in TLS; nil where it speaks cleartext.
func (d *door) handshake(name, alpn string) *request.TLS {
	if !d.tls {
		return nil
	}
	tls := &request.TLS{SNI: name}
	if protocols := d.chain.match().GetApplicationProtocols(); len(protocols) > 0 {
		alpn = protocols[0]
	}
	if alpn != "" {
		tls.ALPN = []string{alpn}
	}
	if d.certificate {
		tls.ClientURISAN = d.principal
	}
	return tls
}

// label joins what there is to say beside the name.
func (d *door) label(parts ...string) string {
	if d.certificate {
		parts = append(parts, "client certificate required")
	}
	return strings.Join(slices.DeleteFunc(parts, func(text string) bool { return text == "" }), ", ")
}

// party is who is behind a door that asks for no name, and what to say of it.
func (d *door) party(service string) (host, label string) {
	switch {
	case !d.any && service == "":
		return d.ip.String(), ""
	case !d.any || d.direction == request.AtGateway && service != "":
		return service, ""
	case d.direction == request.AtGateway:
		return AnyHost, "any address"
	case service == "":
		return AnyHost, "any other address on the port"
	}
	return service, "any address on the port"
}
