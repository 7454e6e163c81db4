package rules

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// certificates are those of one secret.
type certificates struct {
	// chain is a certificate with its intermediates, the leaf first.
	chain []*x509.Certificate
	// roots are the trusted authorities of a secret without trust domains.
	roots []*x509.Certificate
	// domains are the roots by trust domain, of a SPIFFE validator; nil without one.
	domains map[string][]*x509.Certificate
}

// secretCertificates returns what can be read of a secret: nothing of one that is
// redacted, damaged or names files.
func secretCertificates(pass *analyze.Pass, r *mesh.Resource) certificates {
	if r == nil || r.Content == nil {
		return certificates{}
	}
	return analyze.Once(pass, r.Content, func() certificates { return readSecret(r) })
}

func readSecret(r *mesh.Resource) certificates {
	secret, err := r.Secret()
	if err != nil {
		return certificates{}
	}
	c := readValidation(secret.GetValidationContext())
	c.chain = parsePEM(secret.GetTlsCertificate().GetCertificateChain())
	return c
}

func readValidation(context *tlsv3.CertificateValidationContext) certificates {
	c := certificates{roots: parsePEM(context.GetTrustedCa())}
	validator := context.GetCustomValidatorConfig()
	spiffe, ok := mesh.Unpack(validator.GetName(), validator.GetTypedConfig()).Config.(*tlsv3.SPIFFECertValidatorConfig)
	if !ok {
		return c
	}
	c.domains = map[string][]*x509.Certificate{}
	for _, domain := range spiffe.GetTrustDomains() {
		c.domains[domain.GetName()] = parsePEM(domain.GetTrustBundle())
	}
	return c
}

// parsePEM returns the certificates that can be read. What cannot be, such as a
// redacted one, has nothing to judge.
func parsePEM(source *corev3.DataSource) []*x509.Certificate {
	raw := source.GetInlineBytes()
	if len(raw) == 0 {
		raw = []byte(source.GetInlineString())
	}
	var out []*x509.Certificate
	for {
		block, rest := pem.Decode(bytes.TrimSpace(raw))
		if block == nil {
			return out
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, cert)
		}
		raw = rest
	}
}

// leaf is the certificate that is shown to peers; nil where none can be read.
func (c certificates) leaf() *x509.Certificate {
	if len(c.chain) == 0 {
		return nil
	}
	return c.chain[0]
}

// identity is whom the certificate is for: its SPIFFE id, its DNS names, or its
// subject.
func identity(cert *x509.Certificate) string {
	if len(cert.URIs) > 0 {
		return cert.URIs[0].String()
	}
	if len(cert.DNSNames) > 0 {
		return slices.Min(cert.DNSNames)
	}
	return cmp.Or(cert.Subject.CommonName, cert.Subject.String(), "serial "+cert.SerialNumber.Text(16))
}

// spiffeID is the SPIFFE id of a workload's certificate; the zero ID where it has
// none, or not exactly one.
func spiffeID(cert *x509.Certificate) spiffeid.ID {
	if cert == nil || len(cert.URIs) != 1 {
		return spiffeid.ID{}
	}
	id, err := spiffeid.FromURI(cert.URIs[0])
	if err != nil {
		return spiffeid.ID{}
	}
	return id
}

// workloadSecret and workloadRoots are the names under which istio-agent hands out
// the workload's own certificate and the roots of the mesh.
const (
	workloadSecret = "default"
	workloadRoots  = "ROOTCA"
)

// workloadCertificate is the certificate of the workload that a proxy belongs to;
// nil where the capture does not have it.
func workloadCertificate(pass *analyze.Pass, p *mesh.Proxy) *x509.Certificate {
	return secretCertificates(pass, p.Active(mesh.Secret, workloadSecret)).leaf()
}

// isSelfSigned reports whether a certificate is its own issuer.
func isSelfSigned(cert *x509.Certificate) bool { return bytes.Equal(cert.RawSubject, cert.RawIssuer) }
