package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

// errDial is the error of a connection that was never made.
var errDial = errors.New("dialling")

// target is where a request goes.
type target struct {
	address netip.AddrPort // the socket on loopback
	proxy   bool           // begin with a PROXY protocol header
	// source and destination are those of the header.
	source, destination netip.AddrPort
}

// target finds the listener for a line: the one with the proxy's original
// destination, or the one that is bound to the address.
func (c *Client) target(line *request.Line) (target, error) {
	destination, err := line.Request.Destination()
	if err != nil {
		return target{}, err
	}
	source, err := line.Request.Source()
	if err != nil {
		return target{}, err
	}
	if !destination.IsValid() {
		if destination, err = c.resolve(&line.Request); err != nil {
			return target{}, err
		}
	}
	if l := c.captures(line.Direction, destination.Addr()); l != nil {
		return target{address: l.Address, proxy: true, source: source, destination: destination}, nil
	}
	if l := c.boundTo(destination); l != nil {
		return target{address: l.Address, proxy: l.ProxyProtocol, source: source, destination: destination}, nil
	}
	if destination.Addr().IsLoopback() {
		return target{address: destination, source: source}, nil
	}
	return target{}, fmt.Errorf("sending to %s: expected an address that a listener of the replay is bound to: %s", destination, c.bound())
}

// captures returns the listener that gets connections to anywhere, in a sidecar.
func (c *Client) captures(direction request.Direction, to netip.Addr) *replay.Listener {
	if direction == request.AtGateway {
		return nil
	}
	want := "OUTBOUND"
	if direction == request.Inbound || direction == "" && slices.Contains(c.Own, to) {
		want = "INBOUND"
	}
	any := -1
	for i, l := range c.Listeners {
		switch {
		case !l.ProxyProtocol:
		case l.Direction == want:
			return &c.Listeners[i]
		case l.Direction == "UNSPECIFIED" && any < 0:
			any = i
		}
	}
	if any < 0 {
		return nil
	}
	return &c.Listeners[any]
}

// boundTo returns the listener with a captured or a replayed address; an
// unspecified captured address fits every IP.
func (c *Client) boundTo(to netip.AddrPort) *replay.Listener {
	var wild *replay.Listener
	for i := range c.Listeners {
		l := &c.Listeners[i]
		captured, err := netip.ParseAddrPort(l.Captured)
		switch {
		case l.Address == to, err == nil && captured == to:
			return l
		case err == nil && captured.Port() == to.Port() && captured.Addr().IsUnspecified() && wild == nil:
			wild = l
		}
	}
	return wild
}

// resolve finds the destination of a request that names none: the port of its
// authority, at a proxy whose listeners are bound.
func (c *Client) resolve(r *request.Request) (netip.AddrPort, error) {
	port := uint64(80)
	if r.TLS != nil || r.Scheme == "https" {
		port = 443
	}
	if _, text, err := net.SplitHostPort(r.Authority); err == nil {
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return netip.AddrPort{}, fmt.Errorf("authority %q: expected host:port", r.Authority)
		}
	}
	for _, l := range c.Listeners {
		if captured, err := netip.ParseAddrPort(l.Captured); err == nil && uint64(captured.Port()) == port && !l.ProxyProtocol {
			return l.Address, nil
		}
	}
	return netip.AddrPort{}, fmt.Errorf("sending to %q: expected `to`, or a port that a listener has: %s", r.Authority, c.bound())
}

// bound lists the addresses of listeners for an error.
func (c *Client) bound() string {
	text := ""
	for i, l := range c.Listeners {
		if i > 0 {
			text += ", "
		}
		text += l.Captured
	}
	return text
}

// dial connects, and sends the PROXY protocol header where there has to be one.
func (c *Client) dial(ctx context.Context, to target, x *exchange) (net.Conn, error) {
	dialer := &net.Dialer{}
	if source := to.source; !to.proxy && source.IsValid() && source.Addr().IsLoopback() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(source)
	}
	conn, err := dialer.DialContext(ctx, "tcp", to.address.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDial, err)
	}
	x.ends = ends{client: conn.LocalAddr().String(), local: to.address.String()}
	if !to.proxy {
		return conn, nil
	}
	x.ends.local = to.destination.String()
	source := to.source
	if !source.IsValid() {
		source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if source.Port() == 0 {
		source = netip.AddrPortFrom(source.Addr(), c.nextPort())
	}
	if _, err := conn.Write(proxyHeader(source, to.destination)); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// nextPort is a client port that was not used for long.
func (c *Client) nextPort() uint16 {
	const first, count = 32768, 28232
	return uint16(first + c.ports.Add(1)%count)
}

// proxyHeader is version 1 of the PROXY protocol, which has no mixed families.
func proxyHeader(source, destination netip.AddrPort) []byte {
	from, to := source.Addr(), destination.Addr()
	family := "TCP4"
	if from.Is6() || to.Is6() {
		family = "TCP6"
		from, to = netip.AddrFrom16(from.As16()), netip.AddrFrom16(to.As16())
	}
	return fmt.Appendf(nil, "PROXY %s %s %s %d %d\r\n", family, from, to, source.Port(), destination.Port())
}
