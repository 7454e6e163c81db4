package rules

import (
	"bytes"
	"cmp"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// UpstreamTLSUnverified reports clusters that encrypt and do not check to whom.
var UpstreamTLSUnverified = &analyze.Rule{
	Name:       "upstream-tls-unverified",
	Code:       "CLU10",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a cluster encrypts its connections but does not verify the server",
		Finds: "The `UpstreamTlsContext` of active clusters that a listener or route leads to, in `transport_socket` and `transport_socket_matches`: without `trusted_ca`, a validation secret, system roots, a certificate provider, a custom validator or pinned certificates (`verify_certificate_hash`, `verify_certificate_spki`), or with `trust_chain_verification: ACCEPT_UNTRUSTED`.",
		Hurts: "Requests work, and anyone in between can show any certificate, read and change them.",
		Example: `"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
  "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
  "sni": "api.example.com", "common_tls_context": {} # nothing to verify with
}}`,
		Silent: "Istio's own mutual TLS (`ROOTCA` by SDS), `file-root:` secrets, `system_root_certs`; a secret that is named but not in the capture; clusters that nothing leads to.",
		Fix:    "set caCertificates (or credentialName) in the DestinationRule's tls, or update Istio: since 1.21 the system's roots are used where it names none (VERIFY_CERTIFICATE_AT_CLIENT)",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/security/ssl",
			"https://istio.io/latest/docs/ops/best-practices/security/",
			"https://github.com/istio/istio/issues/42790",
		},
	},
	Run: runUpstreamTLSUnverified,
}

func runUpstreamTLSUnverified(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, c := range usedClusters(pass, p) {
			why := analyze.Once(pass, c.Content, func() unverified { return unverifiedTLS(c.Resource) })
			if why != "" {
				reportUnverified(pass, p, c.Resource, string(why), c.refs)
			}
		}
	}
}

func reportUnverified(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, why string, uses []placed) {
	f := analyze.Finding{
		Ref: p.Ref(mesh.Cluster, r.Name()), Source: r.Source, Object: clusterObject(r),
		Message: r.Name() + " " + why,
	}
	for _, use := range uses {
		f.Related = append(f.Related, use.location(p, string(use.use)))
	}
	pass.Report(f)
}

// unverified says why the server of a cluster is not verified; "" if it is.
type unverified string

func unverifiedTLS(r *mesh.Resource) unverified {
	if !mayBeUnverified(r) {
		return ""
	}
	cluster, err := r.Cluster()
	if err != nil {
		return ""
	}
	for _, context := range upstreamContexts(cluster) {
		if why := unverifiedContext(context.GetCommonTlsContext()); why != "" {
			return why
		}
	}
	return ""
}

// mayBeUnverified looks at the text first: a mesh has thousands of clusters, all of
// which have a validation secret for each TLS context, and decoding one is dear.
func mayBeUnverified(r *mesh.Resource) bool {
	count := func(text string) int { return bytes.Count(r.Raw(), []byte(text)) }
	contexts := count("UpstreamTlsContext")
	secrets := count(`"validation_context_sds_secret_config"`) + count(`"validationContextSdsSecretConfig"`)
	return contexts > secrets || count("ACCEPT_UNTRUSTED") > 0 || count(`"tls_context"`)+count(`"tlsContext"`) > 0
}

// upstreamContexts are the TLS contexts with which a cluster may connect.
func upstreamContexts(cluster *clusterv3.Cluster) []*tlsv3.UpstreamTlsContext {
	sockets := []*corev3.TransportSocket{cluster.GetTransportSocket()}
	for _, m := range cluster.GetTransportSocketMatches() {
		sockets = append(sockets, m.GetTransportSocket())
	}
	var out []*tlsv3.UpstreamTlsContext
	for _, socket := range sockets {
		if context, ok := mesh.TransportSocket(socket).Config.(*tlsv3.UpstreamTlsContext); ok {
			out = append(out, context)
		}
	}
	return out
}

func unverifiedContext(common *tlsv3.CommonTlsContext) unverified {
	combined := common.GetCombinedValidationContext()
	secret := cmp.Or(common.GetValidationContextSdsSecretConfig().GetName(), combined.GetValidationContextSdsSecretConfig().GetName())
	contexts := []*tlsv3.CertificateValidationContext{common.GetValidationContext(), combined.GetDefaultValidationContext()}
	verifies := secret != ""
	for _, c := range contexts {
		if c.GetTrustChainVerification() == tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED {
			return "accepts a certificate that nobody it trusts has signed (ACCEPT_UNTRUSTED)"
		}
		verifies = verifies || c.GetTrustedCa() != nil || c.GetSystemRootCerts() != nil || c.GetCaCertificateProviderInstance() != nil ||
			c.GetCustomValidatorConfig() != nil || len(c.GetVerifyCertificateHash())+len(c.GetVerifyCertificateSpki()) > 0
	}
	if verifies || common.GetValidationContextCertificateProviderInstance() != nil || common.GetValidationContextCertificateProvider() != nil ||
		combined.GetValidationContextCertificateProviderInstance() != nil || combined.GetValidationContextCertificateProvider() != nil {
		return ""
	}
	return "connects with TLS and does not verify the server: its TLS context names no roots"
}
