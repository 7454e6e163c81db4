package rules

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// HTTPListenerEatsTLS reports ports that have a TLS service and a listener for HTTP only.
var HTTPListenerEatsTLS = &analyze.Rule{
	Name:       "http-listener-eats-tls",
	Code:       "LIS02",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "TLS connections to a known service end in a listener that takes HTTP only",
		Finds: "Outbound listeners on `0.0.0.0:PORT` of which every filter chain is a cleartext HTTP connection manager, on a port that a service with protocol HTTPS or TLS has, by istiod's registryz or a ServiceEntry. The connection is followed as Envoy would take it: a listener of the service's own address goes first.",
		Hurts: "The connection manager reads the ClientHello as HTTP and answers 400 (response flag DPE), or no chain fits and the connection is reset (NR). One HTTP service on port 443 anywhere in the mesh breaks HTTPS to the world.",
		Example: `name: 0.0.0.0_443 # made for a Service with port {name: http, port: 443}
filter_chains: [{filters: [{name: envoy.filters.network.http_connection_manager}]}]`,
		Silent:     "listeners with a chain for TLS or for anything else, which current versions of istiod write (PassthroughCluster or BlackHoleCluster); chains that terminate TLS themselves; hosts with a wildcard, for which no address is known.",
		Fix:        "rename the port of the Service that is not HTTP (https, tls or tcp), or give the HTTP service another port number; current versions of istiod sniff the protocol",
		References: []string{"https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/", "https://github.com/istio/istio/pull/18540"},
	},
	Run: runHTTPListenerEatsTLS,
}

func runHTTPListenerEatsTLS(pass *analyze.Pass) {
	var secure map[string][]string
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar {
			continue
		}
		for _, r := range p.Listeners {
			if r.State != mesh.Active || r.Content == nil {
				continue
			}
			eater := analyze.Once(pass, r.Content, func() httpOnly { return httpOnlyOf(pass, r) })
			if eater.port == "" {
				continue
			}
			if secure == nil {
				secure = tlsHosts(pass.Capture)
			}
			reportEaten(pass, p, r, eater.port, secure[eater.port])
		}
	}
}

// httpOnly is the port of a listener that takes nothing but cleartext HTTP; "" for
// any other listener.
type httpOnly struct{ port string }

func httpOnlyOf(pass *analyze.Pass, r *mesh.Resource) httpOnly {
	port := wildcardPort(r)
	if port == "" {
		return httpOnly{}
	}
	chains := filterChains(pass, r)
	for _, chain := range chains {
		if chain.manager == nil || chain.GetTransportSocket() != nil {
			return httpOnly{}
		}
	}
	if len(chains) == 0 {
		return httpOnly{}
	}
	return httpOnly{port}
}

func reportEaten(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, port string, hosts []string) {
	var eaten []string
	outcome := trace.Outcome{}
	for _, host := range hosts[:min(len(hosts), maxNeighbours)] {
		https := request.Request{
			Protocol: request.HTTP1, Method: "GET", Scheme: "https", Authority: net.JoinHostPort(host, port), Path: "/",
			TLS: &request.TLS{SNI: host, ALPN: []string{"h2", "http/1.1"}},
		}
		t, err := engineOf(pass).Trace(p, https, request.Outbound, trace.Options{FirstHop: true})
		if err != nil {
			continue
		}
		o := t.Paths[0].Hops[0].Outcome
		if o.Listener == r.Name() && !o.Verdict.Forwards() && o.Verdict != trace.Unmodelled {
			eaten, outcome = append(eaten, host), o
		}
	}
	if len(eaten) == 0 {
		return
	}
	f := analyze.Finding{
		Ref:      p.Ref(mesh.Listener, r.Name()),
		Source:   r.Source,
		Message:  fmt.Sprintf("%s cannot be called by TLS on port %s: the listener for the port takes HTTP only", few(eaten), port),
		Essence:  strings.Join(eaten, " "),
		Evidence: []analyze.Evidence{{Name: "outcome", Value: strings.TrimSpace(fmt.Sprintf("%s %s", outcome.Verdict, outcome.Flags))}},
	}
	if table := httpTable(pass, r); table != "" {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "route configuration", Value: table})
	}
	pass.Report(f)
}

// httpTable is the route configuration that the HTTP listener asks for.
func httpTable(pass *analyze.Pass, r *mesh.Resource) string {
	for _, m := range managersOf(pass, r) {
		return m.config.GetRds().GetRouteConfigName()
	}
	return ""
}

// tlsHosts are the hosts whose port is declared HTTPS or TLS, by port, sorted.
func tlsHosts(c *mesh.Capture) map[string][]string {
	hosts := map[string][]string{}
	add := func(host, port, protocol string) {
		if (protocol == "HTTPS" || protocol == "TLS") && !strings.Contains(host, "*") {
			hosts[port] = append(hosts[port], host)
		}
	}
	for _, service := range registeredServices(c) {
		for port, protocol := range service.ports {
			add(service.host, port, strings.ToUpper(protocol))
		}
	}
	for _, o := range objectsOf(c, "ServiceEntry") {
		spec, _ := o.Fields["spec"].(map[string]any)
		ports, _ := spec["ports"].([]any)
		names, _ := spec["hosts"].([]any)
		for _, p := range ports {
			port, _ := p.(map[string]any)
			number, _ := port["number"].(float64)
			protocol, _ := port["protocol"].(string)
			for _, name := range names {
				host, _ := name.(string)
				add(host, strconv.Itoa(int(number)), strings.ToUpper(protocol))
			}
		}
	}
	for port, list := range hosts {
		slices.Sort(list)
		hosts[port] = slices.Compact(list)
	}
	return hosts
}
