package rules

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// WeakCertificate reports certificates that peers refuse or should refuse, whatever
// their dates.
var WeakCertificate = &analyze.Rule{
	Name:       "weak-certificate",
	Code:       "TLS09",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "a certificate in use is weak or incomplete",
		Finds: "Certificates of active secrets with an RSA key below 2048 bits, or signed with MD5 or SHA-1; chains in which a certificate was not issued by the one that follows it; " +
			"a workload certificate (secret `default`) whose URI is no SPIFFE id; and, as info, leaves without any subject alternative name.",
		Hurts:   "Clients refuse it: browsers and Go ignore the common name (curl with OpenSSL still reads it), BoringSSL refuses short keys and SHA-1, and a chain out of order leaves clients without the intermediate (`unable to get local issuer certificate`). A workload without a SPIFFE id has no identity for AuthorizationPolicies, and peers that check names close the connection (503, UF).",
		Example: `"name": "kubernetes://legacy-cert" # RSA 1024, sha1WithRSAEncryption, CN=shop.example.com, no SAN`,
		Silent:  "the signature of a root, which nobody checks; a chain of one certificate, whose issuer may be a root that its clients have; workload certificates of other systems than Istio.",
		Fix:     "reissue the certificate: RSA 2048 or ECDSA P-256, SHA-256, its names as subject alternative names, the chain in order from the leaf to the last intermediate",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/",
			"https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md",
		},
	},
	Run: runWeakCertificate,
}

// certWeakness is what is wrong with one certificate of a secret.
type certWeakness struct {
	cert     *x509.Certificate
	role     string
	why      string
	severity analyze.Severity
}

func runWeakCertificate(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, r := range p.Secrets {
			if r.State != mesh.Active {
				continue
			}
			c := secretCertificates(pass, r)
			found := c.weaknesses()
			if leaf := c.leaf(); leaf != nil && r.Name() == workloadSecret && isIstio(p) {
				found = append(found, identityWeakness(leaf)...)
			}
			for _, w := range found {
				pass.Report(analyze.Finding{
					Severity: w.severity,
					Ref:      p.Ref(mesh.Secret, r.Name()),
					Source:   r.Source,
					Message:  fmt.Sprintf("%s %s %s", w.role, identity(w.cert), w.why),
					Evidence: []analyze.Evidence{
						{Name: "subject", Value: w.cert.Subject.String()},
						{Name: "serial", Value: w.cert.SerialNumber.Text(16)},
					},
				})
			}
		}
	}
}

// isIstio reports whether istio-agent provides the proxy's secrets.
func isIstio(p *mesh.Proxy) bool {
	return p.Kind == mesh.Sidecar || p.Kind == mesh.Gateway || p.Kind == mesh.Waypoint
}

func (c certificates) weaknesses() []certWeakness {
	var out []certWeakness
	for i, cert := range c.chain {
		role := "intermediate certificate"
		if i == 0 {
			role = "certificate"
		}
		out = append(out, keyWeakness(role, cert)...)
		if why := signatureWeakness(cert); why != "" && !isSelfSigned(cert) {
			out = append(out, certWeakness{cert, role, why, analyze.Warning})
		}
	}
	if leaf := c.leaf(); leaf != nil && len(namesOf(leaf)) == 0 {
		out = append(out, certWeakness{leaf, "certificate", "has no subject alternative name, and most clients ignore its common name", analyze.Info})
	}
	for i := 1; i < len(c.chain); i++ {
		if !slices.Equal(c.chain[i-1].RawIssuer, c.chain[i].RawSubject) {
			out = append(out, certWeakness{c.chain[i-1], "certificate", fmt.Sprintf("is followed by %s, which did not issue it: its issuer is %s", c.chain[i].Subject, c.chain[i-1].Issuer), analyze.Warning})
		}
	}
	for _, cert := range c.roots {
		out = append(out, keyWeakness("root certificate", cert)...)
	}
	return out
}

const wantedBits = 2048

func keyWeakness(role string, cert *x509.Certificate) []certWeakness {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() >= wantedBits {
		return nil
	}
	return []certWeakness{{cert, role, fmt.Sprintf("has an RSA key of %d bits, want %d", key.N.BitLen(), wantedBits), analyze.Warning}}
}

func signatureWeakness(cert *x509.Certificate) string {
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1:
		return "is signed with " + cert.SignatureAlgorithm.String()
	}
	return ""
}

// identityWeakness says what keeps a workload's certificate from being an SVID.
func identityWeakness(leaf *x509.Certificate) []certWeakness {
	why := ""
	switch len(leaf.URIs) {
	case 0:
		why = "has no SPIFFE id: its workload has no identity in the mesh"
	case 1:
		if _, err := spiffeid.FromURI(leaf.URIs[0]); err != nil {
			why = "has no valid SPIFFE id: " + err.Error()
		}
	default:
		why = fmt.Sprintf("has %d URI names, and an identity is exactly one", len(leaf.URIs))
	}
	if why == "" {
		return nil
	}
	return []certWeakness{{leaf, "workload certificate", why, analyze.Warning}}
}
