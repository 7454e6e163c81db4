package rules

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// GatewayCertDoesNotCoverSNI reports filter chains whose certificate is for other
// names than those that they serve.
var GatewayCertDoesNotCoverSNI = &analyze.Rule{
	Name:       "gateway-cert-does-not-cover-sni",
	Code:       "TLS06",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "a certificate does not cover the host names that it is served for",
		Finds: "`filter_chain_match.server_names` of chains that end TLS, against the DNS subject alternative names of the certificates that the chain shows (RFC 6125: a wildcard stands for one label). None of them covers the name. " +
			"Of a wildcard server name (`*.example.com`) clients may well ask for the names only that the certificate has: that is info.",
		Hurts: "Clients that verify refuse the connection: browsers say ERR_CERT_COMMON_NAME_INVALID, curl \"no alternative certificate subject name matches target host name\". Envoy sees a TLS alert and logs no request. A load balancer in front that does not verify its backends does not mind.",
		Example: `"filter_chain_match": {"server_names": ["api.example.com"]},
"tls_certificate_sds_secret_configs": [{"name": "kubernetes://shop-cert"}] # DNS: shop.example.com`,
		Silent: "chains without server names, whose hosts are not known; pass-through chains; mutual TLS of meshes other than Istio, whose clients verify names of their own; certificates that are for workloads (a SPIFFE id and no DNS name, or the secret `default` of a server with ISTIO_MUTUAL), which other proxies verify by their id; certificates without any name, which `weak-certificate` has; secrets that are not in the capture.",
		Fix:    "reissue the certificate for the hosts of the Gateway's server, or correct credentialName or the hosts",
		References: []string{
			"https://www.rfc-editor.org/rfc/rfc6125#section-6.4",
			"https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/",
		},
	},
	Run: runGatewayCertDoesNotCoverSNI,
}

func runGatewayCertDoesNotCoverSNI(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, r := range activeListeners(p) {
			for _, chain := range filterChains(pass, r) {
				if chain.tls == nil || chain.tls.GetRequireClientCertificate().GetValue() && p.Kind != mesh.Gateway {
					continue
				}
				certs := publicCertificates(shownCertificates(pass, p, chain.tls.GetCommonTlsContext()))
				if len(certs) > 0 {
					reportUncovered(pass, p, r, chain, certs)
				}
			}
		}
	}
}

// publicCertificates are the certificates for clients that verify host names; nil
// where one of them is for workloads.
func publicCertificates(all []shown) []shown {
	for _, s := range all {
		if len(s.leaf().DNSNames) == 0 || s.secret != nil && s.secret.Name() == workloadSecret {
			return nil
		}
	}
	return all
}

func reportUncovered(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, chain filterChain, certs []shown) {
	var uncovered, partly []string
	for _, name := range chain.GetFilterChainMatch().GetServerNames() {
		switch {
		case covered(certs, name):
		case strings.HasPrefix(name, "*."):
			partly = append(partly, name)
		default:
			uncovered = append(uncovered, name)
		}
	}
	names := dnsNames(certs)
	ref := p.Ref(mesh.Listener, r.Name())
	ref.Path = chain.path()
	f := analyze.Finding{
		Ref: ref, Source: r.Source, Object: istioObject(chain.GetMetadata()),
		Evidence: []analyze.Evidence{{Name: "certificate is for", Value: strings.Join(names, ", ")}},
	}
	for _, s := range certs {
		if s.secret != nil {
			f.Related = append(f.Related, analyze.Location{Ref: p.Ref(mesh.Secret, s.secret.Name()), Source: s.secret.Source, Message: "the certificate"})
		}
	}
	if len(uncovered) > 0 {
		f.Message = fmt.Sprintf("%s is served with a certificate for %s only", listed(uncovered, ", "), listed(names, ", "))
		pass.Report(f)
	}
	if len(partly) > 0 {
		f.Severity = analyze.Info
		f.Message = fmt.Sprintf("%s is served with a certificate for %s only: other names fail", listed(partly, ", "), listed(names, ", "))
		pass.Report(f)
	}
}

// covered reports whether one of the certificates is good for a server name. A
// wildcard is covered by itself.
func covered(certs []shown, name string) bool {
	return slices.ContainsFunc(certs, func(s shown) bool { return covers(s.leaf(), name) })
}

func covers(cert *x509.Certificate, name string) bool {
	if strings.HasPrefix(name, "*.") {
		return slices.ContainsFunc(cert.DNSNames, func(have string) bool { return strings.EqualFold(have, name) })
	}
	return cert.VerifyHostname(name) == nil
}

func dnsNames(certs []shown) []string {
	var names []string
	for _, s := range certs {
		names = append(names, s.leaf().DNSNames...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
