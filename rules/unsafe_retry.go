package rules

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
)

// UnsafeRetry reports retries that may run a request twice.
var UnsafeRetry = &analyze.Rule{
	Name:       "unsafe-retry",
	Code:       "RTE15",
	Severity:   analyze.Info,
	Confidence: analyze.Heuristic,
	Category:   analyze.Hygiene,
	Profile:    analyze.Strict,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a route retries requests that the upstream may have done already, whatever their method",
		Finds: "Routes whose `retry_policy.retry_on` has `5xx`, `gateway-error`, `reset` or `retriable-4xx`, with `num_retries` above 0, and whose match does not narrow the `:method`.",
		Hurts: "An upstream that did the work and then failed or was slow gets the request again: a POST is done twice, an order is placed twice. Nothing in the answer shows it.",
		Example: `route:
  retry_policy: {retry_on: "5xx,reset", num_retries: 3} # for POST, too`,
		Silent:     "Istio's default policy (connect-failure, refused-stream, unavailable, cancelled, retriable-status-codes), which retries what no upstream has worked on; `reset-before-request`; routes for a method.",
		Fix:        "give safe methods (GET, HEAD) a route of their own with the retries, or make the handlers idempotent",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on", "https://github.com/istio/istio/issues/13851"},
	},
	Run: runUnsafeRetry,
}

// unsafeRetries are the faults of one route configuration.
type unsafeRetries []routeFault

func runUnsafeRetry(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() unsafeRetries { return eachRoute[unsafeRetries](t.config, unsafeRetry) })
		})
	}
}

func unsafeRetry(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	policy := route.GetRoute().GetRetryPolicy()
	if policy == nil {
		policy = vh.GetRetryPolicy()
	}
	byMethod := slices.ContainsFunc(route.GetMatch().GetHeaders(), func(h *routev3.HeaderMatcher) bool { return h.GetName() == ":method" })
	if route.GetRoute() == nil || byMethod || policy.GetNumRetries() != nil && policy.GetNumRetries().GetValue() == 0 {
		return routeFault{}, false
	}
	var unsafe []string
	for condition := range strings.SplitSeq(policy.GetRetryOn(), ",") {
		switch condition = strings.TrimSpace(condition); condition {
		case "5xx", "gateway-error", "reset", "retriable-4xx":
			unsafe = append(unsafe, condition)
		}
	}
	if len(unsafe) == 0 {
		return routeFault{}, false
	}
	return routeFault{
		virtualHost: vh.GetName(),
		message:     fmt.Sprintf("retry_on %s of %s of %s retries any method", strings.Join(unsafe, ","), routeWords(route, index), hostOf(vh)),
		object:      istioObject(route.GetMetadata()),
	}, true
}
