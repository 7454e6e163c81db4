package rules

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/trace/match"
)

// VirtualHostDomainNeverMatches reports domains that no request can have.
var VirtualHostDomainNeverMatches = &analyze.Rule{
	Name:       "virtual-host-domain-never-matches",
	Code:       "RTE16",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a virtual host's domain can match no request",
		Finds: "Entries of `virtual_hosts[].domains` with a character that no `:authority` has (a `/`, a blank), with a `*` that is neither first nor last and so is taken literally, or with a port where `ignore_port_in_host_matching` or the connection manager's `strip_any_host_port` removes it before the match.",
		Hurts: "The domain is dead: requests for what was meant fall to another virtual host, or to none (404, response flag NR).",
		Example: `- name: "https redirect"
  domains: [shop/shop.example.com] # the namespace was meant for the Gateway, not for Envoy`,
		Silent:     "virtual hosts that are chosen by another header (`vhost_header`); a port that only `strip_matching_host_port` removes where the listener has another one. Where the plain domain stands beside it nothing is lost, so this is info.",
		Fix:        "write the host without its namespace or port; what istiod itself writes (namespace-qualified hosts of a Gateway's redirect) is harmless as long as the plain host has a virtual host",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#envoy-v3-api-field-config-route-v3-virtualhost-domains"},
	},
	Run: runVirtualHostDomainNeverMatches,
}

func runVirtualHostDomainNeverMatches(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			if t.config.GetVhostHeader() != "" {
				return nil
			}
			var faults []routeFault
			for _, vh := range t.config.GetVirtualHosts() {
				if fault, found := deadDomains(t, vh); found {
					faults = append(faults, fault)
				}
			}
			return faults
		})
	}
}

// deadDomains makes one fault of all domains of a virtual host that match nothing.
func deadDomains(t *routeTable, vh *routev3.VirtualHost) (routeFault, bool) {
	var first, reason string
	dead := 0
	fault := routeFault{virtualHost: vh.GetName(), object: hostObject(vh)}
	for _, domain := range vh.GetDomains() {
		why := t.whyDead(domain)
		if why == "" {
			continue
		}
		if dead++; dead == 1 {
			first, reason = domain, why
		}
		if len(fault.evidence) < listedTargets {
			fault.evidence = append(fault.evidence, analyze.Evidence{Name: "domain", Value: domain})
		}
	}
	if dead == 0 {
		return routeFault{}, false
	}
	fault.message = fmt.Sprintf("%s%s of virtual host %s can match no request: %s", first, andMore(dead-1), hostOf(vh), reason)
	return fault, true
}

// whyDead says why no request can have the domain; "" if one can.
func (t *routeTable) whyDead(domain string) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(domain, "*"), "*")
	switch {
	case strings.Contains(bare, "*"):
		return `a "*" is a wildcard at the start or at the end only`
	case !match.ValidAuthority(bare):
		return "no :authority has such characters"
	case match.WithoutPort(domain) != domain && t.dropsPorts():
		return "the port is removed from the :authority before the match"
	}
	return ""
}

// dropsPorts reports whether no request reaches the table with a port.
func (t *routeTable) dropsPorts() bool {
	if t.config.GetIgnorePortInHostMatching() {
		return true
	}
	for _, m := range t.managers {
		if !m.config.GetStripAnyHostPort() {
			return false
		}
	}
	return true
}
