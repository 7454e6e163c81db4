package rules

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// CertExpired reports certificates that are not valid at the time of the capture.
var CertExpired = &analyze.Rule{
	Name:       "cert-expired",
	Code:       "TLS01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedCertificates, analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "a certificate in use is expired, or not valid yet",
		Finds: "NotBefore and NotAfter of every certificate in active secrets: the leaf and the intermediates of `tls_certificate.certificate_chain`, and the roots of `validation_context.trusted_ca`. " +
			"Where the dump has no secrets, `expiration_time` and `valid_from` of `/certs`, whose `days_until_expiration` is 0 for expired ones too. They are compared with the time of the capture.",
		Hurts: "TLS handshakes fail: clients of a gateway see a certificate error, calls within the mesh end with 503 and response flag UF (upstream connection failure), TLS_error CERTIFICATE_VERIFY_FAILED.",
		Example: `"name": "kubernetes://shop-cert",
"last_updated": "2026-11-22T07:47:06Z",
"secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": "..."}}} # NotAfter 2026-06-01`,
		Silent: "an expired certificate at the end of a chain, behind the intermediate that issued the leaf, is a warning: signed by an old root for a newer one, it is of no use to clients that trust the newer one itself. For a workload's certificate that is known, and it is an error where `ROOTCA` has no valid root of that name. " +
			"An expired root beside a valid one, left over from a rotation, is info; a start of validity up to five minutes ahead is the clocks' difference. Warming secrets are not used. " +
			"`/certs` lists contexts that are gone as well and is not read where the dump has secrets.",
		Fix: "renew the certificate; for a workload certificate see why istio-agent did not rotate it (its log, istiod's CA); for a gateway replace the secret that credentialName names",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/certs.proto",
			"https://istio.io/latest/docs/ops/common-problems/security-issues/",
		},
	},
	Run: runCertExpired,
}

// clockSkew is how far the clocks of a mesh may be apart.
const clockSkew = 5 * time.Minute

func runCertExpired(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if !p.Has(mesh.Secret) {
			certsFromAdmin(pass, p)
			continue
		}
		meshRoots := secretCertificates(pass, p.Active(mesh.Secret, workloadRoots)).roots
		for _, r := range p.Secrets {
			if r.State != mesh.Active {
				continue
			}
			secret := secretCertificates(pass, r)
			for _, c := range secret.judge(pass.Capture.AsOf, meshRoots) {
				c.report(pass, p, r.Name(), r.Source)
			}
		}
	}
}

// invalid is a certificate outside of its validity.
type invalid struct {
	role, subject, serial string
	from, until           time.Time
	asOf                  time.Time
	severity              analyze.Severity
}

func (c certificates) judge(asOf time.Time, meshRoots []*x509.Certificate) []invalid {
	var out []invalid
	for i, cert := range c.chain {
		role := "intermediate certificate"
		if i == 0 {
			role = "certificate"
		}
		bad := judge(role, cert, asOf)
		if i > 1 && i == len(c.chain)-1 && c.maySpare(cert, meshRoots, asOf) {
			for j := range bad {
				bad[j].severity = analyze.Warning
			}
		}
		out = append(out, bad...)
	}
	var badRoots []invalid
	for _, cert := range c.roots {
		badRoots = append(badRoots, judge("root certificate", cert, asOf)...)
	}
	if len(badRoots) < len(c.roots) {
		for i := range badRoots {
			badRoots[i].severity = analyze.Info
		}
	}
	return append(out, badRoots...)
}

// maySpare reports whether clients may do without the last certificate of the chain, as
// they may trust a root of the same name. What a workload's clients trust is known.
func (c certificates) maySpare(last *x509.Certificate, meshRoots []*x509.Certificate, asOf time.Time) bool {
	if spiffeID(c.leaf()).IsZero() {
		return true
	}
	return slices.ContainsFunc(meshRoots, func(root *x509.Certificate) bool {
		return bytes.Equal(root.RawSubject, last.RawSubject) && judge("", root, asOf) == nil
	})
}

func judge(role string, cert *x509.Certificate, asOf time.Time) []invalid {
	c := invalid{
		role: role, subject: identity(cert), serial: cert.SerialNumber.Text(16),
		from: cert.NotBefore, until: cert.NotAfter, asOf: asOf, severity: analyze.Error,
	}
	if c.valid() {
		return nil
	}
	return []invalid{c}
}

func (c invalid) valid() bool {
	return !c.asOf.After(c.until) && !c.asOf.Add(clockSkew).Before(c.from)
}

func (c invalid) report(pass *analyze.Pass, p *mesh.Proxy, name string, source mesh.Source) {
	f := analyze.Finding{
		Severity: c.severity,
		Ref:      p.Ref(mesh.Secret, name),
		Source:   source,
		Message:  fmt.Sprintf("%s %s expired %s ago, on %s", c.role, c.subject, age(c.asOf.Sub(c.until)), c.until.UTC().Format(time.RFC3339)),
		Essence:  c.role + "\x00" + c.subject,
		Evidence: []analyze.Evidence{
			{Name: "valid from", Value: c.from.UTC().Format(time.RFC3339)},
			{Name: "valid until", Value: c.until.UTC().Format(time.RFC3339)},
			{Name: "judged at", Value: c.asOf.UTC().Format(time.RFC3339)},
			{Name: "serial", Value: c.serial},
		},
	}
	if !c.asOf.After(c.until) {
		f.Message = fmt.Sprintf("%s %s is not valid before %s, in %s", c.role, c.subject, c.from.UTC().Format(time.RFC3339), age(c.from.Sub(c.asOf)))
		f.Fix = "check the clocks of the issuing host and of this pod's node"
	}
	switch c.severity {
	case analyze.Info:
		f.Message += "; valid roots stand beside it"
	case analyze.Warning:
		f.Confidence = analyze.Likely
		f.Message += "; clients that trust a root of that name do not need it"
	}
	pass.Report(f)
}

// certsFromAdmin judges what /certs lists.
func certsFromAdmin(pass *analyze.Pass, p *mesh.Proxy) {
	status, err := p.Certificates.Get()
	if err != nil {
		return
	}
	report := func(role string, details []*adminv3.CertificateDetails) {
		for _, d := range details {
			c := invalid{
				role: role, subject: adminIdentity(d), serial: d.GetSerialNumber(),
				from: d.GetValidFrom().AsTime(), until: d.GetExpirationTime().AsTime(),
				asOf: pass.Capture.AsOf, severity: analyze.Error,
			}
			if d.GetExpirationTime() != nil && !c.valid() {
				c.report(pass, p, "/certs", p.Certificates.Source)
			}
		}
	}
	for _, entry := range status.GetCertificates() {
		report("certificate", entry.GetCertChain())
		report("root certificate", entry.GetCaCert())
	}
}

func adminIdentity(d *adminv3.CertificateDetails) string {
	for _, san := range d.GetSubjectAltNames() {
		if name := cmp.Or(san.GetUri(), san.GetDns(), san.GetIpAddress()); name != "" {
			return name
		}
	}
	return "serial " + d.GetSerialNumber()
}
