package rules

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// CertExpiring reports certificates that should have been renewed by now.
var CertExpiring = &analyze.Rule{
	Name:       "cert-expiring",
	Code:       "TLS02",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedCertificates, analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "a certificate in use expires soon and was not renewed",
		Finds: "Certificates of active secrets that are valid at the time of the capture, but not for long: less than a quarter of their lifetime is left, or 30 days where a quarter is more. " +
			"Leaves and intermediates of `tls_certificate.certificate_chain`, and roots of `validation_context.trusted_ca`.",
		Hurts: "Nothing yet. When it expires, handshakes fail: 503 with response flag UF within the mesh, certificate errors at a gateway. istio-agent renews a workload's certificate at half of its lifetime, cert-manager at two thirds, so that a quarter left means that renewal does not work.",
		Example: `# secret default, 24h certificate
not before 2026-05-01T10:00:00Z
not after  2026-05-02T10:00:00Z # captured 2026-05-02T06:00:00Z`,
		Silent: "a root that expires beside one that lasts, as in a rotation; expired certificates, which `cert-expired` has; warming secrets; `/certs` without secrets, which does not tell certificates in use from those of contexts that are gone.",
		Fix:    "see why it is not renewed: istio-agent's log and its connection to istiod for a workload certificate, cert-manager or whoever made the secret for a gateway; a plugged-in CA is not rotated by Istio at all",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/",
			"https://github.com/istio/istio/issues/28575",
			"https://github.com/istio/istio/issues/22993",
		},
	},
	Run: runCertExpiring,
}

const (
	// renewalPart is the part of a lifetime in which a certificate must be new already.
	renewalPart = 4
	// renewalLimit is enough time to renew any certificate by hand.
	renewalLimit = 30 * 24 * time.Hour
)

func runCertExpiring(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, r := range p.Secrets {
			if r.State != mesh.Active {
				continue
			}
			c := secretCertificates(pass, r)
			for i, cert := range c.chain {
				role := "intermediate certificate"
				if i == 0 {
					role = "certificate"
				}
				reportExpiring(pass, p, r, role, cert)
			}
			if lasting(pass, c.roots) {
				continue
			}
			for _, cert := range c.roots {
				reportExpiring(pass, p, r, "root certificate", cert)
			}
		}
	}
}

// lasting reports whether one of the roots need not be replaced yet.
func lasting(pass *analyze.Pass, roots []*x509.Certificate) bool {
	for _, cert := range roots {
		if left, limit := lifetime(cert, pass.Capture.AsOf); left >= limit {
			return true
		}
	}
	return false
}

// lifetime returns how long a certificate is still valid, and for how long it
// should be.
func lifetime(cert *x509.Certificate, asOf time.Time) (left, limit time.Duration) {
	return cert.NotAfter.Sub(asOf), min(cert.NotAfter.Sub(cert.NotBefore)/renewalPart, renewalLimit)
}

func reportExpiring(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, role string, cert *x509.Certificate) {
	left, limit := lifetime(cert, pass.Capture.AsOf)
	if left < 0 || left >= limit || pass.Capture.AsOf.Before(cert.NotBefore) {
		return
	}
	pass.Report(analyze.Finding{
		Ref:     p.Ref(mesh.Secret, r.Name()),
		Source:  r.Source,
		Message: fmt.Sprintf("%s %s expires in %s, on %s, of a lifetime of %s", role, identity(cert), age(left), cert.NotAfter.UTC().Format(time.RFC3339), age(cert.NotAfter.Sub(cert.NotBefore))),
		Essence: role + "\x00" + identity(cert),
		Evidence: []analyze.Evidence{
			{Name: "valid from", Value: cert.NotBefore.UTC().Format(time.RFC3339)},
			{Name: "valid until", Value: cert.NotAfter.UTC().Format(time.RFC3339)},
			{Name: "judged at", Value: pass.Capture.AsOf.UTC().Format(time.RFC3339)},
			{Name: "serial", Value: cert.SerialNumber.Text(16)},
		},
	})
}
