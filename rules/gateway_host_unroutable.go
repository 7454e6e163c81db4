package rules

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// GatewayHostUnroutable reports hosts of a gateway for which TLS and routing do not meet.
var GatewayHostUnroutable = &analyze.Rule{
	Name:       "gateway-host-unroutable",
	Code:       "LIS05",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway takes a host's TLS connections and has no route for it, or routes a host whose connections it refuses",
		Finds: "At a gateway's TLS listener: a name in `filter_chain_match.server_names` for which no virtual host of the chain's own route configuration has a domain; and a domain of such a route configuration that none of the chains which lead to it takes by their `server_names`.",
		Hurts: "In the first case the handshake succeeds and every request gets 404 (response flag NR); in the second clients get a connection reset in the handshake (no matching filter chain, NR), and curl says \"SSL_ERROR_SYSCALL\".",
		Example: `filter_chain_match: {server_names: [shop.example.com]} # its route configuration:
virtual_hosts: [{name: "www.example.com:443", domains: [www.example.com]}]`,
		Silent:     "chains that pass TLS through, which have no routes; a route configuration that serves no host at all (gateway-serves-nothing) or has not come; a wildcard on one side that meets a name on the other. A virtual host for `*` takes every name.",
		Fix:        "make the hosts of the Gateway's server and of the VirtualService or HTTPRoute agree; each server of a Gateway has a route configuration of its own",
		References: []string{"https://istio.io/latest/docs/reference/config/networking/gateway/#Server", "https://istio.io/latest/docs/reference/config/analysis/ist0132/", "https://github.com/istio/istio/issues/11828"},
	},
	Run: runGatewayHostUnroutable,
}

func runGatewayHostUnroutable(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		for _, t := range routeTables(pass, p) {
			if servesNothing(t.config) || t.config.GetVhostHeader() != "" || t.config.GetVhds() != nil || t.pairs() > maxNamePairs {
				continue
			}
			t.reportUnroutedNames(pass, p)
			t.reportUnreachableDomains(pass, p)
		}
	}
}

// maxNamePairs bounds the comparisons of server names with domains.
const maxNamePairs = 20_000_000

// pairs is the number of server names through that of the domains.
func (t *routeTable) pairs() int {
	names, domains := 0, 0
	for _, m := range t.managers {
		names += len(m.chain.GetFilterChainMatch().GetServerNames())
	}
	for _, vh := range t.config.GetVirtualHosts() {
		domains += len(vh.GetDomains())
	}
	return names * domains
}

// reportUnroutedNames reports the server names without a virtual host.
func (t *routeTable) reportUnroutedNames(pass *analyze.Pass, p *mesh.Proxy) {
	domains := servedDomains(t.config)
	for _, m := range t.managers {
		for _, name := range m.chain.GetFilterChainMatch().GetServerNames() {
			if slices.ContainsFunc(domains, func(domain string) bool { return meet(name, domain) }) {
				continue
			}
			pass.Report(analyze.Finding{
				Ref:      m.ref(p),
				Source:   m.listener.Source,
				Message:  fmt.Sprintf("%s is taken by TLS, but route configuration %s has no virtual host for it", name, t.config.GetName()),
				Evidence: domainEvidence(domains),
				Related:  []analyze.Location{{Ref: t.ref(p, ""), Source: t.in.Source, Message: "has no such virtual host"}},
			})
		}
	}
}

// reportUnreachableDomains reports the domains that no chain takes. One chain
// without server names takes them all.
func (t *routeTable) reportUnreachableDomains(pass *analyze.Pass, p *mesh.Proxy) {
	var names []string
	for _, m := range t.managers {
		taken := m.chain.GetFilterChainMatch().GetServerNames()
		if len(taken) == 0 {
			return
		}
		names = append(names, taken...)
	}
	for _, vh := range t.config.GetVirtualHosts() {
		if isBlackhole(vh) {
			continue
		}
		domains := bareDomains(vh)
		if slices.ContainsFunc(domains, func(domain string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return meet(name, domain) })
		}) {
			continue
		}
		pass.Report(analyze.Finding{
			Ref:      t.ref(p, vh.GetName()),
			Source:   t.in.Source,
			Message:  fmt.Sprintf("%s has a virtual host in %s, but no TLS filter chain that leads there takes the name", strings.Join(domains[:min(len(domains), 3)], ", "), t.config.GetName()),
			Evidence: []analyze.Evidence{{Name: "server_names", Value: strings.Join(names[:min(len(names), listedTargets)], ", ")}},
			Object:   hostObject(vh),
		})
	}
}

// servedDomains are the domains of all virtual hosts that serve something, without ports.
func servedDomains(config *routev3.RouteConfiguration) []string {
	var domains []string
	for _, vh := range config.GetVirtualHosts() {
		if !isBlackhole(vh) {
			domains = append(domains, bareDomains(vh)...)
		}
	}
	return domains
}

func isBlackhole(vh *routev3.VirtualHost) bool { return strings.HasPrefix(vh.GetName(), "blackhole:") }

// bareDomains are the domains of a virtual host in lower case, without ports, sorted, each once.
func bareDomains(vh *routev3.VirtualHost) []string {
	var out []string
	for _, domain := range vh.GetDomains() {
		out = append(out, strings.TrimSuffix(strings.ToLower(match.WithoutPort(domain)), ":*"))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func domainEvidence(domains []string) []analyze.Evidence {
	var out []analyze.Evidence
	for _, domain := range domains[:min(len(domains), listedTargets)] {
		out = append(out, analyze.Evidence{Name: "domain", Value: domain})
	}
	return out
}

// meet reports whether some host fits both a server name and a domain: either may
// begin with a wildcard, a domain may end with one.
func meet(name, domain string) bool {
	name = strings.ToLower(name)
	nameEnd, nameWild := strings.CutPrefix(name, "*")
	domainEnd, domainWild := strings.CutPrefix(domain, "*")
	domainStart, domainOpen := strings.CutSuffix(domain, "*")
	switch {
	case name == domain || domain == "*" || name == "*" || name == "":
		return true
	case domainOpen && !domainWild:
		return nameWild || strings.HasPrefix(name, domainStart)
	case nameWild && domainWild:
		return strings.HasSuffix(nameEnd, domainEnd) || strings.HasSuffix(domainEnd, nameEnd)
	case nameWild:
		return strings.HasSuffix(domain, nameEnd)
	case domainWild:
		return strings.HasSuffix(name, domainEnd)
	}
	return false
}
