package replay

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"google.golang.org/protobuf/proto"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// writeListeners adds lds.json: every active listener, those that are bound moved
// to the replay's address.
func (b *builder) writeListeners() error {
	var listeners []*listenerv3.Listener
	sockets := 0
	for i, resource := range b.proxy.Listeners {
		if resource.State != mesh.Active {
			b.changes.add("left out: listeners that are "+string(resource.State), "they serve no traffic", "listener "+resource.Name())
			continue
		}
		listener, err := resource.Listener()
		if err != nil {
			b.changes.add("left out: listener "+resource.Name(), err.Error(), resource.Source.String())
			continue
		}
		if why := unusable(listener); why != "" {
			b.changes.add("left out: listener "+resource.Name(), why, resource.Source.String())
			continue
		}
		if sockets += len(addresses(listener)); sockets > maxBound {
			b.changes.add("left out: listener "+resource.Name(), fmt.Sprintf("a replay binds %d addresses at most", maxBound), resource.Source.String())
			continue
		}
		listener = proto.CloneOf(listener)
		listener.Name = cmp.Or(resource.Name(), fmt.Sprintf("listener %d", i))
		listeners = append(listeners, listener)
	}
	b.keepPorts(listeners)
	var resources []proto.Message
	for _, listener := range listeners {
		b.listener(listener)
		resources = append(resources, listener)
	}
	return b.writeResources(listenersPath, mesh.Listener.TypeURL(), resources)
}

// unusable says why a listener cannot run here; "" where it can.
func unusable(l *listenerv3.Listener) string {
	switch {
	case l.GetApiListener() != nil:
		return "it is of Envoy Mobile"
	case l.GetUdpListenerConfig() != nil, l.GetAddress().GetSocketAddress().GetProtocol() == corev3.SocketAddress_UDP:
		return "it takes UDP or QUIC, which cannot be replayed"
	}
	return ""
}

// bound reports whether a listener has sockets of its own.
func bound(l *listenerv3.Listener) bool {
	if l.GetInternalListener() != nil || l.GetAddress() == nil {
		return false
	}
	if l.GetBindToPort() != nil {
		return l.GetBindToPort().GetValue()
	}
	if l.GetDeprecatedV1().GetBindToPort() != nil { //nolint:staticcheck // what old captures have
		return l.GetDeprecatedV1().GetBindToPort().GetValue()
	}
	return true
}

func (b *builder) listener(l *listenerv3.Listener) {
	where := "listener " + l.GetName()
	l.Transparent, l.Freebind, l.SocketOptions, l.EnableMptcp = nil, nil, nil, false
	l.TcpFastOpenQueueLength, l.ConnectionBalanceConfig, l.TcpKeepalive = nil, nil, nil
	l.FcdsConfig = nil
	b.listenerExtensions(l, where)
	proxied := b.originalDestination(l)
	lasts := lastFilters(l)
	b.scrub(where, l)
	b.terminate(l, lasts, where)
	l.AccessLog = accessLog(listenerLog)
	if bound(l) {
		b.bind(l, proxied)
	}
}

// originalDestination makes a listener that learns the original destination from
// the kernel learn it from a PROXY protocol header. It reports whether a
// connection has to begin with one.
func (b *builder) originalDestination(l *listenerv3.Listener) (proxied bool) {
	filters := mesh.ListenerFilters(l)
	if !bound(l) || slices.ContainsFunc(filters, isProxyProtocol) {
		return bound(l)
	}
	if !l.GetUseOriginalDst().GetValue() && !slices.ContainsFunc(filters, isOriginalDst) && !usesProxyProto(l) {
		return false
	}
	kept := []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.proxy_protocol",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: mustPack(&proxyprotocolv3.ProxyProtocol{})},
	}}
	for i, filter := range l.GetListenerFilters() {
		if !isOriginalDst(filters[i]) {
			kept = append(kept, filter)
		}
	}
	l.ListenerFilters = kept
	b.changes.add("replaced: the original destination", "there is no iptables; a PROXY protocol header tells it", "listener "+l.GetName())
	return true
}

// usesProxyProto reports whether a chain has the switch that came before the
// listener filter, and turns it off.
func usesProxyProto(l *listenerv3.Listener) (used bool) {
	for _, chain := range mesh.FilterChains(l) {
		used = used || chain.GetUseProxyProto().GetValue() //nolint:staticcheck // what old captures have
		chain.UseProxyProto = nil                          //nolint:staticcheck // see above
	}
	return used
}

func isOriginalDst(f mesh.Filter) bool {
	_, ok := f.Config.(*originaldstv3.OriginalDst)
	return ok || f.Config == nil && f.Name == "envoy.filters.listener.original_dst"
}

func isProxyProtocol(f mesh.Filter) bool {
	_, ok := f.Config.(*proxyprotocolv3.ProxyProtocol)
	return ok || f.Config == nil && f.Name == "envoy.filters.listener.proxy_protocol"
}

// listenerExtensions puts the configurations that came by ECDS where the listener
// filters are, and leaves out those that never came.
func (b *builder) listenerExtensions(l *listenerv3.Listener, where string) {
	l.ListenerFilters = slices.DeleteFunc(l.ListenerFilters, func(f *listenerv3.ListenerFilter) bool {
		discovery := f.GetConfigDiscovery()
		if discovery == nil {
			return false
		}
		config := b.extension(f.GetName(), discovery)
		if config == nil {
			b.changes.add("left out: listener filter "+f.GetName(), "its configuration, which comes by ECDS, is not in the capture", where)
			return true
		}
		f.ConfigType = &listenerv3.ListenerFilter_TypedConfig{TypedConfig: config}
		return false
	})
}

// takesTLS reports whether a chain of the listener takes TLS.
func takesTLS(l *listenerv3.Listener) bool {
	return slices.ContainsFunc(mesh.FilterChains(l), func(chain *listenerv3.FilterChain) bool {
		_, ok := mesh.TransportSocket(chain.GetTransportSocket()).Config.(*tlsv3.DownstreamTlsContext)
		return ok
	})
}

// keepPorts takes the ports that listeners can have as captured, before any other
// needs one.
func (b *builder) keepPorts(listeners []*listenerv3.Listener) {
	for _, l := range listeners {
		if !bound(l) {
			continue
		}
		for _, address := range addresses(l) {
			b.ports.keep(uint16(address.GetSocketAddress().GetPortValue()))
		}
	}
}

// addresses are a listener's address and its additional ones, as far as they are set.
func addresses(l *listenerv3.Listener) []*corev3.Address {
	out := []*corev3.Address{l.GetAddress()}
	for _, more := range l.GetAdditionalAddresses() {
		out = append(out, more.GetAddress())
	}
	return slices.DeleteFunc(out, func(a *corev3.Address) bool { return a == nil })
}

// bind moves the sockets of a listener to the replay's address.
func (b *builder) bind(l *listenerv3.Listener, proxied bool) {
	for _, address := range addresses(l) {
		captured := addressText(address)
		here := netip.AddrPortFrom(b.opts.Host, b.ports.bind(uint16(address.GetSocketAddress().GetPortValue())))
		proto.Reset(address)
		proto.Merge(address, socketAddress(here))
		b.listeners = append(b.listeners, Listener{
			Name: l.GetName(), Captured: captured, Address: here,
			ProxyProtocol: proxied, Direction: l.GetTrafficDirection().String(), TLS: takesTLS(l),
		})
	}
	for _, more := range l.GetAdditionalAddresses() {
		more.SocketOptions = nil
	}
}

// addressText writes an address as people do: "10.0.0.9:80", "unix:/path",
// "internal:name".
func addressText(a *corev3.Address) string {
	switch {
	case a.GetSocketAddress() != nil:
		socket := a.GetSocketAddress()
		if ip, err := netip.ParseAddr(socket.GetAddress()); err == nil && socket.GetPortValue() <= 65535 {
			return netip.AddrPortFrom(ip, uint16(socket.GetPortValue())).String()
		}
		return fmt.Sprintf("%s:%d", socket.GetAddress(), socket.GetPortValue())
	case a.GetPipe() != nil:
		return "unix:" + a.GetPipe().GetPath()
	case a.GetEnvoyInternalAddress() != nil:
		return "internal:" + a.GetEnvoyInternalAddress().GetServerListenerName()
	}
	return ""
}
