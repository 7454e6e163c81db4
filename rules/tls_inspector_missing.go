package rules

import (
	"fmt"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// TLSInspectorMissing reports listeners that choose filter chains by what nobody
// reads off the connection.
var TLSInspectorMissing = &analyze.Rule{
	Name:       "tls-inspector-missing",
	Code:       "LIS07",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a listener matches on TLS and has no TLS inspector",
		Finds: "Active listeners with a filter chain that matches `server_names`, `transport_protocol: tls` or `application_protocols`, without `envoy.filters.listener.tls_inspector` among `listener_filters` (for cleartext application protocols `http_inspector` will do).",
		Hurts: "Envoy takes every connection for `raw_buffer` without a server name: the filter chain is never chosen, TLS clients get another chain or none (connection closed, response flag NR, `filter_chain_not_found`).",
		Example: `"listener_filters": [],
"filter_chains": [{"filter_chain_match": {"server_names": ["shop.example.com"]}, ...}]`,
		Silent: "QUIC and UDP listeners, where the handshake is part of the protocol; Envoy before 1.17 (Istio before 1.9), which adds the inspector by itself; listener filters that come by ECDS and may be one; an inspector that is disabled for some ports; matches on `raw_buffer`.",
		Fix:    "repair the EnvoyFilter that replaced or removed the listener filters; in a configuration of your own add the TLS inspector",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/listener_filters/tls_inspector",
			"https://github.com/envoyproxy/envoy/issues/25002",
			"https://github.com/envoyproxy/envoy/pull/3432",
		},
	},
	Run: runTLSInspectorMissing,
}

func runTLSInspectorMissing(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if addsInspector(p) {
			continue
		}
		for _, r := range activeListeners(p) {
			blind := analyze.Once(pass, r.Content, func() blindChains { return findBlind(pass, r) })
			if len(blind) == 0 {
				continue
			}
			pass.Report(analyze.Finding{
				Ref:     p.Ref(mesh.Listener, r.Name()),
				Source:  r.Source,
				Message: fmt.Sprintf("%s cannot be matched: the listener has no inspector to read it off the connection", listed(blind, " and ")),
			})
		}
	}
}

// addsInspector reports whether this Envoy puts the TLS inspector in where it is
// needed, which it did before 1.17.
func addsInspector(p *mesh.Proxy) bool {
	if envoy, ok := parseMinor(p.EnvoyVersion); ok {
		return envoy.major == 1 && envoy.minor < 17
	}
	istio, ok := parseMinor(p.IstioVersion)
	return ok && (istio.major == 0 || istio.major == 1 && istio.minor < 9)
}

// blindChains are the conditions of a listener that can never hold.
type blindChains []string

func findBlind(pass *analyze.Pass, r *mesh.Resource) blindChains {
	listener, err := r.Listener()
	if err != nil || listener.GetUdpListenerConfig() != nil || listener.GetFilterChainMatcher() != nil {
		return nil
	}
	readsTLS, readsHTTP := inspectors(listener)
	if readsTLS {
		return nil
	}
	var out blindChains
	for _, chain := range filterChains(pass, r) {
		match := chain.GetFilterChainMatch()
		switch {
		case len(match.GetServerNames()) > 0:
			out = append(out, "server_names "+listed(match.GetServerNames(), ", "))
		case match.GetTransportProtocol() == "tls":
			out = append(out, "transport_protocol tls of filter chain "+chain.label)
		case len(match.GetApplicationProtocols()) > 0 && !readsHTTP:
			out = append(out, "application_protocols "+listed(match.GetApplicationProtocols(), ", "))
		}
	}
	return out
}

// inspectors tells what the listener filters read off a connection.
func inspectors(listener *listenerv3.Listener) (readsTLS, readsHTTP bool) {
	for _, f := range mesh.ListenerFilters(listener) {
		kind := f.Name + " " + f.TypeURL
		readsTLS = readsTLS || f.Discovery || strings.Contains(kind, "tls_inspector") || strings.Contains(kind, "TlsInspector")
		readsHTTP = readsHTTP || strings.Contains(kind, "http_inspector") || strings.Contains(kind, "HttpInspector")
	}
	return readsTLS, readsHTTP
}
