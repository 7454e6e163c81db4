package trace

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	healthcheckv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// filterStep adds a step FILTERS for a filter that has a say.
func (h *hop) filterStep(name, reason string) *Step {
	return h.step(Step{Kind: StepFilters, Chosen: name, Reason: reason, Ref: h.ref(mesh.Listener, h.listener.name()), Source: h.listener.resource.Source})
}

// plannedCluster is the cluster of the route that was found, which Envoy logs even
// where a filter answers the request.
func (h *hop) plannedCluster() string {
	r := h.route
	if r.weighted != nil {
		if header := r.weighted.GetClusterHeader(); header != "" {
			return h.header(header)
		}
		return r.weighted.GetName()
	}
	action := r.route.message.GetRoute()
	if header := action.GetClusterHeader(); header != "" {
		return h.header(header)
	}
	return action.GetCluster()
}

// corsSettings are those of a CorsPolicy, which is one message for the filter and
// another one, of old, for routes.
type corsSettings interface {
	GetAllowOriginStringMatch() []*matcherv3.StringMatcher
	GetFilterEnabled() *corev3.RuntimeFractionalPercent
	GetForwardNotMatchingPreflights() *wrapperspb.BoolValue
}

// cors answers preflight requests.
func (h *hop) cors(policy *corsv3.CorsPolicy) bool {
	settings := corsSettings(policy)
	if policy == nil {
		legacy := h.legacyCORS()
		if legacy == nil {
			return true
		}
		settings = legacy
	}
	origins, enabled := settings.GetAllowOriginStringMatch(), true
	if f := settings.GetFilterEnabled(); f != nil {
		enabled = shareOf(f.GetDefaultValue()) > 0
	}
	forward := settings.GetForwardNotMatchingPreflights()
	forwards := forward == nil || forward.GetValue()
	origin := h.header("origin")
	if !enabled || origin == "" || h.header(":method") != "OPTIONS" || h.header("access-control-request-method") == "" {
		return true
	}
	reason := "answers the preflight request of origin " + origin
	switch {
	case originAllowed(origins, origin):
	case forwards:
		return true
	default:
		reason += " and allows it nothing"
	}
	h.filterStep("cors", reason)
	h.routeSteps()
	return h.reply(DirectResponse, 200, "", "cors_response", "the CORS filter "+reason)
}

func (h *hop) legacyCORS() *routev3.CorsPolicy {
	if h.route.route != nil {
		if own := h.route.route.message.GetRoute().GetCors(); own != nil {
			return own
		}
	}
	if h.route.host != nil {
		return h.route.host.message.GetCors()
	}
	return nil
}

func originAllowed(origins []*matcherv3.StringMatcher, origin string) bool {
	for _, o := range origins {
		if o.GetExact() == "*" || match.CompileString(o).Match(origin).Outcome == match.Yes {
			return true
		}
	}
	return false
}

// healthCheck answers health checks that the filter does not pass on.
func (h *hop) healthCheck(f *httpFilter, config *healthcheckv3.HealthCheck) bool {
	for _, header := range config.GetHeaders() {
		if match.CompileHeader(header).Match(h.attrs.Headers).Outcome != match.Yes {
			return true
		}
	}
	if config.GetPassThroughMode().GetValue() {
		return true
	}
	h.filterStep(f.Name, "answers health checks itself")
	if len(config.GetClusterMinHealthyPercentages()) > 0 {
		h.unknown("HTTP filter "+f.Name, "the answer depends on the health of clusters when it runs")
	}
	return h.reply(DirectResponse, 200, "", "health_check_ok", f.Name+" answers health checks itself")
}

// upgradeKind is the kind of upgrade that a request asks for: "CONNECT", the
// value of its upgrade header, or "".
func (h *hop) upgradeKind() string {
	if isConnect(h.header(":method")) {
		return "CONNECT"
	}
	if strings.Contains(strings.ToLower(h.header("connection")), "upgrade") {
		return h.header("upgrade")
	}
	return ""
}
