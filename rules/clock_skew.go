package rules

import (
	"fmt"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ClockSkew reports proxies that got a certificate before it was issued.
var ClockSkew = &analyze.Rule{
	Name:       "clock-skew",
	Code:       "TLS10",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Hygiene,
	Needs:      []analyze.Need{analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "a node's clock is behind that of the certificate authority",
		Finds: "NotBefore of the workload certificate (secret `default`), which the authority sets by its own clock while it issues, against `last_updated` of the secret, which Envoy sets by the clock of its node when the certificate arrives. " +
			"It arrived before it became valid, by more than a minute.",
		Hurts: "Until the node's clock reaches NotBefore, its peers' certificates are not valid for it and its own may not be for them: 503 with response flag UF, `CERTIFICATE_VERIFY_FAILED: certificate is not yet valid`. JWTs (`nbf`, `exp`) and log times are off as well.",
		Example: `"name": "default",
"last_updated": "2026-05-01T09:52:00Z" # the certificate: not before 2026-05-01T10:00:00Z`,
		Silent: "differences of less than a minute; a certificate that arrives long after it was issued, as after a restart; gateway certificates, which may be made in advance. istiod dates a certificate two minutes back, so that clocks are further apart than the message says.",
		Fix:    "check time synchronisation (NTP, chrony) of the pod's node and of those that run istiod or the external authority",
		References: []string{
			"https://github.com/istio/istio/issues/26225",
			"https://istio.io/latest/docs/ops/common-problems/security-issues/",
		},
	},
	Run: runClockSkew,
}

// tolerableSkew is what clocks that are kept in step may differ by.
const tolerableSkew = time.Minute

func runClockSkew(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		r := p.Active(mesh.Secret, workloadSecret)
		cert := workloadCertificate(pass, p)
		if cert == nil || r.Updated.IsZero() || !isIstio(p) {
			continue
		}
		ahead := cert.NotBefore.Sub(r.Updated)
		if ahead <= tolerableSkew {
			continue
		}
		pass.Report(analyze.Finding{
			Ref:     p.Ref(mesh.Secret, r.Name()),
			Source:  r.Source,
			Message: fmt.Sprintf("%s was delivered %s before it became valid: the node's clock is behind", identity(cert), age(ahead)),
			Essence: "behind",
			Evidence: []analyze.Evidence{
				{Name: "last_updated", Value: r.Updated.UTC().Format(time.RFC3339)},
				{Name: "valid from", Value: cert.NotBefore.UTC().Format(time.RFC3339)},
			},
		})
	}
}
