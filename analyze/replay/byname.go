package replay

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	http1bridgev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_http1_bridge/v3"
	grpcwebv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_web/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	httpinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/http_inspector/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/proxy_protocol/v3"
	tlsinspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	echov3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/echo/v3"
	sniclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/sni_cluster/v3"
	thriftv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/thrift_proxy/router/v3"
	canaryhostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/omit_canary_hosts/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
)

// byName are the extensions that may stand without a configuration. Envoy used to
// find them by name, and no longer does.
func byName(name string) proto.Message {
	switch name {
	case "envoy.filters.http.router":
		return &routerv3.Router{}
	case "envoy.filters.http.cors":
		return &corsv3.Cors{}
	case "envoy.filters.http.grpc_web":
		return &grpcwebv3.GrpcWeb{}
	case "envoy.filters.http.grpc_http1_bridge":
		return &http1bridgev3.Config{}
	case "envoy.filters.listener.original_dst":
		return &originaldstv3.OriginalDst{}
	case "envoy.filters.listener.tls_inspector":
		return &tlsinspectorv3.TlsInspector{}
	case "envoy.filters.listener.http_inspector":
		return &httpinspectorv3.HttpInspector{}
	case "envoy.filters.listener.proxy_protocol":
		return &proxyprotocolv3.ProxyProtocol{}
	case "envoy.filters.network.sni_cluster":
		return &sniclusterv3.SniCluster{}
	case "envoy.filters.network.echo":
		return &echov3.Echo{}
	case "envoy.retry_host_predicates.previous_hosts":
		return &previoushostsv3.PreviousHostsPredicate{}
	case "envoy.retry_host_predicates.omit_canary_hosts":
		return &canaryhostsv3.OmitCanaryHostsPredicate{}
	case "envoy.filters.thrift.router":
		return &thriftv3.Router{}
	}
	return nil
}

// configure gives an extension that has nothing but a name its configuration, and
// reports whether it has one then. Filters of all kinds hold it alike.
func (s *scrubber) configure(extension proto.Message, name string) (has bool) {
	m := extension.ProtoReflect()
	if m.WhichOneof(m.Descriptor().Oneofs().ByName("config_type")) != nil {
		return true
	}
	config := byName(name)
	if config == nil {
		s.leaveOut(name, "it has no configuration")
		return false
	}
	field := m.Descriptor().Fields().ByName("typed_config")
	m.Set(field, protoreflect.ValueOfMessage(mustPack(config).ProtoReflect()))
	return true
}
