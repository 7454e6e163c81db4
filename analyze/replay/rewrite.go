package replay

import (
	"cmp"
	"strings"

	"google.golang.org/protobuf/proto"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	filterstatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	networkauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networkratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ratelimit/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	thriftproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/thrift_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// before changes m ahead of what is below it. It reports whether m stays, and
// whether it is whole, so that nothing below needs a look.
func (s *scrubber) before(m proto.Message) (keep, whole bool) {
	switch m := m.(type) {
	case *accesslogv3.AccessLog, *hcmv3.HttpConnectionManager_Tracing:
		return false, true
	case *hcmv3.HttpConnectionManager:
		s.connectionManager(m)
	case *hcmv3.Rds:
		m.ConfigSource = s.b.routeSource(m.GetRouteConfigName(), s.where)
		return true, true
	case *hcmv3.HttpFilter:
		return s.httpFilter(m) && s.configure(m, m.GetName()), false
	case *listenerv3.Filter:
		return s.networkFilter(m) && s.configure(m, m.GetName()), false
	case *listenerv3.ListenerFilter:
		return s.configure(m, m.GetName()), false
	case *routev3.RetryPolicy_RetryHostPredicate:
		return s.configure(m, m.GetName()), false
	case *thriftproxyv3.ThriftFilter:
		return s.configure(m, m.GetName()), false
	case *filterstatev3.FilterStateValue:
		knownFilterState(m)
	case *tlsv3.CommonTlsContext:
		s.tlsContext(m)
		return true, true
	case *tlsv3.DownstreamTlsContext:
		s.downstreamTLS(m)
	case *routev3.RouteConfiguration:
		s.routeConfiguration(m)
	case *routev3.VirtualHost:
		s.virtualHost = m.GetName()
	case *routev3.Route:
		s.markRoute(m)
	case *corev3.ConfigSource, *tlsv3.SdsSecretConfig:
		s.leaveOut("a subscription to a control plane", "there is none here")
		return false, true
	case *extauthzv3.ExtAuthz, *networkauthzv3.ExtAuthz, *ratelimitv3.RateLimit, *networkratelimitv3.RateLimit:
		s.replace("the answers of authorization and rate limit services", "the stubs allow everything")
	case *corev3.GrpcService:
		if !staysHere(m) {
			s.leaveOut("Google's gRPC client", resolvesNames)
			return false, true
		}
	case *corev3.DataSource:
		if m.GetFilename() != "" || m.GetEnvironmentVariable() != "" {
			s.leaveOut("the content of a file or variable", "it is not in the capture")
			return false, true
		}
	}
	return true, false
}

// after changes m when what is below it has been scrubbed.
func (s *scrubber) after(m proto.Message) {
	switch m := m.(type) {
	case *hcmv3.HttpConnectionManager:
		m.AccessLog = accessLog(httpLog)
	case *tcpproxyv3.TcpProxy:
		m.AccessLog = accessLog(tcpLog)
		m.AccessLogOptions, m.AccessLogFlushInterval, m.FlushAccessLogOnConnected = nil, nil, false
	}
}

func (s *scrubber) connectionManager(m *hcmv3.HttpConnectionManager) {
	m.AccessLogOptions, m.AccessLogFlushInterval, m.FlushAccessLogOnNewRequest = nil, nil, false
	if scoped := m.GetScopedRoutes(); scoped.GetScopedRds() != nil {
		s.inlineScopes(scoped)
	}
	if scoped := m.GetScopedRoutes(); scoped != nil {
		scoped.RdsConfigSource = nil
	}
}

// httpFilter puts the configuration that came by ECDS where the filter is.
func (s *scrubber) httpFilter(m *hcmv3.HttpFilter) (keep bool) {
	discovery := m.GetConfigDiscovery()
	if discovery == nil {
		return true
	}
	config := s.b.extension(m.GetName(), discovery)
	if config == nil {
		s.leaveOut("HTTP filter "+m.GetName(), "its configuration, which comes by ECDS, is not in the capture")
		return false
	}
	m.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: config}
	return true
}

func (s *scrubber) networkFilter(m *listenerv3.Filter) (keep bool) {
	discovery := m.GetConfigDiscovery()
	if discovery == nil {
		return true
	}
	config := s.b.extension(m.GetName(), discovery)
	if config == nil {
		s.leaveOut("network filter "+m.GetName(), "its configuration, which comes by ECDS, is not in the capture")
		return false
	}
	m.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: config}
	return true
}

// knownFilterState lets objects that only Istio's Envoy makes be strings.
func knownFilterState(m *filterstatev3.FilterStateValue) {
	factory := cmp.Or(m.GetFactoryKey(), m.GetObjectKey())
	if strings.HasPrefix(factory, "istio.") || strings.HasPrefix(factory, "io.istio.") {
		m.FactoryKey = "envoy.string"
	}
}
