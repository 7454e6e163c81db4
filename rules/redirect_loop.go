package rules

import (
	"fmt"
	"slices"

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
		Silent:     "redirects to hosts that the proxy does not serve; routes that ask for a regular expression or for values that no sample can be made of; a redirect to https whose TLS listener serves the host by a route, or that is for `x-forwarded-proto: http` only where Envoy trusts that header (`xff_num_trusted_hops` above 0, or no `use_remote_address`).",
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
			if p.Kind == mesh.Gateway { // its listeners decide, too
				return loopsOf(pass, p, t)
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
	first, seen := sample, map[string]bool{}
	var chain []analyze.Evidence
	fault := routeFault{virtualHost: vh.GetName(), object: istioObject(route.GetMetadata())}
	for range maxFollowed {
		o, ok := firstOutcome(pass, p, sample, direction)
		switch {
		case !ok:
			return nil
		case len(chain) == 1 && isRefused(o.Verdict) && sample.TLS != nil && direction == request.AtGateway && !takesTLS(p, sample.TLS.SNI):
			if !circlesBehindTLS(pass, p, first, sample) {
				return nil
			}
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

// circlesBehindTLS reports whether a load balancer that ends TLS and says so in
// x-forwarded-proto is redirected, too: not where Envoy believes it and the redirect
// is for http only.
func circlesBehindTLS(pass *analyze.Pass, p *mesh.Proxy, first, secure request.Request) bool {
	forwarded := secure
	forwarded.To, forwarded.Scheme, forwarded.TLS = first.To, first.Scheme, nil
	forwarded.Headers = forwarded.Headers.Set("x-forwarded-proto", "https")
	o, ok := firstOutcome(pass, p, forwarded, request.AtGateway)
	if !ok || o.Verdict != trace.Redirect {
		return false
	}
	again, ok := following(forwarded, o.Location)
	return ok && urlOf(again) == urlOf(secure)
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
