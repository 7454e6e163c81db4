package xds

import "google.golang.org/protobuf/reflect/protoreflect"

// extensionPoint is a v3 message that had a `config` Struct in v2, and the extensions Envoy then had for it.
type extensionPoint struct {
	names string // what the canonical names begin with
	types string // what the v3 types of the configurations begin with
	rows  []extension
}

// extension is one row; a Struct of an extension without a row survives as a TypedStruct.
type extension struct {
	name       string // canonical name behind extensionPoint.names
	typeName   string // v3 type behind extensionPoint.types; empty where the place decides
	perRoute   string // v3 type of its configuration on a route; empty if it had none
	legacyName string // whole name that Envoy deprecated in 1.14
}

// extensionPoints is keyed by the v3 message that holds name and typed_config.
var extensionPoints = map[protoreflect.FullName]extensionPoint{
	"envoy.config.accesslog.v3.AccessLog":                                                       accessLoggers,
	"envoy.config.accesslog.v3.ExtensionFilter":                                                 {},
	"envoy.config.core.v3.GrpcService.GoogleGrpc.CallCredentials.MetadataCredentialsFromPlugin": {},
	"envoy.config.core.v3.HealthCheck.CustomHealthCheck":                                        healthCheckers,
	"envoy.config.core.v3.TransportSocket":                                                      transportSockets,
	"envoy.config.listener.v3.Filter":                                                           networkFilters,
	"envoy.config.listener.v3.ListenerFilter":                                                   listenerFilters,
	"envoy.config.metrics.v3.StatsSink":                                                         statsSinks,
	"envoy.config.overload.v3.ResourceMonitor":                                                  resourceMonitors,
	"envoy.config.route.v3.RetryPolicy.RetryHostPredicate":                                      retryHostPredicates,
	"envoy.config.route.v3.RetryPolicy.RetryPriority":                                           retryPriorities,
	"envoy.config.trace.v3.Tracing.Http":                                                        tracers,
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter":                    httpFilters,
	"envoy.extensions.filters.network.thrift_proxy.v3.ThriftFilter":                             thriftFilters,
	"envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider":                              {},
}

var httpFilters = extensionPoint{"envoy.filters.http.", "envoy.extensions.filters.http.", []extension{
	{"adaptive_concurrency", "adaptive_concurrency.v3.AdaptiveConcurrency", "", ""},
	{"aws_lambda", "aws_lambda.v3.Config", "aws_lambda.v3.PerRouteConfig", ""},
	{"aws_request_signing", "aws_request_signing.v3.AwsRequestSigning", "", ""},
	{"buffer", "buffer.v3.Buffer", "buffer.v3.BufferPerRoute", "envoy.buffer"},
	{"cache", "cache.v3.CacheConfig", "", ""},
	{"compressor", "compressor.v3.Compressor", "", ""},
	{"cors", "cors.v3.Cors", "", "envoy.cors"},
	{"csrf", "csrf.v3.CsrfPolicy", "csrf.v3.CsrfPolicy", "envoy.csrf"},
	{"dynamic_forward_proxy", "dynamic_forward_proxy.v3.FilterConfig", "dynamic_forward_proxy.v3.PerRouteConfig", ""},
	{"ext_authz", "ext_authz.v3.ExtAuthz", "ext_authz.v3.ExtAuthzPerRoute", "envoy.ext_authz"},
	{"fault", "fault.v3.HTTPFault", "fault.v3.HTTPFault", "envoy.fault"},
	{"grpc_http1_bridge", "grpc_http1_bridge.v3.Config", "", "envoy.grpc_http1_bridge"},
	{"grpc_http1_reverse_bridge", "grpc_http1_reverse_bridge.v3.FilterConfig", "grpc_http1_reverse_bridge.v3.FilterConfigPerRoute", ""},
	{"grpc_json_transcoder", "grpc_json_transcoder.v3.GrpcJsonTranscoder", "", "envoy.grpc_json_transcoder"},
	{"grpc_stats", "grpc_stats.v3.FilterConfig", "", ""},
	{"grpc_web", "grpc_web.v3.GrpcWeb", "", "envoy.grpc_web"},
	{"gzip", "gzip.v3.Gzip", "", "envoy.gzip"},
	{"header_to_metadata", "header_to_metadata.v3.Config", "", ""},
	{"health_check", "health_check.v3.HealthCheck", "", "envoy.health_check"},
	{"ip_tagging", "ip_tagging.v3.IPTagging", "", "envoy.ip_tagging"},
	{"jwt_authn", "jwt_authn.v3.JwtAuthentication", "", ""},
	{"lua", "lua.v3.Lua", "", "envoy.lua"},
	{"on_demand", "on_demand.v3.OnDemand", "", ""},
	{"original_src", "original_src.v3.OriginalSrc", "", ""},
	{"ratelimit", "ratelimit.v3.RateLimit", "", "envoy.rate_limit"},
	{"rbac", "rbac.v3.RBAC", "rbac.v3.RBACPerRoute", "envoy.rbac"},
	{"router", "router.v3.Router", "", "envoy.router"},
	{"tap", "tap.v3.Tap", "", ""},
}}

var networkFilters = extensionPoint{"envoy.filters.network.", "envoy.extensions.filters.network.", []extension{
	{"direct_response", "direct_response.v3.Config", "", ""},
	{"dubbo_proxy", "dubbo_proxy.v3.DubboProxy", "", ""},
	{"echo", "echo.v3.Echo", "", "envoy.echo"},
	{"ext_authz", "ext_authz.v3.ExtAuthz", "", "envoy.ext_authz"},
	{"http_connection_manager", "http_connection_manager.v3.HttpConnectionManager", "", "envoy.http_connection_manager"},
	{"local_ratelimit", "local_ratelimit.v3.LocalRateLimit", "", ""},
	{"mongo_proxy", "mongo_proxy.v3.MongoProxy", "", "envoy.mongo_proxy"},
	{"ratelimit", "ratelimit.v3.RateLimit", "", "envoy.ratelimit"},
	{"rbac", "rbac.v3.RBAC", "", ""},
	{"redis_proxy", "redis_proxy.v3.RedisProxy", "", "envoy.redis_proxy"},
	{"sni_cluster", "sni_cluster.v3.SniCluster", "", ""},
	{"tcp_proxy", "tcp_proxy.v3.TcpProxy", "", "envoy.tcp_proxy"},
	{"thrift_proxy", "thrift_proxy.v3.ThriftProxy", "", ""},
	{"zookeeper_proxy", "zookeeper_proxy.v3.ZooKeeperProxy", "", ""},
}}

var listenerFilters = extensionPoint{"envoy.filters.listener.", "envoy.extensions.filters.listener.", []extension{
	{"http_inspector", "http_inspector.v3.HttpInspector", "", "envoy.listener.http_inspector"},
	{"original_dst", "original_dst.v3.OriginalDst", "", "envoy.listener.original_dst"},
	{"original_src", "original_src.v3.OriginalSrc", "", "envoy.listener.original_src"},
	{"proxy_protocol", "proxy_protocol.v3.ProxyProtocol", "", "envoy.listener.proxy_protocol"},
	{"tls_inspector", "tls_inspector.v3.TlsInspector", "", "envoy.listener.tls_inspector"},
}}

var transportSockets = extensionPoint{"envoy.transport_sockets.", "envoy.extensions.transport_sockets.", []extension{
	{"alts", "alts.v3.Alts", "", ""},
	{"raw_buffer", "raw_buffer.v3.RawBuffer", "", "raw_buffer"},
	{"tap", "tap.v3.Tap", "", ""},
	{"tls", "", "", "tls"}, // clusters and filter chains know which context it takes
}}

var accessLoggers = extensionPoint{"envoy.access_loggers.", "envoy.extensions.access_loggers.", []extension{
	{"file", "file.v3.FileAccessLog", "", "envoy.file_access_log"},
	{"http_grpc", "grpc.v3.HttpGrpcAccessLogConfig", "", "envoy.http_grpc_access_log"},
	{"tcp_grpc", "grpc.v3.TcpGrpcAccessLogConfig", "", "envoy.tcp_grpc_access_log"},
}}

var statsSinks = extensionPoint{"envoy.stat_sinks.", "envoy.config.metrics.v3.", []extension{
	{"dog_statsd", "DogStatsdSink", "", "envoy.dog_statsd"},
	{"hystrix", "HystrixSink", "", ""},
	{"metrics_service", "MetricsServiceConfig", "", "envoy.metrics_service"},
	{"statsd", "StatsdSink", "", "envoy.statsd"},
}}

var tracers = extensionPoint{"envoy.tracers.", "envoy.config.trace.v3.", []extension{
	{"datadog", "DatadogConfig", "", ""},
	{"dynamic_ot", "DynamicOtConfig", "", "envoy.dynamic.ot"},
	{"lightstep", "LightstepConfig", "", "envoy.lightstep"},
	{"xray", "XRayConfig", "", ""},
	{"zipkin", "ZipkinConfig", "", "envoy.zipkin"},
}}

var resourceMonitors = extensionPoint{"envoy.resource_monitors.", "envoy.extensions.resource_monitors.", []extension{
	{"fixed_heap", "fixed_heap.v3.FixedHeapConfig", "", ""},
	{"injected_resource", "injected_resource.v3.InjectedResourceConfig", "", ""},
}}

var retryHostPredicates = extensionPoint{"envoy.retry_host_predicates.", "envoy.extensions.retry.host.", []extension{
	{"omit_canary_hosts", "omit_canary_hosts.v3.OmitCanaryHostsPredicate", "", ""},
	{"omit_host_metadata", "omit_host_metadata.v3.OmitHostMetadataConfig", "", ""},
	{"previous_hosts", "previous_hosts.v3.PreviousHostsPredicate", "", ""},
}}

var retryPriorities = extensionPoint{"envoy.retry_priorities.", "envoy.extensions.retry.priority.", []extension{
	{"previous_priorities", "previous_priorities.v3.PreviousPrioritiesConfig", "", ""},
}}

var healthCheckers = extensionPoint{"envoy.health_checkers.", "envoy.extensions.health_checkers.", []extension{
	{"redis", "redis.v3.Redis", "", ""},
}}

var thriftFilters = extensionPoint{"envoy.filters.thrift.", "envoy.extensions.filters.network.thrift_proxy.", []extension{
	{"rate_limit", "filters.ratelimit.v3.RateLimit", "", ""},
	{"router", "router.v3.Router", "", ""},
}}
