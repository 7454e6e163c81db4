package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// FaultInjectionActive reports requests that Envoy fails or delays on purpose.
var FaultInjectionActive = &analyze.Rule{
	Name:       "fault-injection-active",
	Code:       "RTE10",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "requests are aborted or delayed by fault injection",
		Finds: "A `envoy.extensions.filters.http.fault.v3.HTTPFault` with an `abort` or `delay` whose `percentage` is above 0: on a route, a virtual host or a route configuration (`typed_per_filter_config`), or in the listener's own `http_filters`.",
		Hurts: "Envoy itself answers with the configured status (response flag FI), or holds the request back (DI). The upstream never sees it, so nothing is found in its logs: a chaos test that was forgotten looks like an outage.",
		Example: `typed_per_filter_config:
  envoy.filters.http.fault:
    "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
    abort: {http_status: 503, percentage: {numerator: 10}}`,
		Silent:     "every Istio proxy has a fault filter without a fault; a percentage of 0. A fault that only requests with a certain header, cookie or query parameter get, or that they ask for themselves (`header_abort`, `header_delay`), is how tests are made: info.",
		Fix:        "remove the fault stanza from the VirtualService when the test is over; suppress the finding with an end date while it runs",
		References: []string{"https://istio.io/latest/docs/tasks/traffic-management/fault-injection/", "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter"},
	},
	Run: runFaultInjectionActive,
}

// routeInjections are the faults of one route configuration.
type routeInjections []routeFault

func runFaultInjectionActive(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() routeInjections { return injections(t.config) })
		})
		for _, r := range p.Listeners {
			if r.State == mesh.Active && r.Content != nil {
				reportListenerInjections(pass, p, r)
			}
		}
	}
}

// injections finds the most specific fault of every route: Envoy takes the route's,
// else the virtual host's, else the configuration's.
func injections(config *routev3.RouteConfiguration) routeInjections {
	wide := faultOf(config.GetTypedPerFilterConfig())
	faults := eachRoute[routeInjections](config, func(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
		own := faultOf(route.GetTypedPerFilterConfig())
		host := faultOf(vh.GetTypedPerFilterConfig())
		return injection(vh, route, index, cmp.Or(own, host, wide))
	})
	return faults
}

func injection(vh *routev3.VirtualHost, route *routev3.Route, index int, fault *faultv3.HTTPFault) (routeFault, bool) {
	effects := effectsOf(fault)
	if len(effects) == 0 {
		return routeFault{}, false
	}
	m := route.GetMatch()
	selected := isSelective(fault) || len(m.GetHeaders()) > 0 || len(m.GetCookies()) > 0 || len(m.GetQueryParameters()) > 0 || m.GetRuntimeFraction() != nil
	return routeFault{
		virtualHost: vh.GetName(),
		severity:    injectionSeverity(selected),
		message:     fmt.Sprintf("%s of %s: requests to %s are disturbed on purpose", strings.Join(effects, ", "), routeWords(route, index), hostOf(vh)),
		object:      istioObject(route.GetMetadata()),
	}, true
}

func injectionSeverity(selected bool) analyze.Severity {
	if selected {
		return analyze.Info
	}
	return analyze.Warning
}

// faultOf returns the fault filter's configuration among those by filter name.
func faultOf(configs map[string]*anypb.Any) *faultv3.HTTPFault {
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		config, disabled := perRoute(name, configs[name])
		if fault, ok := config.(*faultv3.HTTPFault); ok && !disabled {
			return fault
		}
	}
	return nil
}

// effectsOf says in words what a fault does to the requests that it takes.
func effectsOf(fault *faultv3.HTTPFault) []string {
	var effects []string
	if delay := fault.GetDelay(); isAboveZero(delay.GetPercentage()) {
		how := "as a request header asks"
		if delay.GetFixedDelay() != nil {
			how = "of " + delay.GetFixedDelay().AsDuration().String()
		}
		effects = append(effects, fmt.Sprintf("delay %s for %s", how, fraction(delay.GetPercentage())))
	}
	if abort := fault.GetAbort(); isAboveZero(abort.GetPercentage()) {
		how := "as a request header asks"
		switch {
		case abort.GetHttpStatus() > 0:
			how = fmt.Sprintf("with status %d", abort.GetHttpStatus())
		case abort.GetGrpcStatus() > 0:
			how = fmt.Sprintf("with gRPC status %d", abort.GetGrpcStatus())
		}
		effects = append(effects, fmt.Sprintf("abort %s for %s", how, fraction(abort.GetPercentage())))
	}
	return effects
}

// isSelective reports whether requests have to ask for the fault.
func isSelective(fault *faultv3.HTTPFault) bool {
	asked := func(set, byHeader bool) bool { return !set || byHeader }
	return len(fault.GetHeaders()) > 0 ||
		asked(isAboveZero(fault.GetAbort().GetPercentage()), fault.GetAbort().GetHeaderAbort() != nil) &&
			asked(isAboveZero(fault.GetDelay().GetPercentage()), fault.GetDelay().GetHeaderDelay() != nil)
}

func isAboveZero(p *typev3.FractionalPercent) bool { return p.GetNumerator() > 0 }

// fraction writes a FractionalPercent as a percentage.
func fraction(p *typev3.FractionalPercent) string {
	return fmt.Sprintf("%.4g%%", percentage(p))
}

// percentage is a FractionalPercent per hundred.
func percentage(p *typev3.FractionalPercent) float64 {
	per := map[typev3.FractionalPercent_DenominatorType]float64{
		typev3.FractionalPercent_HUNDRED: 100, typev3.FractionalPercent_TEN_THOUSAND: 10_000, typev3.FractionalPercent_MILLION: 1_000_000,
	}
	of, known := per[p.GetDenominator()]
	if !known {
		of = 100
	}
	return min(100, 100*float64(p.GetNumerator())/of)
}

// listenerInjections are the faults in the HTTP filters of one listener.
type listenerInjections []analyze.Finding

func reportListenerInjections(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource) {
	found := analyze.Once(pass, r.Content, func() listenerInjections {
		var out listenerInjections
		for _, m := range managersOf(pass, r) {
			for _, filter := range m.chain.http {
				fault, ok := filter.Config.(*faultv3.HTTPFault)
				if effects := effectsOf(fault); ok && !filter.Disabled && len(effects) > 0 {
					out = append(out, analyze.Finding{
						Severity: injectionSeverity(isSelective(fault)),
						Ref:      mesh.Ref{Path: m.chainName() + "/" + filter.Name},
						Message:  fmt.Sprintf("%s by %s of the listener: requests of all routes are disturbed on purpose", strings.Join(effects, ", "), filter.Name),
						Fix:      "remove the fault from the EnvoyFilter that configures the filter",
					})
				}
			}
		}
		return out
	})
	for _, f := range found {
		ref := p.Ref(r.Kind, r.Name())
		ref.Path = f.Ref.Path
		f.Ref, f.Source = ref, r.Source
		pass.Report(f)
	}
}
