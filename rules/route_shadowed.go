package rules

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze"
)

// RouteShadowed reports routes that no request can reach.
var RouteShadowed = &analyze.Rule{
	Name:       "route-shadowed",
	Code:       "RTE02",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a route gets no request, because an earlier one takes them all",
		Finds: "Routes of a virtual host for which an earlier route leaves nothing: its `match` has a path (`prefix`, `path`, `path_separated_prefix`, `safe_regex`) that contains the later one's, and asks for no header, query parameter, cookie or metadata that the later one does not ask for, too. An expression such as `/api/.*` is taken for the prefix that it amounts to. " +
			"It is found across merged VirtualServices, delegates and HTTPRoutes, as Envoy has them.",
		Hurts: "Envoy takes the first route that fits. What the later route says (another destination, a rewrite, a timeout, a canary) never happens; requests succeed, at the wrong place.",
		Example: `routes:
- {match: {prefix: /api}, route: {cluster: outbound|80||api.shop.svc.cluster.local}}
- {match: {prefix: /api/v2}, route: {cluster: outbound|80||api-v2.shop.svc.cluster.local}} # never`,
		Silent: "a route that does the same as the one before it changes nothing; a `runtime_fraction` lets requests pass; a matcher whose set of requests cannot be compared (templates, other regular expressions, inverted headers) is taken to leave some. " +
			"Copies of a VirtualService on ports that its host does not have are called by nobody.",
		Fix: "move the narrower route in front of the wider one; routes of several VirtualServices for one host are merged in order of their age: put them into one",
		References: []string{
			"https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services",
			"https://istio.io/latest/docs/reference/config/analysis/ist0130/",
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routematch",
		},
	},
	Run: runRouteShadowed,
}

// shadowedRoutes are the faults of one route configuration.
type shadowedRoutes []routeFault

func runRouteShadowed(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() shadowedRoutes { return shadowed(t.config) })
		})
	}
}

// maxRouteComparisons bounds the work on one route configuration: it is the
// square of a virtual host's routes.
const maxRouteComparisons = 2_000_000

func shadowed(config *routev3.RouteConfiguration) shadowedRoutes {
	var faults shadowedRoutes
	left := maxRouteComparisons
	for _, vh := range config.GetVirtualHosts() {
		var earlier []coverer
		for j, route := range vh.GetRoutes() {
			if left -= j; left < 0 {
				return faults
			}
			for i := range earlier {
				if !earlier[i].covers(route.GetMatch()) {
					continue
				}
				if !sameEffect(vh.GetRoutes()[i], route) {
					faults = append(faults, shadowedRoute(vh, i, j))
				}
				break
			}
			earlier = append(earlier, newCoverer(route.GetMatch()))
		}
	}
	return faults
}

func shadowedRoute(vh *routev3.VirtualHost, i, j int) routeFault {
	first, never := vh.GetRoutes()[i], vh.GetRoutes()[j]
	fault := routeFault{
		virtualHost: vh.GetName(),
		message:     fmt.Sprintf("%s of %s gets no request: %s before it takes them all", routeWords(never, j), hostOf(vh), routeWords(first, i)),
		object:      istioObject(never.GetMetadata()),
	}
	if object := istioObject(first.GetMetadata()); object != "" {
		fault.evidence = append(fault.evidence, analyze.Evidence{Name: "taken by", Value: object})
	}
	return fault
}

// sameEffect reports whether two routes differ in their match and names only.
func sameEffect(a, b *routev3.Route) bool {
	bare := func(r *routev3.Route) *routev3.Route {
		c := proto.Clone(r).(*routev3.Route)
		c.Name, c.StatPrefix, c.Match, c.Metadata, c.Decorator = "", "", nil, nil, nil
		return c
	}
	return proto.Equal(bare(a), bare(b))
}
