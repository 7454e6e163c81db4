package rules

import (
	"cmp"
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze"
)

// RewriteDoubleSlash reports prefix rewrites that join paths wrongly.
var RewriteDoubleSlash = &analyze.Rule{
	Name:       "rewrite-double-slash",
	Code:       "RTE06",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a prefix rewrite doubles a slash or swallows one",
		Finds: "Routes with `match.prefix` or `path_separated_prefix` and `prefix_rewrite` (of a route or a redirect) of which one ends with a slash and the other does not: `/api` rewritten to `/` makes `//users` of `/api/users` with either match, and `/api/` rewritten to `/v2` makes `/v2users`.",
		Hurts: "The upstream gets a path that it does not know and answers 404, or matches its own rules (of authorization, too) against another path than was meant. `merge_slashes` does not help: it runs before the rewrite.",
		Example: `- match: {prefix: /api}
  route: {cluster: outbound|80||api.shop.svc.cluster.local, prefix_rewrite: /}`,
		Silent:     "an exact `path`; a `regex_rewrite`; a doubled slash where an earlier route of the virtual host takes all paths below the prefix (`/api/` before `/api`, both rewritten to `/`), which leaves the path itself only.",
		Fix:        "end both with a slash or neither; for a rewrite to / have a pair of routes, one with the prefix /api/ and one with the exact path /api, or a regular expression (uriRegexRewrite)",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#envoy-v3-api-field-config-route-v3-routeaction-prefix-rewrite", "https://github.com/istio/istio/issues/8076", "https://github.com/istio/istio/issues/26828"},
	},
	Run: runRewriteDoubleSlash,
}

// joinedPaths are the faults of one route configuration.
type joinedPaths []routeFault

func runRewriteDoubleSlash(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() joinedPaths { return eachRoute[joinedPaths](t.config, joinedPath) })
		})
	}
}

func joinedPath(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	prefix := cmp.Or(route.GetMatch().GetPrefix(), route.GetMatch().GetPathSeparatedPrefix())
	rewrite := cmp.Or(route.GetRoute().GetPrefixRewrite(), route.GetRedirect().GetPrefixRewrite())
	if prefix == "" || rewrite == "" || strings.HasSuffix(prefix, "/") == strings.HasSuffix(rewrite, "/") {
		return routeFault{}, false
	}
	sample := strings.TrimSuffix(prefix, "/") + "/x"
	result := rewrite + strings.TrimPrefix(sample, prefix)
	if below := prefix + "/"; !strings.HasSuffix(prefix, "/") && takenBefore(vh, index, below) {
		return routeFault{}, false
	}
	return routeFault{
		virtualHost: vh.GetName(),
		message:     fmt.Sprintf("prefix_rewrite %s of %s of %s makes %s of %s", rewrite, routeWords(route, index), hostOf(vh), result, sample),
		object:      istioObject(route.GetMetadata()),
	}, true
}

// maxEarlierRoutes bounds the routes that one route is compared with.
const maxEarlierRoutes = 1000

// takenBefore reports whether one of the routes before the one at index takes all
// of its requests that have the longer prefix.
func takenBefore(vh *routev3.VirtualHost, index int, prefix string) bool {
	longer := proto.Clone(vh.GetRoutes()[index].GetMatch()).(*routev3.RouteMatch)
	longer.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: prefix}
	for _, earlier := range vh.GetRoutes()[max(0, index-maxEarlierRoutes):index] {
		c := newCoverer(earlier.GetMatch())
		if c.covers(longer) {
			return true
		}
	}
	return false
}
