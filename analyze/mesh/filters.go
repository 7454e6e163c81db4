package mesh

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh/xds"
)

// Filter is an extension of a listener, a filter chain or a connection manager,
// or a transport socket, with its typed configuration.
type Filter struct {
	// Name is the instance's name. Envoy chooses the implementation by TypeURL.
	Name string
	// TypeURL is the type of the configuration; empty where there is none.
	TypeURL string
	// Config is the decoded configuration. It is nil where there is none, and an
	// xds.type.v3.TypedStruct with the captured fields where the type is unknown.
	Config proto.Message
	// Discovery is set where the configuration comes by ECDS under Name.
	Discovery bool
	// Disabled is set for an HTTP filter that is off unless a route enables it.
	Disabled bool
}

// NetworkFilters returns the filters of a chain in order.
func NetworkFilters(chain *listenerv3.FilterChain) []Filter { return networkFilters(nil, chain) }

// HTTPFilters returns the HTTP filters of a connection manager in order.
func HTTPFilters(hcm *hcmv3.HttpConnectionManager) []Filter { return httpFilters(nil, hcm) }

// NetworkFilters is the package's NetworkFilters for a chain of r. Resources with the
// same configuration of a filter share it: it must not be changed.
func (r *Resource) NetworkFilters(chain *listenerv3.FilterChain) []Filter {
	return networkFilters(r.decoder(), chain)
}

// HTTPFilters is the package's HTTPFilters for a connection manager of r, shared as
// those of [Resource.NetworkFilters].
func (r *Resource) HTTPFilters(hcm *hcmv3.HttpConnectionManager) []Filter {
	return httpFilters(r.decoder(), hcm)
}

func (r *Resource) decoder() *xds.Decoder {
	if r.Content == nil {
		return nil
	}
	return r.Content.Decoder
}

func networkFilters(d *xds.Decoder, chain *listenerv3.FilterChain) []Filter {
	var out []Filter
	for _, f := range chain.GetFilters() {
		filter := unpack(d, f.GetName(), f.GetTypedConfig())
		filter.Discovery = f.GetConfigDiscovery() != nil
		out = append(out, filter)
	}
	return out
}

func httpFilters(d *xds.Decoder, hcm *hcmv3.HttpConnectionManager) []Filter {
	var out []Filter
	for _, f := range hcm.GetHttpFilters() {
		filter := unpack(d, f.GetName(), f.GetTypedConfig())
		filter.Discovery = f.GetConfigDiscovery() != nil
		filter.Disabled = f.GetDisabled()
		out = append(out, filter)
	}
	return out
}

// ListenerFilters returns the listener filters in order.
func ListenerFilters(listener *listenerv3.Listener) []Filter {
	var out []Filter
	for _, f := range listener.GetListenerFilters() {
		filter := Unpack(f.GetName(), f.GetTypedConfig())
		filter.Discovery = f.GetConfigDiscovery() != nil
		out = append(out, filter)
	}
	return out
}

// TransportSocket returns the transport socket with its typed configuration,
// such as an UpstreamTlsContext. A nil socket, which is plaintext, gives the
// zero Filter.
func TransportSocket(socket *corev3.TransportSocket) Filter {
	return Unpack(socket.GetName(), socket.GetTypedConfig())
}

// FilterChains returns all chains of a listener, the default chain last.
func FilterChains(listener *listenerv3.Listener) []*listenerv3.FilterChain {
	chains := listener.GetFilterChains()
	if d := listener.GetDefaultFilterChain(); d != nil {
		return append(chains[:len(chains):len(chains)], d)
	}
	return chains
}

// HTTPConnectionManager returns the first HTTP connection manager of a chain,
// or nil.
func HTTPConnectionManager(chain *listenerv3.FilterChain) *hcmv3.HttpConnectionManager {
	return firstOf[*hcmv3.HttpConnectionManager](chain)
}

// TCPProxy returns the first TCP proxy filter of a chain, or nil.
func TCPProxy(chain *listenerv3.FilterChain) *tcpproxyv3.TcpProxy {
	return firstOf[*tcpproxyv3.TcpProxy](chain)
}

func firstOf[M proto.Message](chain *listenerv3.FilterChain) M {
	var none M
	for _, f := range NetworkFilters(chain) {
		if m, ok := f.Config.(M); ok {
			return m
		}
	}
	return none
}

// Unpack returns the configuration in an Any as a Filter called name.
func Unpack(name string, config *anypb.Any) Filter { return unpack(nil, name, config) }

func unpack(d *xds.Decoder, name string, config *anypb.Any) Filter {
	f := Filter{Name: name}
	if config == nil {
		return f
	}
	m, typeURL, err := d.Unpack(config)
	f.TypeURL = typeURL
	if err == nil {
		f.Config = m
	}
	return f
}
