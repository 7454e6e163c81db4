package rules

import (
	"fmt"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
)

// RetryTimeoutContradiction reports retries that the route's timeout leaves no time for.
var RetryTimeoutContradiction = &analyze.Rule{
	Name:       "retry-timeout-contradiction",
	Code:       "RTE05",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a route's timeout ends a request before its retries can help",
		Finds: "Routes whose `retry_policy.per_try_timeout` is not below `timeout` (15s where the field is absent), which makes Envoy ignore it; and routes where `per_try_timeout` times all attempts (`num_retries` + 1) is more than twice the timeout. The route's own `retry_policy` is taken before that of its virtual host.",
		Hurts: "One slow attempt uses up the time of all: the request fails with 504 and response flag UT, and the retries that were configured against slow endpoints never start.",
		Example: `route:
  timeout: 2s
  retry_policy: {num_retries: 3, per_try_timeout: 2s}`,
		Silent:     "a timeout of 0 is none; without `per_try_timeout` an attempt may take all the time; a policy that retries nothing (`num_retries: 0`, no `retry_on`). Attempts that fail fast are retried anyway: up to twice the timeout passes as intended.",
		Fix:        "make timeout at least perTryTimeout times (attempts + 1), or perTryTimeout shorter",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-upstream-rq-per-try-timeout-ms", "https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRetry"},
	},
	Run: runRetryTimeoutContradiction,
}

// contradictions are the faults of one route configuration.
type contradictions []routeFault

func runRetryTimeoutContradiction(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() contradictions { return eachRoute[contradictions](t.config, contradiction) })
		})
	}
}

// defaultTimeout is Envoy's for a route that names none.
const defaultTimeout = 15 * time.Second

func contradiction(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	action := route.GetRoute()
	policy := action.GetRetryPolicy()
	if policy == nil {
		policy = vh.GetRetryPolicy()
	}
	retries := uint64(1)
	if policy.GetNumRetries() != nil {
		retries = uint64(policy.GetNumRetries().GetValue())
	}
	perTry, timeout := policy.GetPerTryTimeout().AsDuration(), defaultTimeout
	if action.GetTimeout() != nil {
		timeout = action.GetTimeout().AsDuration()
	}
	if action == nil || retries == 0 || policy.GetRetryOn() == "" || perTry <= 0 || timeout <= 0 {
		return routeFault{}, false
	}
	attempts := float64(retries + 1)
	subject := fmt.Sprintf("of %s of %s", routeWords(route, index), hostOf(vh))
	fault := routeFault{virtualHost: vh.GetName(), object: istioObject(route.GetMetadata()), evidence: []analyze.Evidence{
		{Name: "timeout", Value: timeout.String()},
		{Name: "per_try_timeout", Value: perTry.String()},
		{Name: "num_retries", Value: fmt.Sprint(retries)},
		{Name: "retry_on", Value: strings.TrimSpace(policy.GetRetryOn())},
	}}
	switch {
	case perTry >= timeout:
		fault.message = fmt.Sprintf("per_try_timeout %s %s is ignored: it is not below the timeout %s, so a slow attempt is never retried", perTry, subject, timeout)
	case perTry.Seconds()*attempts > 2*timeout.Seconds():
		started := int64((timeout + perTry - 1) / perTry)
		fault.message = fmt.Sprintf("per_try_timeout %s %s leaves time for %d of %.0f attempts within the timeout %s", perTry, subject, started, attempts, timeout)
	default:
		return routeFault{}, false
	}
	return fault, true
}
