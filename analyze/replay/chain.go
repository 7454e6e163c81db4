package replay

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	directv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/direct_response/v3"
	dubbov3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/dubbo_proxy/v3"
	echov3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/echo/v3"
	genericv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/generic_proxy/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	redisv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/redis_proxy/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	thriftv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/thrift_proxy/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// lastFilters are the last filters of all chains of a listener, nil for a chain
// without filters.
func lastFilters(l *listenerv3.Listener) []*listenerv3.Filter {
	var out []*listenerv3.Filter
	for _, chain := range mesh.FilterChains(l) {
		out = append(out, last(chain))
	}
	return out
}

func last(chain *listenerv3.FilterChain) *listenerv3.Filter {
	filters := chain.GetFilters()
	if len(filters) == 0 {
		return nil
	}
	return filters[len(filters)-1]
}

// terminate ends the chains whose last filter was left out with one that closes
// the connection: Envoy takes no chain that ends with another kind of filter.
func (b *builder) terminate(l *listenerv3.Listener, lasts []*listenerv3.Filter, where string) {
	for i, chain := range mesh.FilterChains(l) {
		if last(chain) == lasts[i] || terminal(chain) {
			continue
		}
		chain.Filters = append(chain.Filters, &listenerv3.Filter{
			Name:       "envoy.filters.network.direct_response",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: mustPack(&directv3.Config{})},
		})
		b.changes.add("replaced: a chain's last filter", "it was left out; connections are closed", where)
	}
}

// terminal reports whether a chain ends with a filter that may stand there.
func terminal(chain *listenerv3.FilterChain) bool {
	filters := mesh.NetworkFilters(chain)
	if len(filters) == 0 {
		return false
	}
	switch filters[len(filters)-1].Config.(type) {
	case *hcmv3.HttpConnectionManager, *tcpproxyv3.TcpProxy, *redisv3.RedisProxy, *thriftv3.ThriftProxy,
		*dubbov3.DubboProxy, *genericv3.GenericProxy, *directv3.Config, *echov3.Echo:
		return true
	}
	return false
}
