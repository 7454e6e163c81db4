package trace

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	healthcheckv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// httpFilter is one HTTP filter, compiled.
type httpFilter struct {
	mesh.Filter
	rbac *rbac.Filter
	jwt  *rbac.JWTFilter
	// routes holds what single routes make of the filter, by their configuration.
	routes map[*anypb.Any]perRoute
}

// perRoute is a typed_per_filter_config, unpacked.
type perRoute struct {
	config   proto.Message
	disabled bool
	rbac     *rbac.Filter
}

func newHTTPFilter(f mesh.Filter) *httpFilter {
	compiled := &httpFilter{Filter: f, routes: map[*anypb.Any]perRoute{}}
	switch config := f.Config.(type) {
	case *rbacv3.RBAC:
		compiled.rbac = rbac.HTTPFilter(config)
	case *jwtv3.JwtAuthentication:
		compiled.jwt = rbac.JWT(config)
	}
	return compiled
}

// httpFilters takes the request through the filters before the router.
func (h *hop) httpFilters() bool {
	h.attrs.Metadata = h.knownMetadata()
	h.attrs.IgnorePathParameters = h.route.route != nil && h.route.table.message.GetIgnorePathParametersInPathMatching()
	for _, f := range h.manager.filters {
		over, has := h.perRoute(f)
		switch {
		case has && over.disabled, f.Disabled && !has:
			continue
		}
		if !h.httpFilter(f, over) {
			return false
		}
	}
	return true
}

// knownMetadata is the dynamic metadata before the filters run: none of JWT, and
// what Istio's old authentication filter says of the peer.
func (h *hop) knownMetadata() map[string]*structpb.Struct {
	known := map[string]*structpb.Struct{rbac.JWTFilterName: {}, httpRBACName: {}}
	peer := &structpb.Struct{}
	if len(h.attrs.PeerURISANs) > 0 {
		principal := strings.TrimPrefix(h.attrs.PeerURISANs[0], "spiffe://")
		peer.Fields = map[string]*structpb.Value{"source.principal": structpb.NewStringValue(principal), "source.user": structpb.NewStringValue(principal)}
		if _, rest, ok := strings.Cut(principal, "/ns/"); ok {
			namespace, _, _ := strings.Cut(rest, "/")
			peer.Fields["source.namespace"] = structpb.NewStringValue(namespace)
		}
	}
	known["istio_authn"] = peer
	return known
}

func (h *hop) httpFilter(f *httpFilter, over perRoute) bool {
	switch config := f.Config.(type) {
	case *rbacv3.RBAC:
		return h.httpRBAC(f, over)
	case *jwtv3.JwtAuthentication:
		return h.authenticate(f, over)
	case *faultv3.HTTPFault:
		if own, ok := over.config.(*faultv3.HTTPFault); ok {
			config = own
		}
		return h.fault(f, config)
	case *corsv3.Cors:
		policy, _ := over.config.(*corsv3.CorsPolicy)
		return h.cors(policy)
	case *healthcheckv3.HealthCheck:
		return h.healthCheck(f, config)
	case *extauthzv3.ExtAuthz:
		if own, ok := over.config.(*extauthzv3.ExtAuthzPerRoute); !ok || !own.GetDisabled() {
			h.extAuthz("HTTP", f.Filter, config.GetFilterEnabledMetadata())
		}
		return true
	}
	if effect := unmodelledEffect(f.Filter); effect != "" {
		h.unknownFilter("HTTP", f.Filter, effect)
	}
	return true
}

// perRoute returns the most specific typed_per_filter_config for a filter.
func (h *hop) perRoute(f *httpFilter) (perRoute, bool) {
	r := h.route
	// Without a route not even the virtual host's configuration is in force.
	if r == nil || r.route == nil {
		return perRoute{}, false
	}
	levels := []map[string]*anypb.Any{
		r.weighted.GetTypedPerFilterConfig(), r.route.message.GetTypedPerFilterConfig(),
		r.host.message.GetTypedPerFilterConfig(), r.table.message.GetTypedPerFilterConfig(),
	}
	for _, level := range levels {
		if packed, ok := level[f.Name]; ok {
			return f.override(packed), true
		}
	}
	return perRoute{}, false
}

// override unpacks a per-route configuration once.
func (f *httpFilter) override(packed *anypb.Any) perRoute {
	if over, ok := f.routes[packed]; ok {
		return over
	}
	var over perRoute
	over.config = mesh.Unpack(f.Name, packed).Config
	if wrapper, ok := over.config.(*routev3.FilterConfig); ok {
		over.disabled = wrapper.GetDisabled()
		over.config = mesh.Unpack(f.Name, wrapper.GetConfig()).Config
	}
	if config, ok := over.config.(*rbacv3.RBACPerRoute); ok {
		over.rbac = rbac.PerRoute(config)
	}
	f.routes[packed] = over
	return over
}

// harmless are HTTP filters that neither refuse a request nor change where it goes.
var harmless = map[string]bool{
	"Router": true, "router": true, "GrpcWeb": true, "grpc_web": true, "FilterConfig": true, "grpc_stats": true,
	"Compressor": true, "Decompressor": true, "GrpcHttp1Bridge": true, "Gzip": true, "Brotli": true,
	"BandwidthLimit": true, "Tap": true, "OnDemand": true, "PluginConfig": true, "Echo": true,
	"StatefulSession": false, "istio_authn": true, "mixer": false,
}

// effects say what filters that are not modelled could do.
var effects = map[string]string{
	"ExternalProcessor":          "an external process can answer, refuse or change the request",
	"Lua":                        "a script can answer the request or change its headers and so its route",
	"LuaPerRoute":                "a script can answer the request or change its headers and so its route",
	"Wasm":                       "a Wasm extension can answer the request or change it",
	"RateLimit":                  "the rate limit service can refuse the request with 429",
	"LocalRateLimit":             "a local rate limit can refuse the request with 429",
	"RateLimitQuotaFilterConfig": "a rate limit quota can refuse the request with 429",
	"AdmissionControl":           "it refuses a part of the requests while upstreams fail",
	"AdaptiveConcurrency":        "it refuses requests above a limit that it measures",
	"OAuth2":                     "it sends requests without a session to a login page",
	"CsrfPolicy":                 "it refuses requests from foreign origins",
	"Config":                     "",
	"HeaderMutation":             "it changes headers",
	"StatefulSession":            "a session cookie can choose the endpoint",
}

// unmodelledEffect says what a filter could do that is not modelled; empty for one
// that does nothing to the way of a request.
func unmodelledEffect(f mesh.Filter) string {
	kind := filterKind(f)
	if harmless[kind] || strings.HasPrefix(f.Name, "istio") || strings.HasPrefix(f.Name, "envoy.filters.http.grpc_stats") ||
		strings.Contains(f.TypeURL, "TypedStruct") && istioOwn(f.Name) {
		return ""
	}
	if effect, known := effects[kind]; known {
		return effect
	}
	return fmt.Sprintf("a filter of type %s can answer or change the request", kind)
}

// istioOwn reports whether a filter that Envoy itself does not have is one of
// Istio's that only watch.
func istioOwn(name string) bool {
	for _, part := range []string{"peer_metadata", "metadata_exchange", "stats", "alpn", "connect_", "workload"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
