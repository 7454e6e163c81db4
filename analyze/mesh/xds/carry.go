package xds

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// carry expresses in v3 what v3 dropped of a message: o has its members by their v3 names, gone the
// dropped ones by their v2 names. Values are not upgraded yet: what it puts into o may be v2 inside.
func carry(name protoreflect.FullName, o, gone object) {
	if point, ok := extensionPoints[name]; ok {
		point.configure(o, gone)
		return
	}
	if rule, ok := carryRules[name]; ok {
		rule(o, gone)
	}
}

// carryRules is keyed by the v3 message.
var carryRules = map[protoreflect.FullName]func(o, gone object){
	"envoy.config.bootstrap.v3.Bootstrap":                                                       carryBootstrap,
	"envoy.config.cluster.v3.Cluster":                                                           carryCluster,
	"envoy.config.cluster.v3.Cluster.TransportSocketMatch":                                      upstreamSocket,
	"envoy.config.cluster.v3.LoadBalancingPolicy.Policy":                                        carryLoadBalancingPolicy,
	"envoy.config.core.v3.HealthCheck.HttpHealthCheck":                                          carryHTTPHealthCheck,
	"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy":                                     carryOverprovisioning,
	"envoy.config.listener.v3.FilterChain":                                                      carryFilterChain,
	"envoy.config.listener.v3.Listener":                                                         carryListener,
	"envoy.config.route.v3.CorsPolicy":                                                          carryCors,
	"envoy.config.route.v3.HeaderMatcher":                                                       carryHeaderMatcher,
	"envoy.config.route.v3.QueryParameterMatcher":                                               carryQueryParameterMatcher,
	"envoy.config.route.v3.Route":                                                               perRoute,
	"envoy.config.route.v3.RouteAction":                                                         carryRouteAction,
	"envoy.config.route.v3.RouteAction.RequestMirrorPolicy":                                     carryMirrorPolicy,
	"envoy.config.route.v3.RouteMatch":                                                          carryRouteMatch,
	"envoy.config.route.v3.VirtualCluster":                                                      carryVirtualCluster,
	"envoy.config.route.v3.VirtualHost":                                                         perRoute,
	"envoy.config.route.v3.WeightedCluster.ClusterWeight":                                       perRoute,
	"envoy.extensions.filters.http.gzip.v3.Gzip":                                                carryGzip,
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager":         carryHTTPConnectionManager,
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing": carryTracing,
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy":                                carryRedisProxy,
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes":                   carryRedisPrefixRoutes,
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy":                                    carryTCPProxy,
	"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext":                    carryValidationContext,
	"envoy.extensions.wasm.v3.PluginConfig":                                                     carryWasmConfiguration,
	"envoy.extensions.wasm.v3.VmConfig":                                                         carryWasmConfiguration,
	"envoy.type.matcher.v3.StringMatcher":                                                       carryStringMatcher,
}

// member reads a member of JSON that sortFields has not seen yet, in any spelling.
func member(o object, name string) any {
	camel := camelCase(name)
	for _, key := range []string{
		name, camel,
		"hidden_envoy_deprecated_" + name,
		"hiddenEnvoyDeprecated" + strings.ToUpper(camel[:1]) + camel[1:],
	} {
		if v := o[key]; v != nil {
			return v
		}
	}
	return nil
}

func camelCase(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// list and child read a member of that shape; anything else counts as absent.
func list(o object, name string) []any {
	v, _ := member(o, name).([]any)
	return v
}

func child(o object, name string) object {
	v, _ := member(o, name).(object)
	return v
}

// setDefault sets a member that is not there yet.
func setDefault(o object, name string, v any) {
	if o[name] == nil {
		o[name] = v
	}
}
