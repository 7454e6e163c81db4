package rules

import (
	"cmp"
	"fmt"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	quicv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/quic/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// filterChain is a filter chain of a listener with what is packed in it.
type filterChain struct {
	*listenerv3.FilterChain
	// label is the name, else "#index", "default" for the default chain, as the trace
	// engine calls it.
	label string
	// tls is nil for a chain that does not end TLS.
	tls *tlsv3.DownstreamTlsContext
	// filters are the network filters in order.
	filters []mesh.Filter
	// manager is the first HTTP connection manager among them, and http are its
	// filters; nil for a chain without HTTP.
	manager *hcmv3.HttpConnectionManager
	http    []mesh.Filter
	// tcp is the first TCP proxy, or nil.
	tcp *tcpproxyv3.TcpProxy
}

// filterChains returns the chains of a listener in order, the default chain last.
// The result is shared and must not be changed.
func filterChains(pass *analyze.Pass, r *mesh.Resource) []filterChain {
	if r == nil || r.Content == nil {
		return nil
	}
	return analyze.Once(pass, r.Content, func() []filterChain { return readChains(r) })
}

func readChains(r *mesh.Resource) []filterChain {
	listener, err := r.Listener()
	if err != nil {
		return nil
	}
	var out []filterChain
	for i, message := range mesh.FilterChains(listener) {
		label := message.GetName()
		switch {
		case label != "":
		case i < len(listener.GetFilterChains()):
			label = fmt.Sprintf("#%d", i)
		default:
			label = "default"
		}
		out = append(out, readChain(r, message, label))
	}
	return out
}

func readChain(r *mesh.Resource, message *listenerv3.FilterChain, label string) filterChain {
	c := filterChain{FilterChain: message, label: label, filters: r.NetworkFilters(message)}
	switch config := mesh.TransportSocket(message.GetTransportSocket()).Config.(type) {
	case *tlsv3.DownstreamTlsContext:
		c.tls = config
	case *quicv3.QuicDownstreamTransport:
		c.tls = config.GetDownstreamTlsContext()
	}
	for _, f := range c.filters {
		switch config := f.Config.(type) {
		case *hcmv3.HttpConnectionManager:
			if c.manager == nil {
				c.manager, c.http = config, r.HTTPFilters(config)
			}
		case *tcpproxyv3.TcpProxy:
			c.tcp = cmp.Or(c.tcp, config)
		}
	}
	return c
}

// path names the chain within its listener, the same in later captures too: the
// index of a chain without a name is not.
func (c filterChain) path() string {
	return cmp.Or(c.GetName(), strings.Join(c.GetFilterChainMatch().GetServerNames(), ","), c.label)
}

// passesTLS reports whether the chain is for TLS and leaves it to the upstream.
func (c filterChain) passesTLS() bool {
	match := c.GetFilterChainMatch()
	return c.GetTransportSocket() == nil && (len(match.GetServerNames()) > 0 || match.GetTransportProtocol() == "tls")
}

// tcpClusters are the clusters that the chain's TCP proxy forwards to.
func (c filterChain) tcpClusters() []string {
	if name := c.tcp.GetCluster(); name != "" {
		return []string{name}
	}
	var names []string
	for _, weighted := range c.tcp.GetWeightedClusters().GetClusters() {
		names = append(names, weighted.GetName())
	}
	return names
}

// nameOrKind names a chain within its listener, by its servers where it has no name of
// its own, or says that it is one.
func (c filterChain) nameOrKind() string {
	return cmp.Or(c.GetName(), strings.Join(c.GetFilterChainMatch().GetServerNames(), ","), "filter chain")
}
