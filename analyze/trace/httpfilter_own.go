package trace

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	healthcheckv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// filterStep adds a step FILTERS for a filter that has a say.
func (h *hop) filterStep(name, reason string) *Step {
	return h.step(Step{Kind: StepFilters, Chosen: name, Reason: reason, Ref: h.ref(mesh.Listener, h.listener.name()), Source: h.listener.resource.Source})
}

// fault injects what a fault filter injects.
func (h *hop) fault(f *httpFilter, config *faultv3.HTTPFault) bool {
	for _, header := range config.GetHeaders() {
		if match.CompileHeader(header).Match(h.attrs.Headers).Outcome != match.Yes {
			return true
		}
	}
	if c := config.GetUpstreamCluster(); c != "" && c != h.out.Outcome.Cluster {
		return true
	}
	if delay := config.GetDelay(); delay != nil {
		share := shareOf(delay.GetPercentage())
		if share > 0 && delay.GetFixedDelay() != nil {
			h.filterStep(f.Name, fmt.Sprintf("delays %s of the requests by %s", percent(share), delay.GetFixedDelay().AsDuration()))
			if h.walk.choices.chance(share) {
				h.out.Outcome.Flags = "DI"
			}
		}
	}
	abort := config.GetAbort()
	share := shareOf(abort.GetPercentage())
	if abort == nil || share <= 0 {
		return true
	}
	if abort.GetHeaderAbort() != nil {
		if !h.attrs.Headers.Has("x-envoy-fault-abort-request") {
			return true
		}
	}
	aborts := h.walk.choices.chance(share)
	status := int(abort.GetHttpStatus())
	if n, ok := decimal(h.header("x-envoy-fault-abort-request")); abort.GetHeaderAbort() != nil && ok {
		status = int(n)
	}
	reason := fmt.Sprintf("aborts %s of the requests with %d", percent(share), status)
	h.filterStep(f.Name, reason)
	if !aborts {
		return true
	}
	h.routeSteps()
	return h.reply(DirectResponse, status, "FI", "fault_filter_abort", f.Name+" "+reason)
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

// cors answers preflight requests.
func (h *hop) cors(policy *corsv3.CorsPolicy) bool {
	origins, enabled := policy.GetAllowOriginStringMatch(), true
	if policy == nil {
		legacy := h.legacyCORS()
		if legacy == nil {
			return true
		}
		origins = legacy.GetAllowOriginStringMatch()
		if f := legacy.GetFilterEnabled(); f != nil {
			enabled = shareOf(f.GetDefaultValue()) > 0
		}
	} else if f := policy.GetFilterEnabled(); f != nil {
		enabled = shareOf(f.GetDefaultValue()) > 0
	}
	origin, has := h.attrs.Headers.Get("origin")
	if !enabled || !has || h.header(":method") != "OPTIONS" || h.header("access-control-request-method") == "" {
		return true
	}
	if !originAllowed(origins, origin) {
		return true
	}
	h.filterStep("cors", "answers the preflight request of origin "+origin)
	h.routeSteps()
	return h.reply(DirectResponse, 200, "", "cors_response", "the CORS filter answers the preflight request of "+origin)
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
