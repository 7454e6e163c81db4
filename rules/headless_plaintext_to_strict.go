package rules

import (
	"net/netip"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// HeadlessPlaintextToStrict reports clusters of headless services that connect in
// cleartext to sidecars which take mutual TLS only.
var HeadlessPlaintextToStrict = &analyze.Rule{
	Name:       "headless-plaintext-to-strict",
	Code:       "CLU12",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a headless service is called in plaintext, and its sidecars take mutual TLS only",
		Finds: "Listeners on the address of a pod whose sidecar is in the capture, as istiod makes them for every pod of a headless service, that forward to a cluster of type `ORIGINAL_DST`. A connection to the address is traced through the client and into the server's sidecar: " +
			"it leaves in cleartext, since such a cluster has one transport socket for all hosts and no `tlsMode` to choose by, and no inbound filter chain takes it.",
		Hurts: "Connections to single pods of a StatefulSet (Kafka, ZooKeeper, Cassandra, Redis) are closed by the server: response flag UF or UC, and NR `filter_chain_not_found` at the server.",
		Example: `{"name": "outbound|9092||kafka.data.svc.cluster.local", "type": "ORIGINAL_DST"} # no transport_socket
# server: PeerAuthentication STRICT`,
		Silent: "Istio since 1.6, which sends mutual TLS for headless services unless a DestinationRule says otherwise; servers that are PERMISSIVE, or STRICT except for this port; pods that were not captured; headless services over HTTP, whose listener has no address of its own.",
		Fix:    "give the service a DestinationRule with tls mode ISTIO_MUTUAL (or none), or make the port PERMISSIVE by portLevelMtls of its PeerAuthentication",
		References: []string{
			"https://istio.io/latest/docs/ops/configuration/traffic-management/traffic-routing/#headless-services",
			"https://github.com/istio/istio/issues/27831",
			"https://github.com/istio/istio/issues/10659",
		},
	},
	Run: runHeadlessPlaintextToStrict,
}

func runHeadlessPlaintextToStrict(pass *analyze.Pass) {
	sidecars := soleSidecars(pass.Capture)
	for _, p := range pass.Proxies {
		refused := map[string][]analyze.Location{}
		var order []string
		for _, r := range activeListeners(p) {
			to, ok := peekAddress(r)
			if server := sidecars[to.Addr()]; !ok || server == nil || server == p {
				continue
			}
			cluster, by := plaintextRefused(pass, p, to)
			if cluster == "" {
				continue
			}
			if refused[cluster] == nil {
				order = append(order, cluster)
			}
			refused[cluster] = append(refused[cluster], by)
		}
		for _, name := range order {
			r := p.Active(mesh.Cluster, name)
			if r == nil || r.Peek("type") != "ORIGINAL_DST" {
				continue
			}
			pass.Report(analyze.Finding{
				Ref: p.Ref(mesh.Cluster, name), Source: r.Source, Object: clusterObject(r),
				Message: name + " connects in plaintext, and the sidecars of its pods take mutual TLS only",
				Essence: "plaintext",
				Related: refused[name],
			})
		}
	}
}

// plaintextRefused traces a connection to a pod; it returns the cluster and the
// server where it leaves in cleartext and is refused.
func plaintextRefused(pass *analyze.Pass, p *mesh.Proxy, to netip.AddrPort) (string, analyze.Location) {
	t, err := engineOf(pass).Trace(p, request.Request{To: to.String(), Protocol: request.TCP}, request.Outbound, trace.Options{})
	if err != nil {
		return "", analyze.Location{}
	}
	for _, path := range t.Paths {
		if len(path.Hops) < 2 {
			continue
		}
		first, second := &path.Hops[0].Outcome, &path.Hops[1].Outcome
		if first.Upstream.Mode == "plaintext" && second.Verdict == trace.TLSMismatch {
			ref := mesh.Ref{Proxy: path.Hops[1].Proxy, Kind: mesh.Listener, Name: second.Listener}
			return first.Cluster, analyze.Location{Ref: ref, Message: "refuses connections to " + to.String()}
		}
	}
	return "", analyze.Location{}
}
