package rules

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

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
	if r.Headers.Has("x-forwarded-proto") { // whoever sends it says how the client came
		r.Headers = r.Headers.Set("x-forwarded-proto", u.Scheme)
	}
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
