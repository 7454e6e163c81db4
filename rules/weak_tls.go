package rules

import (
	"fmt"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// WeakTLS reports filter chains that take versions and ciphers of TLS that are
// broken.
var WeakTLS = &analyze.Rule{
	Name:       "weak-tls",
	Code:       "TLS08",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a filter chain accepts outdated TLS",
		Finds: "`tls_params` of the `DownstreamTlsContext` of active listeners: `tls_minimum_protocol_version` `TLSv1_0` or `TLSv1_1`, and `cipher_suites` with CBC and SHA-1 (`AES128-SHA`), 3DES, RC4 or without encryption.",
		Hurts: "Every request is served, and clients or attackers in between can agree on a version or cipher that is broken (BEAST, Lucky 13, SWEET32); scanners and audits (PCI DSS) fail.",
		Example: `"tls_params": {
  "tls_minimum_protocol_version": "TLSv1_0",
  "cipher_suites": ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"]
}`,
		Silent: "no `tls_params`, or `TLS_AUTO`: a server's minimum is then TLS 1.2; ciphers without forward secrecy but with GCM, which istiod itself lists for sidecars; ciphers where the minimum is TLS 1.3, which has its own.",
		Fix:    "set minProtocolVersion of the Gateway's server to TLSV1_2 and take the ciphers out of its cipherSuites",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto",
			"https://istio.io/latest/docs/reference/config/networking/gateway/",
		},
	},
	Run: runWeakTLS,
}

func runWeakTLS(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, r := range activeListeners(p) {
			for _, chain := range filterChains(pass, r) {
				for _, why := range weakParameters(chain.tls.GetCommonTlsContext().GetTlsParams()) {
					ref := p.Ref(mesh.Listener, r.Name())
					ref.Path = chain.path()
					pass.Report(analyze.Finding{Ref: ref, Source: r.Source, Message: why + chain.serves()})
				}
			}
		}
	}
}

// serves completes a sentence with the server names of a chain.
func (c filterChain) serves() string {
	names := c.GetFilterChainMatch().GetServerNames()
	if len(names) == 0 {
		return ""
	}
	return " for " + listed(names, ", ")
}

func weakParameters(params *tlsv3.TlsParameters) []string {
	var out []string
	switch version := params.GetTlsMinimumProtocolVersion(); version {
	case tlsv3.TlsParameters_TLSv1_0, tlsv3.TlsParameters_TLSv1_1:
		out = append(out, fmt.Sprintf("%s is accepted", version))
	case tlsv3.TlsParameters_TLSv1_3:
		return nil
	}
	var weak []string
	for _, group := range params.GetCipherSuites() {
		for _, cipher := range strings.FieldsFunc(group, func(r rune) bool { return strings.ContainsRune("[|]", r) }) {
			if isWeakCipher(cipher) {
				weak = append(weak, cipher)
			}
		}
	}
	if len(weak) > 0 {
		slices.Sort(weak)
		out = append(out, fmt.Sprintf("cipher %s is accepted", listed(slices.Compact(weak), ", ")))
	}
	return out
}

// isWeakCipher knows the names of BoringSSL: "-SHA" at the end stands for a CBC mode
// with SHA-1.
func isWeakCipher(name string) bool {
	return strings.HasSuffix(name, "-SHA") || strings.Contains(name, "DES-CBC3") || strings.Contains(name, "3DES") ||
		strings.Contains(name, "RC4") || strings.Contains(name, "NULL")
}
