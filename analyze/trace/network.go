package trace

import (
	"fmt"
	"strings"

	directv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/direct_response/v3"
	networkextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networkrbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// networkFilter is one filter of a chain, compiled.
type networkFilter struct {
	mesh.Filter
	rbac    *rbac.Filter
	asks    *networkextauthzv3.ExtAuthz
	answers *directv3.Config
	manager *manager
	tcp     *tcpproxyv3.TcpProxy
}

// prepare compiles a chain once.
func (h *hop) prepare(c *chain) {
	if c.ready {
		return
	}
	c.ready = true
	c.tls = newDownstreamTLS(h.view, c.message.GetTransportSocket())
	for _, f := range h.view.discovered(mesh.NetworkFilters(c.message)) {
		compiled := networkFilter{Filter: f}
		switch config := f.Config.(type) {
		case *networkrbacv3.RBAC:
			compiled.rbac = rbac.NetworkFilter(config)
		case *networkextauthzv3.ExtAuthz:
			compiled.asks = config
		case *directv3.Config:
			compiled.answers = config
		case *hcmv3.HttpConnectionManager:
			compiled.manager = newManager(h.view, config)
		case *tcpproxyv3.TcpProxy:
			compiled.tcp = config
		}
		c.filters = append(c.filters, compiled)
	}
}

// discovered puts the configurations that came by ECDS in their places.
func (v *view) discovered(filters []mesh.Filter) []mesh.Filter {
	for i, f := range filters {
		if !f.Discovery {
			continue
		}
		r := v.proxy.Active(mesh.Extension, f.Name)
		if r == nil {
			continue
		}
		config, err := r.ExtensionConfig()
		if err != nil {
			continue
		}
		found := mesh.Unpack(f.Name, config.GetTypedConfig())
		filters[i].TypeURL, filters[i].Config = found.TypeURL, found.Config
	}
	return filters
}

// passive are network filters that watch a connection and let everything through.
var passive = map[string]bool{
	"metadata_exchange": true, "MetadataExchange": true, "stats": true, "PluginConfig": true,
	"MongoProxy": true, "MySQLProxy": true, "PostgresProxy": true, "ZooKeeperProxy": true, "KafkaBroker": true,
	"forward_downstream_sni": true, "network_authn": true, "Echo": false,
}

// network walks the network filters to the one that ends the connection.
func (h *hop) network() bool {
	if len(h.chain.filters) == 0 {
		return h.close(BlackHole, "", "", "filter chain "+h.chain.label+" has no network filters: the connection is closed")
	}
	sniCluster := false
	for i := range h.chain.filters {
		f := &h.chain.filters[i]
		switch {
		case f.rbac != nil:
			if !h.networkRBAC(f) {
				return false
			}
		case f.asks != nil:
			h.extAuthz("network", f.Filter, f.asks.GetFilterEnabledMetadata())
		case f.manager != nil:
			return h.http(f.manager)
		case f.tcp != nil:
			return h.tcp(f.tcp, sniCluster)
		case filterKind(f.Filter) == "SniCluster" || filterKind(f.Filter) == "sni_cluster":
			sniCluster = true
		case f.answers != nil:
			h.out.Outcome.Body = f.answers.GetResponse().GetInlineString()
			return h.close(DirectResponse, "", "direct_response", "network filter "+f.Name+" answers and closes the connection")
		case filterKind(f.Filter) == "SetFilterState" || filterKind(f.Filter) == "Config":
			// Values for later filters; they refuse nothing.
		case terminal[filterKind(f.Filter)]:
			h.unknown("network filter "+f.Name, "it carries the connection by its own rules, which are not modelled")
			return h.end(Unmodelled, fmt.Sprintf("network filter %s takes the connection: its protocol is not modelled", f.Name))
		case !passive[filterKind(f.Filter)] && !strings.Contains(f.Name, "istio"):
			h.unknownFilter("network", f.Filter, "it can close the connection")
		}
	}
	h.unknown("the end of filter chain "+h.chain.label, "no filter in it is known to end a connection")
	return h.end(Unmodelled, "no network filter of chain "+h.chain.label+" that is modelled ends the connection")
}

// terminal are network filters that carry a connection by a protocol of their own.
var terminal = map[string]bool{
	"RedisProxy": true, "ThriftProxy": true, "DubboProxy": true, "RocketmqProxy": true,
	"GenericProxy": true, "Echo": true, "KafkaMesh": true, "UdpProxyConfig": true, "MetaProtocolProxy": true, "BootstrapConfig": true,
}
