package rules

import (
	"fmt"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// MTLSModeMismatch reports clusters that connect in a way that the sidecar at the
// other end refuses.
var MTLSModeMismatch = &analyze.Rule{
	Name:       "mtls-mode-mismatch",
	Code:       "MSH02",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "a client and the sidecar at the other end do not agree on mutual TLS",
		Finds: "For every cluster that an active listener or route leads to, and every endpoint of it whose sidecar is in the capture: what the client speaks, by `transport_socket_matches` and the endpoint's `envoy.transport_socket_match` metadata, else by `transport_socket`; " +
			"and which of the server's inbound `filter_chains` takes such a connection. Found are cleartext or one-sided TLS to a chain that requires a client certificate, and mutual TLS to a chain that takes cleartext only.",
		Hurts: "The connection is closed in or before the handshake: 503 with response flag UF (upstream connection failure) or UC at the client, and at the server NR with `filter_chain_not_found`, TLS errors, or 400 and DPE where HTTP gets a handshake.",
		Example: `# client: DestinationRule with tls DISABLE
{"name": "outbound|9080||reviews.default.svc.cluster.local", "type": "EDS"} # no transport_socket
# server: PeerAuthentication STRICT, every filter chain of 9080:
"filter_chain_match": {"destination_port": 9080, "transport_protocol": "tls"}`,
		Silent: "endpoints whose proxy is not in the capture, or whose address several captured proxies have; gateways and waypoints as servers, and endpoints behind an HBONE tunnel; servers that take both (PERMISSIVE); ports with a mode of their own, since each endpoint is asked for its own port. " +
			"Clusters of type ORIGINAL_DST have no endpoints: see `headless-plaintext-to-strict`.",
		Fix: "make the two agree: the DestinationRule's trafficPolicy.tls of the client (ISTIO_MUTUAL, or none at all for auto mTLS) and the PeerAuthentication of the server",
		References: []string{
			"https://istio.io/latest/docs/concepts/security/#mutual-tls-authentication",
			"https://istio.io/latest/docs/ops/common-problems/network-issues/",
			"https://github.com/istio/istio/issues/25062",
		},
	},
	Run: runMTLSModeMismatch,
}

func runMTLSModeMismatch(pass *analyze.Pass) {
	for _, way := range sidecarConnections(pass) {
		if !slices.Contains(pass.Proxies, way.client) {
			continue
		}
		byReason := map[string][]*connection{}
		var order []string
		for i := range way.peers {
			c := &way.peers[i]
			reason := modeMismatch(c)
			if reason == "" {
				continue
			}
			if byReason[reason] == nil {
				order = append(order, reason)
			}
			byReason[reason] = append(byReason[reason], c)
		}
		for _, reason := range order {
			reportModes(pass, &way, reason, byReason[reason])
		}
	}
}

func reportModes(pass *analyze.Pass, way *connections, reason string, refused []*connection) {
	f := analyze.Finding{
		Ref:     way.client.Ref(mesh.Cluster, way.cluster.Name()),
		Source:  way.cluster.Source,
		Message: way.cluster.Name() + " " + reason,
		Essence: reason,
		Object:  clusterObject(way.cluster),
		Evidence: []analyze.Evidence{
			{Name: "client", Value: spoken(refused[0].TLS)},
			{Name: "refused by", Value: fmt.Sprintf("%d of the %d captured endpoints", len(refused), len(way.peers))},
		},
	}
	for _, c := range refused {
		f.Related = append(f.Related, c.location("refuses "+c.Address.String()))
	}
	for _, use := range way.uses {
		f.Related = append(f.Related, use.location(way.client, string(use.use)))
	}
	pass.Report(f)
}

// modeMismatch completes the sentence that begins with the cluster; "" if the
// connection comes about, or fails for other reasons.
func modeMismatch(c *connection) string {
	refused := c.Verdict == trace.TLSMismatch
	switch {
	case refused && c.TLS.Mode == "plaintext":
		return "is called in plaintext, but the sidecars of its endpoints take mutual TLS only"
	case refused && c.TLS.Mode == "tls" && c.Chain != nil:
		return "is called with TLS but without a client certificate, and the sidecars of its endpoints require one"
	case refused && c.Chain == nil:
		return "is called with " + words(c.TLS.Mode) + ", which no filter chain of the sidecars of its endpoints takes"
	case c.carriesHandshake():
		return "is called with " + words(c.TLS.Mode) + ", but the sidecars of its endpoints take plaintext only"
	}
	// A chain that was chosen and refuses mutual TLS refuses the certificate, which
	// other rules judge.
	return ""
}

// carriesHandshake reports whether a handshake that is meant for the sidecar goes on
// to what cannot understand it: HTTP, or a workload behind Istio's mutual TLS.
func (c *connection) carriesHandshake() bool {
	if c.takenBy == nil || c.TLS.Mode == "plaintext" || c.Verdict != "" || c.takenBy.GetTransportSocket() != nil {
		return false
	}
	return slices.Contains(c.TLS.ALPN, "istio") || c.takenBy.manager != nil
}

func words(mode string) string {
	if mode == "mtls" {
		return "mutual TLS"
	}
	return "TLS"
}

// spoken says how a client connects.
func spoken(tls trace.UpstreamTLS) string {
	if tls.SNI == "" {
		return tls.Mode
	}
	return tls.Mode + ", SNI " + tls.SNI
}

// clusterObject is the DestinationRule that a cluster was made of; "" for none.
func clusterObject(r *mesh.Resource) string {
	cluster, err := r.Cluster()
	if err != nil {
		return ""
	}
	return istioObject(cluster.GetMetadata())
}
