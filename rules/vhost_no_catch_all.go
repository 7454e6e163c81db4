package rules

import (
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// VhostNoCatchAll reports virtual hosts of gateways that leave requests without a route.
var VhostNoCatchAll = &analyze.Rule{
	Name:       "vhost-no-catch-all",
	Code:       "RTE14",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Profile:    analyze.Strict,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title:      "a gateway's virtual host has no route for all other paths",
		Finds:      "Virtual hosts of a gateway with routes of which none takes every request (`prefix: /` without further conditions).",
		Hurts:      "Requests that fit no route get 404 from Envoy itself (response flag NR, details route_not_found): an empty answer without the application's error page, and no log line of the application.",
		Example:    `virtual_hosts: [{name: "shop:443", domains: [shop.example.com], routes: [{match: {prefix: /api/}}]}]`,
		Silent:     "sidecars; virtual hosts without routes (gateway-serves-nothing), with a matcher tree, or that only redirect to https. An API that is meant to serve some paths only is fine as it is: this rule is asked for (--profile strict).",
		Fix:        "add a last route without a match, to a service with an error page or with directResponse",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/faq/debugging/why_is_my_route_not_found", "https://istio.io/latest/docs/ops/best-practices/traffic-management/"},
	},
	Run: runVhostNoCatchAll,
}

// openHosts are the faults of one route configuration.
type openHosts []routeFault

func runVhostNoCatchAll(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			if t.in.Origin == mesh.Static {
				return nil
			}
			return onceOfTable(pass, t, func() openHosts { return openHostsOf(t.config) })
		})
	}
}

func openHostsOf(config *routev3.RouteConfiguration) openHosts {
	var faults openHosts
	for _, vh := range config.GetVirtualHosts() {
		closed := slices.ContainsFunc(vh.GetRoutes(), func(r *routev3.Route) bool { return matchesEverything(r.GetMatch()) })
		if closed || len(vh.GetRoutes()) == 0 || vh.GetMatcher() != nil || vh.GetRequireTls() == routev3.VirtualHost_ALL || isBlackhole(vh) {
			continue
		}
		faults = append(faults, routeFault{
			virtualHost: vh.GetName(),
			message:     fmt.Sprintf("%s has no route for all other paths: requests that fit none of its %d routes get 404", hostOf(vh), len(vh.GetRoutes())),
			object:      hostObject(vh),
		})
	}
	return faults
}
