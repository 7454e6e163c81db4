package trace

import (
	"net/netip"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// listener is one listener that serves. What is needed to choose it is read from
// its raw JSON; the rest is decoded by load.
type listener struct {
	resource  *mesh.Resource
	addresses []netip.AddrPort
	// bound is bind_to_port: a socket of its own.
	bound bool
	// handsOver is use_original_dst.
	handsOver bool
	internal  bool

	loaded  bool
	err     error
	message *listenerv3.Listener
	filters []mesh.Filter
	chains  *chainSet
}

func newListener(r *mesh.Resource) *listener {
	l := &listener{resource: r, bound: true}
	if string(r.PeekRaw("bind_to_port")) == "false" || string(r.PeekRaw("deprecated_v1", "bind_to_port")) == "false" {
		l.bound = false
	}
	l.handsOver = string(r.PeekRaw("use_original_dst")) == "true" || string(r.PeekRaw("hidden_envoy_deprecated_use_original_dst")) == "true"
	l.internal = r.PeekRaw("internal_listener") != nil
	if address, ok := socketAddress(r, "address"); ok {
		l.addresses = append(l.addresses, address)
	} else if !l.internal {
		l.load() // a damaged one may have an address all the same
	}
	if r.PeekRaw("additional_addresses") == nil {
		return l
	}
	if message := l.load(); message != nil {
		for _, additional := range message.GetAdditionalAddresses() {
			if address, ok := addressOf(additional.GetAddress()); ok {
				l.addresses = append(l.addresses, address)
			}
		}
	}
	return l
}

// load decodes the listener once; nil where it cannot be decoded, see err.
func (l *listener) load() *listenerv3.Listener {
	if l.loaded {
		return l.message
	}
	l.loaded = true
	l.message, l.err = l.resource.Listener()
	if l.err != nil {
		l.message = nil
		return nil
	}
	l.filters = mesh.ListenerFilters(l.message)
	return l.message
}

func (l *listener) name() string { return l.resource.Name() }

// address is the one to print: the first.
func (l *listener) address() string {
	if len(l.addresses) == 0 {
		if l.internal {
			return "internal"
		}
		return "no IP address"
	}
	return l.addresses[0].String()
}

// restoresDestination reports whether a listener filter gives the connection its
// original destination.
func (l *listener) restoresDestination() bool {
	if l.load() == nil {
		return false
	}
	for _, f := range l.filters {
		if strings.HasSuffix(f.TypeURL, ".OriginalDst") || f.Name == "envoy.filters.listener.original_dst" || f.Name == "envoy.listener.original_dst" {
			return true
		}
	}
	return false
}

func (l *listener) inbound() bool {
	return l.load().GetTrafficDirection() == corev3.TrafficDirection_INBOUND
}

func addressOf(a *corev3.Address) (netip.AddrPort, bool) {
	socket := a.GetSocketAddress()
	ip, err := netip.ParseAddr(socket.GetAddress())
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(socket.GetPortValue())), true
}

// entry returns the listener whose socket accepts the connection: where traffic
// is redirected, the one that is told its original destination, else the one that
// is bound to the destination. nil where there is none.
func (v *view) entry(direction request.Direction, to netip.AddrPort) *listener {
	if direction != request.AtGateway {
		if l := v.redirected(direction); l != nil {
			return l
		}
	}
	l := v.at(to)
	if l == nil || !l.bound {
		return nil
	}
	return l
}

// redirected returns the listener to which iptables sends the connections of one
// direction: of an old sidecar it is one for both.
func (v *view) redirected(direction request.Direction) *listener {
	var both *listener
	for _, l := range v.listeners {
		if !l.bound || l.internal || !(l.handsOver || l.restoresDestination()) {
			continue
		}
		switch l.load().GetTrafficDirection() {
		case corev3.TrafficDirection_INBOUND:
			if direction == request.Inbound {
				return l
			}
		case corev3.TrafficDirection_OUTBOUND:
			if direction == request.Outbound {
				return l
			}
		default:
			if inbound := l.name() == "virtualInbound"; inbound == (direction == request.Inbound) && strings.HasPrefix(l.name(), "virtual") && l.name() != "virtual" {
				return l
			}
			if both == nil && l.handsOver {
				both = l
			}
		}
	}
	return both
}

// at returns the listener that best fits a destination: its own address, else any
// address with the port. Envoy takes "::" for IPv4 too where nothing else has the
// port and the listener allows it.
func (v *view) at(to netip.AddrPort) *listener {
	if l, ok := v.byAddress[to]; ok {
		return l
	}
	unspecified := netip.IPv4Unspecified()
	if to.Addr().Is6() {
		unspecified = netip.IPv6Unspecified()
	}
	if l, ok := v.byAddress[netip.AddrPortFrom(unspecified, to.Port())]; ok {
		return l
	}
	if !to.Addr().Is4() {
		return nil
	}
	l, ok := v.byAddress[netip.AddrPortFrom(netip.IPv6Unspecified(), to.Port())]
	if ok && l.load().GetAddress().GetSocketAddress().GetIpv4Compat() {
		return l
	}
	return nil
}
