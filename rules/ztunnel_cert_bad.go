package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ZtunnelCertBad reports identities for which a ztunnel has no valid certificate.
var ZtunnelCertBad = &analyze.Rule{
	Name:       "ztunnel-cert-bad",
	Code:       "MSH08",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedZtunnel},
	Doc: analyze.Doc{
		Title: "a ztunnel has no valid certificate for a workload that it serves",
		Finds: "`certificates[]` of a ztunnel's config_dump whose `state` begins with `Unavailable`, with the reason that ztunnel gives, and those that are `Available` with a certificate in `certChain` that has expired, or is not valid yet, at the time of the capture.",
		Hurts: "ztunnel cannot open or accept HBONE for pods of this identity: their connections to and from the mesh fail until the certificate comes.",
		Example: `{"identity": "spiffe://cluster.local/ns/shop/sa/cart",
 "state": "Unavailable: signing gRPC error (The service is currently unavailable)"}`,
		Silent: "`Initializing`, as after a start; `Unavailable: the identity is no longer needed`, which is said of pods that have gone; validity where the capture knows no time.",
		Fix:    "see why istiod does not sign: its log, the address that ztunnel calls (port 15012), and the root certificate that ztunnel trusts",
		References: []string{
			"https://istio.io/latest/docs/ambient/usage/troubleshoot-ztunnel/",
			"https://istio.io/latest/docs/ambient/architecture/data-plane/",
		},
	},
	Run: runZtunnelCertBad,
}

func runZtunnelCertBad(pass *analyze.Pass) {
	for p, dump := range pass.Capture.Ztunnels() {
		for _, c := range dump.Certificates {
			why := certificateFault(c, pass.Capture.AsOf)
			if why == "" {
				continue
			}
			pass.Report(analyze.Finding{
				Ref:      mesh.Ref{Proxy: p.Key(), Kind: mesh.Secret, Name: c.Identity},
				Source:   p.ZtunnelDump.Source,
				Message:  fmt.Sprintf("%s has no valid certificate: %s", c.Identity, why),
				Essence:  "no certificate",
				Evidence: []analyze.Evidence{{Name: "state", Value: c.State}},
			})
		}
	}
}

// certificateFault says what is wrong with the certificate; "" for nothing.
func certificateFault(c *mesh.ZtunnelCertificate, at time.Time) string {
	if c.Unavailable() {
		_, reason, _ := strings.Cut(c.State, "Unavailable")
		if strings.Contains(reason, "no longer needed") {
			return ""
		}
		if reason = strings.TrimLeft(reason, ": "); reason == "" {
			reason = "ztunnel gives no reason"
		}
		return strings.Join(strings.Fields(reason), " ")
	}
	if c.State != "Available" || at.IsZero() || len(c.Chain) == 0 {
		return ""
	}
	from, until, known := c.Chain[0].Validity()
	switch {
	case !known:
	case at.After(until):
		return fmt.Sprintf("it expired %s before the capture, at %s", age(at.Sub(until)), until.UTC().Format(time.RFC3339))
	case at.Before(from):
		return fmt.Sprintf("it is valid only from %s", from.UTC().Format(time.RFC3339))
	}
	return ""
}
