package rules

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// GatewayServesNothing reports ports of a gateway that answer 404 to everything.
var GatewayServesNothing = &analyze.Rule{
	Name:       "gateway-serves-nothing",
	Code:       "LIS04",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway listens, but its route configuration routes nothing",
		Finds: "HTTP listeners of a gateway whose route configuration has no virtual host but istiod's `blackhole:PORT`, or none with a route. A virtual host that only redirects to https (`require_tls`) counts as served.",
		Hurts: "Every request gets 404 (response flag NR, or no flag where `blackhole` answers): the Gateway resource is there, but no VirtualService or HTTPRoute is bound to it.",
		Example: `route_config:
  name: http.8080
  virtual_hosts: [{name: "blackhole:8080", domains: ["*"]}]`,
		Silent:     "listeners of the bootstrap (15021, 15090); a route configuration that was not captured or has not come; sidecars and waypoints.",
		Fix:        "bind a VirtualService (hosts and gateways, namespace/name) or an HTTPRoute (parentRefs, sectionName) to the Gateway; look at exportTo, at the Gateway's hosts and at allowedRoutes if there is one",
		References: []string{"https://istio.io/latest/docs/reference/config/analysis/ist0132/", "https://istio.io/latest/docs/ops/common-problems/network-issues/#404-errors-occur-when-multiple-gateways-configured-with-same-tls-certificate", "https://github.com/istio/istio/issues/47942"},
	},
	Run: runGatewayServesNothing,
}

func runGatewayServesNothing(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		for _, t := range routeTables(pass, p) {
			first := t.managers[0].listener
			if first.Origin == mesh.Static || !servesNothing(t.config) {
				continue
			}
			f := analyze.Finding{
				Ref:     t.ref(p, ""),
				Source:  t.in.Source,
				Message: fmt.Sprintf("%s routes nothing: every request to listener %s%s gets 404", t.config.GetName(), first.Name(), t.forNames()),
				Essence: "serves nothing",
			}
			for _, m := range t.managers {
				f.Related = append(f.Related, analyze.Location{Ref: m.ref(p), Source: m.listener.Source, Message: "asks for it"})
			}
			pass.Report(f)
		}
	}
}

// forNames says for which server names the managers of the table take connections.
func (t *routeTable) forNames() string {
	var names []string
	for _, m := range t.managers {
		names = append(names, m.chain.GetFilterChainMatch().GetServerNames()...)
	}
	if len(names) == 0 {
		return ""
	}
	text := " for " + strings.Join(names[:min(len(names), 3)], ", ")
	if more := len(names) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func servesNothing(config *routev3.RouteConfiguration) bool {
	for _, vh := range config.GetVirtualHosts() {
		if !isBlackhole(vh) && (len(vh.GetRoutes()) > 0 || vh.GetMatcher() != nil) ||
			vh.GetRequireTls() != routev3.VirtualHost_NONE {
			return false
		}
	}
	return config.GetVhds() == nil && len(config.GetClusterSpecifierPlugins()) == 0
}

// ref addresses the manager's filter chain.
func (m *connectionManager) ref(p *mesh.Proxy) mesh.Ref {
	ref := p.Ref(mesh.Listener, m.listener.Name())
	ref.Path = m.chainName()
	return ref
}
