package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// TrustDomainMismatch reports sidecars that accept no client of a trust domain from
// which they are called.
var TrustDomainMismatch = &analyze.Rule{
	Name:       "trust-domain-mismatch",
	Code:       "TLS05",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints, analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "a sidecar does not accept the trust domain of its callers",
		Finds: "The SPIFFE id in the workload certificate of every proxy that is routed to a sidecar of the capture by mutual TLS, against what the sidecar's inbound filter chain accepts: " +
			"`match_subject_alt_names` (istiod writes a prefix `spiffe://TRUSTDOMAIN/` for each trust domain and alias of the mesh), or the trust domains of a SPIFFE `custom_validator_config`.",
		Hurts: "The server ends the handshake: 503 with response flag UF or UC at the client, `ssl.fail_verify_san` at the server. Typical after a change of trustDomain, and between clusters of two meshes.",
		Example: `"match_subject_alt_names": [{"prefix": "spiffe://cluster.local/"}]
# the caller's certificate: spiffe://old.example.com/ns/shop/sa/cart`,
		Silent: "callers whose certificate is not in the capture; chains that match no names (gateways, or PILOT_SKIP_VALIDATE_TRUST_DOMAIN); trust domains that are listed as aliases.",
		Fix:    "add the domain to trustDomainAliases of the mesh's configuration and, if it has roots of its own, those to caCertificates; restart the workloads that still have certificates of an old domain",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-td-migration/",
			"https://github.com/istio/istio/issues/39204",
			"https://github.com/istio/istio/issues/30349",
		},
	},
	Run: runTrustDomainMismatch,
}

// refusedDomain is a trust domain that a sidecar does not accept.
type refusedDomain struct {
	connection *connection
	domain     string
	callers    []analyze.Location
}

func runTrustDomainMismatch(pass *analyze.Pass) {
	var order []*refusedDomain
	for _, way := range sidecarConnections(pass) {
		id := spiffeID(workloadCertificate(pass, way.client))
		if id.IsZero() {
			continue
		}
		for i := range way.peers {
			c := &way.peers[i]
			if c.TLS.Mode != "mtls" || c.Verdict != trace.TLSMismatch || c.Chain == nil {
				continue
			}
			domain := id.TrustDomain().Name()
			at := slices.IndexFunc(order, func(r *refusedDomain) bool { return r.connection.Proxy == c.Proxy && r.domain == domain })
			if at < 0 {
				at = len(order)
				order = append(order, &refusedDomain{connection: c, domain: domain})
			}
			ref := way.client.Ref(mesh.Cluster, way.cluster.Name())
			order[at].callers = append(order[at].callers, analyze.Location{Ref: ref, Source: way.cluster.Source, Message: "calls it as " + id.String()})
		}
	}
	for _, r := range order {
		r.report(pass)
	}
}

func (r *refusedDomain) report(pass *analyze.Pass) {
	here := r.connection.location("")
	here.Ref.Path = ""
	f := analyze.Finding{
		Ref:      here.Ref,
		Source:   here.Source,
		Message:  fmt.Sprintf("%s, the trust domain of callers, is not accepted", r.domain),
		Evidence: []analyze.Evidence{{Name: "refusal", Value: r.connection.Reason}},
		Related:  r.callers,
	}
	if accepted := acceptedNames(r.connection); len(accepted) > 0 {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "accepted", Value: strings.Join(accepted, ", ")})
		f.Message += ": only " + listed(accepted, ", ")
	}
	pass.Report(f)
}

// acceptedNames are the conditions of the server on the names of its clients.
func acceptedNames(c *connection) []string {
	server, ok := c.shakesHands()
	if !ok {
		return nil
	}
	var names []string
	for _, context := range validationOf(c.Proxy, server).contexts {
		for _, m := range nameMatchers(context) {
			names = append(names, m.text)
		}
		for domain := range readValidation(context).domains {
			names = append(names, "spiffe://"+domain)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
