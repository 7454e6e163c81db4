package rules

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// RedirectLoop reports redirects that lead back to themselves.
var RedirectLoop = &analyze.Rule{
	Name:       "redirect-loop",
	Code:       "RTE08",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a redirect sends clients back to itself",
		Finds: "Routes with a `redirect`, and virtual hosts with `require_tls`: a request that the route takes is followed through the proxy's listeners and routes as a client would follow the `location`. It is an error if the client comes back to a URL that it had, or is still redirected after ten steps (`/app/app/app...`), and a warning if the proxy itself has no TLS listener for the `https` URL that it names.",
		Hurts: "Browsers stop with ERR_TOO_MANY_REDIRECTS. Behind a load balancer that ends TLS and forwards cleartext, a redirect to https sends every request around again.",
		Example: `- match: {prefix: /}
  redirect: {prefix_rewrite: /app/} # /app/ fits the prefix again`,
		Silent:     "redirects to hosts that the proxy does not serve; routes that ask for a regular expression or for values that no sample can be made of; a redirect to https whose TLS listener serves the host by a route.",
		Fix:        "exclude the target from the match (an exact path, or a route for the target in front); behind a load balancer that ends TLS turn httpsRedirect off, or make it send x-forwarded-proto and trust it (numTrustedProxies)",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-redirectaction", "https://github.com/istio/istio/issues/16778", "https://github.com/istio/istio/issues/23674"},
	},
	Run: runRedirectLoop,
}

// redirectLoops are the faults of one route configuration.
type redirectLoops []routeFault

func runRedirectLoop(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			if t.in.Origin == mesh.Static || t.managers[0].message.GetTrafficDirection().String() == "INBOUND" {
				return nil
			}
			return onceOfTable(pass, t, func() redirectLoops { return loopsOf(pass, p, t) })
		})
	}
}

// maxRedirects bounds the redirects that are followed in one route configuration.
const maxRedirects = 500

func loopsOf(pass *analyze.Pass, p *mesh.Proxy, t *routeTable) redirectLoops {
	var faults redirectLoops
	left := maxRedirects
	for _, vh := range t.config.GetVirtualHosts() {
		if vh.GetRequireTls() != routev3.VirtualHost_NONE {
			faults = append(faults, t.follow(pass, p, vh, nil, "require_tls")...)
			left--
		}
		for i, route := range vh.GetRoutes() {
			if route.GetRedirect() == nil {
				continue
			}
			if left--; left < 0 {
				return faults
			}
			faults = append(faults, t.follow(pass, p, vh, route, routeWords(route, i))...)
		}
	}
	return faults
}

// follow sends a client to a route, nil for any of the virtual host, and after the
// redirects.
func (t *routeTable) follow(pass *analyze.Pass, p *mesh.Proxy, vh *routev3.VirtualHost, route *routev3.Route, words string) redirectLoops {
	for _, host := range sampleHosts(t, vh, route) {
		sample, direction, ok := t.sample(p, host, route)
		if !ok {
			return nil
		}
		if o, ok := firstOutcome(pass, p, sample, direction); ok && isBy(o, vh, route) {
			return followFrom(pass, p, vh, route, words, sample, direction)
		}
	}
	return nil // other routes take all samples
}

// followFrom follows the redirects that begin with the one of a sample.
func followFrom(pass *analyze.Pass, p *mesh.Proxy, vh *routev3.VirtualHost, route *routev3.Route, words string, sample request.Request, direction request.Direction) redirectLoops {
	seen := map[string]bool{}
	var chain []analyze.Evidence
	fault := routeFault{virtualHost: vh.GetName(), object: istioObject(route.GetMetadata())}
	for range maxFollowed {
		o, ok := firstOutcome(pass, p, sample, direction)
		switch {
		case !ok:
			return nil
		case len(chain) == 1 && isRefused(o.Verdict) && sample.TLS != nil && direction == request.AtGateway && !takesTLS(p, sample.TLS.SNI):
			fault.severity, fault.evidence = analyze.Warning, chain
			fault.message = fmt.Sprintf("%s of %s leads to %s, for which this gateway has no TLS listener: behind a load balancer that ends TLS it leads around in a circle", words, hostOf(vh), urlOf(sample))
			return redirectLoops{fault}
		case o.Verdict != trace.Redirect:
			return nil
		}
		seen[urlOf(sample)] = true
		chain = append(chain, analyze.Evidence{Name: "location of " + urlOf(sample), Value: o.Location})
		next, ok := following(sample, o.Location)
		if !ok {
			return nil
		}
		if seen[urlOf(next)] {
			fault.evidence = chain
			fault.message = fmt.Sprintf("%s of %s leads back to %s", words, hostOf(vh), urlOf(next))
			return redirectLoops{fault}
		}
		sample = next
	}
	fault.evidence = chain[:3]
	fault.message = fmt.Sprintf("%s of %s redirects without end: %s", words, hostOf(vh), chain[1].Value)
	return redirectLoops{fault}
}

// isBy reports whether a redirect is that of a route, nil for any of the virtual host.
func isBy(o trace.Outcome, vh *routev3.VirtualHost, route *routev3.Route) bool {
	if o.Verdict != trace.Redirect || o.VirtualHost != vh.GetName() {
		return false
	}
	return route == nil || o.RouteIndex >= 0 && o.RouteIndex < len(vh.GetRoutes()) && vh.GetRoutes()[o.RouteIndex] == route
}

// maxFollowed is how often a client follows a redirect.
const maxFollowed = 10

func firstOutcome(pass *analyze.Pass, p *mesh.Proxy, r request.Request, direction request.Direction) (trace.Outcome, bool) {
	t, err := engineOf(pass).Trace(p, r, direction, trace.Options{FirstHop: true})
	if err != nil {
		return trace.Outcome{}, false
	}
	return t.Paths[0].Hops[0].Outcome, true
}

// takesTLS reports whether a listener of the proxy takes TLS connections for a host,
// on whatever port: a Service may map 443 to any.
func takesTLS(p *mesh.Proxy, host string) bool {
	for _, r := range activeListeners(p) {
		listener, err := r.Listener()
		if err != nil {
			continue
		}
		for _, chain := range mesh.FilterChains(listener) {
			names := chain.GetFilterChainMatch().GetServerNames()
			named := slices.ContainsFunc(names, func(name string) bool { return meet(name, host) })
			if named || len(names) == 0 && chain.GetTransportSocket() != nil {
				return true
			}
		}
	}
	return false
}

// isRefused reports whether a connection found nobody who takes it.
func isRefused(v trace.Verdict) bool { return v == trace.NoListener || v == trace.NoFilterChain }

// sample is a request to a host for a route, and the side on which it comes.
func (t *routeTable) sample(p *mesh.Proxy, host string, route *routev3.Route) (request.Request, request.Direction, bool) {
	m := &t.managers[0]
	path, ok := samplePath(route.GetMatch())
	socket := m.message.GetAddress().GetSocketAddress()
	if !ok || socket.GetPortValue() == 0 {
		return request.Request{}, "", false
	}
	r := request.Request{Protocol: request.HTTP1, Method: "GET", Scheme: "http", Authority: host, Path: path}
	for _, h := range route.GetMatch().GetHeaders() {
		value, exact := exactHeader(h)
		if !exact || h.GetInvertMatch() {
			return request.Request{}, "", false
		}
		if h.GetName() == ":authority" {
			continue // sampleHosts has seen to it
		}
		if strings.HasPrefix(h.GetName(), ":") {
			return request.Request{}, "", false
		}
		r.Headers = r.Headers.Set(h.GetName(), value)
	}
	if p.Kind == mesh.Sidecar {
		return r, request.Outbound, true
	}
	ip, err := netip.ParseAddr(socket.GetAddress())
	if err != nil {
		return request.Request{}, "", false
	}
	if ip.IsUnspecified() && len(p.Addresses) > 0 {
		ip, _ = netip.ParseAddr(p.Addresses[0])
	}
	r.To = netip.AddrPortFrom(ip, uint16(socket.GetPortValue())).String()
	if m.chain.GetTransportSocket() != nil {
		r.Scheme, r.TLS = "https", &request.TLS{SNI: hostWithoutPort(host), ALPN: []string{"http/1.1"}}
	}
	return r, request.AtGateway, true
}

// maxSampleHosts bounds the domains that are tried for one route.
const maxSampleHosts = 8

// sampleHosts are hosts of the virtual host that a client of the route can name: other
// routes may take some of them.
func sampleHosts(t *routeTable, vh *routev3.VirtualHost, route *routev3.Route) []string {
	for _, h := range route.GetMatch().GetHeaders() {
		if host, exact := exactHeader(h); exact && h.GetName() == ":authority" {
			return []string{host}
		}
	}
	var hosts []string
	for _, domain := range vh.GetDomains() {
		if t.whyDead(domain) == "" && len(hosts) < maxSampleHosts {
			hosts = append(hosts, strings.TrimSuffix(strings.Replace(domain, "*", "any", 1), ":any"))
		}
	}
	return hosts
}

// samplePath is a path that a match takes; a virtual host as a whole takes any.
func samplePath(m *routev3.RouteMatch) (string, bool) {
	if m == nil {
		return "/", true
	}
	if len(m.GetQueryParameters()) > 0 || len(m.GetCookies()) > 0 || len(m.GetDynamicMetadata()) > 0 {
		return "", false
	}
	switch s := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return s.Prefix, strings.HasPrefix(s.Prefix, "/")
	case *routev3.RouteMatch_Path:
		return s.Path, strings.HasPrefix(s.Path, "/")
	case *routev3.RouteMatch_PathSeparatedPrefix:
		return s.PathSeparatedPrefix, true
	}
	return "", false
}

// following is the request that a client makes of a location.
func following(r request.Request, location string) (request.Request, bool) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return r, false
	}
	if u.Scheme != r.Scheme || u.Port() != "" && u.Port() != requestPort(r) {
		r.To = ""
	}
	r.Scheme, r.Authority, r.Path = u.Scheme, u.Host, u.RequestURI()
	r.TLS = nil
	if u.Scheme == "https" {
		r.TLS = &request.TLS{SNI: u.Hostname(), ALPN: []string{"http/1.1"}}
	}
	return r, true
}

func requestPort(r request.Request) string {
	to, err := r.Destination()
	if err != nil {
		return ""
	}
	return fmt.Sprint(to.Port())
}

func hostWithoutPort(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return authority
}

func urlOf(r request.Request) string { return r.Scheme + "://" + r.Authority + r.Path }
