package rules

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// DuplicateVhostDomain reports domains that two virtual hosts of one route
// configuration claim.
var DuplicateVhostDomain = &analyze.Rule{
	Name:       "duplicate-vhost-domain",
	Code:       "RTE03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "two virtual hosts of a route configuration have the same domain, so Envoy rejects all of it",
		Finds: "A domain that occurs twice, letter case aside, in `virtual_hosts[].domains` of one route configuration. Looked at are the proxy's route configurations in every state, those inside of listeners, rejected ones (`error_state.failed_configuration`) too, and istiod's view of the proxy: there a duplicate is seen that Envoy never took.",
		Hurts: "Envoy refuses the whole route configuration (\"Only unique values for domains are permitted\") and keeps the old one: no later change of any route on that port arrives, whoever made it. A new proxy has no routes at all and answers 404.",
		Example: `virtual_hosts:
- {name: "shop:80", domains: [shop.example.com]}
- {name: "legacy:80", domains: [Shop.example.com]} # the same for Envoy`,
		Silent:     "the same domain in two route configurations; a name with and without a port; wildcards that overlap, of which the longest wins.",
		Fix:        "give the host to one VirtualService, merge the two, or remove the ServiceEntry that repeats the host of a Service",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-virtualhost", "https://github.com/istio/istio/issues/13267", "https://github.com/istio/istio/issues/24458"},
	},
	Run: runDuplicateVhostDomain,
}

// repeatedDomains are the domains of a route configuration that occur twice.
type repeatedDomains []repeatedDomain

type repeatedDomain struct {
	domain        string
	first, second *routev3.VirtualHost
}

func runDuplicateVhostDomain(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportDuplicates(pass, p, &p.Config, "")
		if p.Pilot != nil {
			reportDuplicates(pass, p, p.Pilot, "istiod would send this")
		}
	}
}

func reportDuplicates(pass *analyze.Pass, p *mesh.Proxy, config *mesh.Config, note string) {
	for _, r := range config.Routes {
		// Static ones are copies of what stands in the listeners.
		if r.Content == nil || r.Origin == mesh.Static {
			continue
		}
		found := analyze.Once(pass, r.Content, func() repeatedDomains {
			message, err := r.RouteConfiguration()
			if err != nil {
				return nil
			}
			return repeats(message)
		})
		found.report(pass, p, r, note)
	}
	for _, r := range config.Listeners {
		if r.Content == nil {
			continue
		}
		found := analyze.Once(pass, r.Content, func() repeatedDomains {
			var all repeatedDomains
			for _, m := range managersOf(pass, r) {
				all = append(all, repeats(m.config.GetRouteConfig())...)
			}
			return all
		})
		found.report(pass, p, r, note)
	}
}

func repeats(config *routev3.RouteConfiguration) repeatedDomains {
	var out repeatedDomains
	owner := map[string]*routev3.VirtualHost{}
	for _, vh := range config.GetVirtualHosts() {
		for _, domain := range vh.GetDomains() {
			key := strings.ToLower(domain)
			if first := owner[key]; first != nil {
				out = append(out, repeatedDomain{domain, first, vh})
				continue
			}
			owner[key] = vh
		}
	}
	return out
}

func (found repeatedDomains) report(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, note string) {
	for _, d := range found {
		first, second := p.Ref(r.Kind, r.Name()), p.Ref(r.Kind, r.Name())
		first.Path, second.Path = d.first.GetName(), d.second.GetName()
		f := analyze.Finding{
			Ref:      second,
			Source:   r.Source,
			Message:  fmt.Sprintf("%s is a domain of virtual host %s and of %s, which Envoy rejects", d.domain, d.first.GetName(), d.second.GetName()),
			Evidence: []analyze.Evidence{{Name: "state", Value: string(r.State)}},
			Related:  []analyze.Location{{Ref: first, Source: r.Source, Message: "has the domain first"}},
			Object:   hostObject(d.second),
		}
		if note != "" {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "seen", Value: note})
		}
		pass.Report(f)
	}
}

// hostObject is the Istio object that the first route of a virtual host was made of
// that names one.
func hostObject(vh *routev3.VirtualHost) string {
	for _, route := range vh.GetRoutes() {
		if object := istioObject(route.GetMetadata()); object != "" {
			return object
		}
	}
	return ""
}
