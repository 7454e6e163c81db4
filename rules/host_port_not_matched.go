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

// HostPortNotMatched reports gateway hosts that are not found when the client names the port.
var HostPortNotMatched = &analyze.Rule{
	Name:       "host-port-not-matched",
	Code:       "RTE09",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway knows a host without its port only, and clients may send it with the port",
		Finds: "Virtual hosts of a gateway whose `domains` have a host, but neither `host:PORT` of the listener nor `host:*`, in a route configuration without `ignore_port_in_host_matching` whose connection manager strips no port (`strip_any_host_port`, `strip_matching_host_port`).",
		Hurts: "A client that sends `Host: example.com:8090` gets 404 (response flag NR), or what the virtual host `*` serves. Browsers and gRPC clients name every port that is not the scheme's own; many gRPC clients name that, too.",
		Example: `name: http.8090
virtual_hosts: [{name: "shop.example.com:8090", domains: [shop.example.com]}]
# ignore_port_in_host_matching is not set`,
		Silent:     "current versions of istiod set ignore_port_in_host_matching; virtual hosts for `*`. On the ports 80, 443, 8080 and 8443, which clients usually reach as the scheme's own, it is info.",
		Fix:        "upgrade istiod; or add the host with its port to the hosts of the VirtualService; or set strip_any_host_port with an EnvoyFilter",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto#envoy-v3-api-field-config-route-v3-routeconfiguration-ignore-port-in-host-matching", "https://github.com/istio/istio/issues/6469"},
	},
	Run: runHostPortNotMatched,
}

func runHostPortNotMatched(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		for _, t := range routeTables(pass, p) {
			if t.in.Origin == mesh.Static || t.config.GetVhostHeader() != "" || servesNothing(t.config) {
				continue
			}
			if port, keeps := t.keptPort(); keeps {
				reportPortless(pass, p, &t, port)
			}
		}
	}
}

// keptPort is the port of a listener that leaves it in the :authority for the match.
func (t *routeTable) keptPort() (uint32, bool) {
	if t.config.GetIgnorePortInHostMatching() {
		return 0, false
	}
	for _, m := range t.managers {
		port := m.message.GetAddress().GetSocketAddress().GetPortValue()
		if port > 0 && !m.config.GetStripAnyHostPort() && !m.config.GetStripMatchingHostPort() {
			return port, true
		}
	}
	return 0, false
}

// reportPortless makes one finding of the hosts of a route configuration.
func reportPortless(pass *analyze.Pass, p *mesh.Proxy, t *routeTable, port uint32) {
	var hosts []string
	object := ""
	for _, vh := range t.config.GetVirtualHosts() {
		if isBlackhole(vh) {
			continue
		}
		lacking := portless(vh, port)
		if len(lacking) > 0 && object == "" {
			object = hostObject(vh)
		}
		hosts = append(hosts, lacking...)
	}
	if len(hosts) == 0 {
		return
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	f := analyze.Finding{
		Ref:      t.ref(p, ""),
		Source:   t.in.Source,
		Object:   object,
		Message:  fmt.Sprintf("%s:%d%s finds no virtual host in %s: the domains stand there without the port", hosts[0], port, andMore(len(hosts)-1), t.config.GetName()),
		Evidence: domainEvidence(hosts),
	}
	if slices.Contains([]uint32{80, 443, 8080, 8443}, port) {
		f.Severity = analyze.Info
	}
	pass.Report(f)
}

// portless are the domains of the virtual host that stand there without the port
// only.
func portless(vh *routev3.VirtualHost, port uint32) []string {
	known := map[string]bool{}
	for _, domain := range vh.GetDomains() {
		known[domain] = true
	}
	if known["*"] {
		return nil
	}
	var out []string
	for _, domain := range vh.GetDomains() {
		plain := !strings.HasSuffix(domain, "*") && match.WithoutPort(domain) == domain
		if plain && !known[domain+":*"] && !known[fmt.Sprintf("%s:%d", domain, port)] {
			out = append(out, domain)
		}
	}
	return out
}

// andMore says how many values are not named.
func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
