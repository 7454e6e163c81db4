package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// GatewaySNIH2Coalescing reports hosts that browsers ask for on the connection of
// another host, which does not know them.
var GatewaySNIH2Coalescing = &analyze.Rule{
	Name:       "gateway-sni-h2-coalescing",
	Code:       "LIS03",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "HTTP/2 clients reuse the connection of one host for another that is not served on it",
		Finds: "Two filter chains of one listener that end TLS, have different `server_names` and offer `h2`, where the certificate of the first covers a name of the second. The request for that name is then traced over a connection with the server name of the first: " +
			"it ends without a virtual host, while on a connection of its own it has one.",
		Hurts: "Browsers and other HTTP/2 clients send a request over any connection to the same address whose certificate covers the host (RFC 9113, 9.1.1): 404 with response flag NR, now and then, depending on which host the client asked for first.",
		Example: `{"server_names": ["a.example.com"]} # secret wildcard, *.example.com; route config only for a
{"server_names": ["b.example.com"]} # secret wildcard`,
		Silent: "chains that offer HTTP/1.1 only; a first chain that serves the host too; a connection that needs a client certificate, which clients do not share; wildcard server names, of which no host is known. Hosts that resolve to different load balancers are not coalesced: that is outside of a capture.",
		Fix:    "serve hosts that share a certificate from one server of one Gateway, or give each its own certificate; a 421 (misdirected request) from an EnvoyFilter makes clients open a new connection",
		References: []string{
			"https://istio.io/latest/docs/ops/common-problems/network-issues/",
			"https://www.rfc-editor.org/rfc/rfc9113#section-9.1.1",
			"https://github.com/istio/istio/issues/52853",
			"https://github.com/istio/istio/issues/13589",
		},
	},
	Run: runGatewaySNIH2Coalescing,
}

func runGatewaySNIH2Coalescing(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		asker := &asker{pass: pass, proxy: p, left: maxAsked, known: map[asked]trace.Outcome{}}
		for _, r := range activeListeners(p) {
			to, ok := peekAddress(r)
			if !ok {
				continue
			}
			doors := coalescable(pass, p, r)
			for _, first := range doors {
				for _, second := range doors {
					if first.label != second.label {
						asker.report(r, to, first, second)
					}
				}
			}
		}
	}
}

const (
	// maxDoors bounds the chains of a listener that are compared with each other,
	// maxAsked the requests that are traced for a proxy.
	maxDoors = 200
	maxAsked = 20_000
)

// door is a filter chain whose connections HTTP/2 clients may share.
type door struct {
	filterChain
	hosts []string
	certs []shown
}

func coalescable(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource) []door {
	var out []door
	for i, chain := range filterChains(pass, r) {
		common := chain.tls.GetCommonTlsContext()
		if chain.GetName() != "" {
			// Names of chains need not differ.
			chain.label = fmt.Sprintf("%s#%d", chain.GetName(), i)
		}
		var hosts []string
		for _, name := range chain.GetFilterChainMatch().GetServerNames() {
			if !strings.HasPrefix(name, "*") {
				hosts = append(hosts, name)
			}
		}
		if len(hosts) == 0 || !slices.Contains(common.GetAlpnProtocols(), "h2") {
			continue
		}
		if certs := publicCertificates(shownCertificates(pass, p, common)); len(certs) > 0 && len(out) < maxDoors {
			out = append(out, door{chain, hosts, certs})
		}
	}
	return out
}

// asker traces requests over connections of other hosts.
type asker struct {
	pass  *analyze.Pass
	proxy *mesh.Proxy
	left  int
	known map[asked]trace.Outcome
}

type asked struct {
	to               netip.AddrPort
	serverName, host string
}

func (a *asker) report(r *mesh.Resource, to netip.AddrPort, first, second door) {
	// A client that refuses the certificate has no connection to share.
	i := slices.IndexFunc(first.hosts, func(host string) bool { return covered(first.certs, host) })
	if i < 0 {
		return
	}
	var lost []string
	var reason string
	for _, host := range second.hosts {
		if !covered(first.certs, host) {
			continue
		}
		shared, ok := a.over(asked{to, first.hosts[i], host})
		if !ok || !isUnknownHost(shared) {
			continue
		}
		if own, ok := a.over(asked{to, host, host}); ok && !isUnknownHost(own) {
			lost = append(lost, host)
			reason = shared.Reason
		}
	}
	if len(lost) == 0 {
		return
	}
	ref := a.proxy.Ref(mesh.Listener, r.Name())
	ref.Path = first.path()
	a.pass.Report(analyze.Finding{
		Ref: ref, Source: r.Source, Object: istioObject(second.GetMetadata()),
		Message: fmt.Sprintf("%s is asked for on HTTP/2 connections of %s, whose certificate covers it, and gets 404 there", listed(lost, ", "), listed(first.hosts, ", ")),
		Essence: strings.Join(lost, ","),
		Evidence: []analyze.Evidence{
			{Name: "certificate is for", Value: strings.Join(dnsNames(first.certs), ", ")},
			{Name: "traced", Value: reason},
		},
	})
}

func isUnknownHost(o trace.Outcome) bool {
	return o.Verdict == trace.NoVirtualHost || o.Verdict == trace.NoRoute
}

// over traces a request for a host over a connection with a server name; false where
// too many were traced already.
func (a *asker) over(key asked) (trace.Outcome, bool) {
	if known, ok := a.known[key]; ok {
		return known, true
	}
	if a.left == 0 {
		return trace.Outcome{}, false
	}
	a.left--
	t, err := engineOf(a.pass).Trace(a.proxy, request.Request{
		To: key.to.String(), Protocol: request.HTTP2, Authority: key.host, Path: "/",
		TLS: &request.TLS{SNI: key.serverName, ALPN: []string{"h2", "http/1.1"}},
	}, request.AtGateway, trace.Options{FirstHop: true})
	if err != nil {
		return trace.Outcome{}, false
	}
	a.known[key] = t.Paths[0].Hops[0].Outcome
	return a.known[key], true
}
