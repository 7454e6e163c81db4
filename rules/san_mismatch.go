package rules

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// SANMismatch reports clusters that expect another identity than the sidecars of
// their endpoints have.
var SANMismatch = &analyze.Rule{
	Name:       "san-mismatch",
	Code:       "TLS04",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "a cluster expects an identity that its endpoints do not have",
		Finds: "`match_typed_subject_alt_names` and `match_subject_alt_names` of the `UpstreamTlsContext` with which a cluster that is routed to connects, against the subject alternative names of the certificate that the endpoint's sidecar shows: " +
			"the SDS secret that its inbound filter chain names. None of the matchers fits any of the names.",
		Hurts: "The client refuses the server's certificate: 503 with response flag UF and `TLS_error: ... CERTIFICATE_VERIFY_FAILED: SAN matcher`.",
		Example: `"match_typed_subject_alt_names": [
  {"san_type": "URI", "matcher": {"exact": "spiffe://cluster.local/ns/shop/sa/cart"}}
] # the pod runs as spiffe://cluster.local/ns/shop/sa/default`,
		Silent: "a cluster without matchers accepts any name; it is enough that one matcher fits one name, since a Service may have pods of several service accounts; endpoints whose proxy or certificate is not in the capture are not judged.",
		Fix:    "correct the serviceAccount of the pods, or the subjectAltNames of the DestinationRule or ServiceEntry; after a change of service account see whether istiod still sends the old one",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto",
			"https://istio.io/latest/docs/concepts/security/#secure-naming",
			"https://github.com/istio/istio/issues/60626",
		},
	},
	Run: runSANMismatch,
}

func runSANMismatch(pass *analyze.Pass) {
	for _, way := range sidecarConnections(pass) {
		if !slices.Contains(pass.Proxies, way.client) {
			continue
		}
		var refused []analyze.Location
		var certificate *x509.Certificate
		var expected, matchers []nameMatcher
		var of *tlsv3.UpstreamTlsContext // what matchers were compiled of: usually one for all peers
		for i := range way.peers {
			c := &way.peers[i]
			server, ok := c.shakesHands()
			if !ok {
				continue
			}
			if c.Context != of {
				of, matchers = c.Context, expectedNames(way.client, c.Context)
			}
			cert := unexpected(shownCertificates(pass, c.Proxy, server), matchers)
			if cert == nil {
				continue
			}
			if certificate == nil {
				certificate, expected = cert, matchers
			}
			refused = append(refused, c.location(fmt.Sprintf("%s shows %s", c.Address, identity(cert))))
		}
		if certificate != nil {
			reportSANs(pass, &way, expected, certificate, refused)
		}
	}
}

func reportSANs(pass *analyze.Pass, way *connections, expected []nameMatcher, cert *x509.Certificate, refused []analyze.Location) {
	texts := make([]string, len(expected))
	for i, m := range expected {
		texts[i] = m.text
	}
	pass.Report(analyze.Finding{
		Ref:     way.client.Ref(mesh.Cluster, way.cluster.Name()),
		Source:  way.cluster.Source,
		Message: fmt.Sprintf("%s expects %s, but its endpoints show %s", way.cluster.Name(), listed(texts, " or "), identity(cert)),
		Object:  clusterObject(way.cluster),
		Evidence: []analyze.Evidence{
			{Name: "expected", Value: strings.Join(texts, ", ")},
			{Name: "shown", Value: strings.Join(namesOf(cert), ", ")},
			{Name: "refused", Value: fmt.Sprintf("%d of the %d captured endpoints", len(refused), len(way.peers))},
		},
		Related: refused,
	})
}

// expectedNames are the conditions of a client on the server's certificate, of which
// one has to fit.
func expectedNames(client *mesh.Proxy, context *tlsv3.UpstreamTlsContext) []nameMatcher {
	var matchers []nameMatcher
	for _, context := range validationOf(client, context.GetCommonTlsContext()).contexts {
		matchers = append(matchers, nameMatchers(context)...)
	}
	return matchers
}

// unexpected returns the server's certificate if none of the matchers fits it; nil
// where one does, or where the capture cannot tell.
func unexpected(certs []shown, matchers []nameMatcher) *x509.Certificate {
	if len(matchers) == 0 || len(certs) == 0 {
		return nil
	}
	for _, m := range matchers {
		for _, s := range certs {
			if m.fits(s.leaf()) {
				return nil
			}
		}
	}
	return certs[0].leaf()
}

// nameMatcher is one condition on the subject alternative names of a certificate.
type nameMatcher struct {
	kind    tlsv3.SubjectAltNameMatcher_SanType // unspecified for any
	matcher *match.String
	text    string
}

func nameMatchers(context *tlsv3.CertificateValidationContext) []nameMatcher {
	var out []nameMatcher
	for _, m := range context.GetMatchTypedSubjectAltNames() {
		out = append(out, nameMatcher{m.GetSanType(), match.CompileString(m.GetMatcher()), matcherText(m.GetMatcher())})
	}
	for _, m := range context.GetMatchSubjectAltNames() {
		out = append(out, nameMatcher{matcher: match.CompileString(m), text: matcherText(m)})
	}
	return out
}

func matcherText(m *matcherv3.StringMatcher) string {
	switch pattern := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return pattern.Exact
	case *matcherv3.StringMatcher_Prefix:
		return pattern.Prefix + "*"
	case *matcherv3.StringMatcher_Suffix:
		return "*" + pattern.Suffix
	case *matcherv3.StringMatcher_Contains:
		return "*" + pattern.Contains + "*"
	case *matcherv3.StringMatcher_SafeRegex:
		return "regex " + pattern.SafeRegex.GetRegex()
	}
	return "a custom matcher"
}

// fits reports whether a name of the certificate fulfils the condition, or may do.
func (m nameMatcher) fits(cert *x509.Certificate) bool {
	anyKind := m.kind == tlsv3.SubjectAltNameMatcher_SAN_TYPE_UNSPECIFIED
	var names []string
	if anyKind || m.kind == tlsv3.SubjectAltNameMatcher_URI {
		for _, uri := range cert.URIs {
			names = append(names, uri.String())
		}
	}
	if anyKind || m.kind == tlsv3.SubjectAltNameMatcher_DNS {
		if cert.VerifyHostname(m.text) == nil {
			return true // a wildcard of the certificate covers the name
		}
		names = append(names, cert.DNSNames...)
	}
	if anyKind || m.kind == tlsv3.SubjectAltNameMatcher_EMAIL {
		names = append(names, cert.EmailAddresses...)
	}
	if anyKind || m.kind == tlsv3.SubjectAltNameMatcher_IP_ADDRESS {
		for _, ip := range cert.IPAddresses {
			names = append(names, ip.String())
		}
	}
	otherName := m.kind > tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	return otherName || slices.ContainsFunc(names, func(name string) bool { return m.matcher.Match(name).Outcome != match.No })
}

// namesOf are the subject alternative names of a certificate.
func namesOf(cert *x509.Certificate) []string {
	var names []string
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	names = append(names, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return append(names, cert.EmailAddresses...)
}

const namesInMessage = 3

// listed joins names for a sentence, the first few of them.
func listed(names []string, separator string) string {
	if len(names) <= namesInMessage {
		return strings.Join(names, separator)
	}
	return fmt.Sprintf("%s%sone of %d more", strings.Join(names[:namesInMessage], separator), separator, len(names)-namesInMessage)
}
