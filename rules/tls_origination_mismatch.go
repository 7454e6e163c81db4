package rules

import (
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// TLSOriginationMismatch reports clusters that encrypt what is encrypted already,
// or that speak cleartext to a TLS port and the other way round.
var TLSOriginationMismatch = &analyze.Rule{
	Name:       "tls-origination-mismatch",
	Code:       "CLU03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "TLS is originated twice, not at all, or to a cleartext port",
		Finds: "Three shapes. Double TLS: a filter chain that is chosen by `server_names` or `transport_protocol: tls`, does not end TLS and forwards by `tcp_proxy` to a cluster whose transport socket adds TLS of its own: an error, unless it is for another server name or shows a client certificate, as towards a gateway that takes it off: then a warning. " +
			"Cleartext to 443: an HTTP route to a cluster without any TLS whose endpoints all have port 443. TLS to 80: a cluster that originates TLS and whose endpoints all have port 80. The latter two go by the habit of the ports and are warnings.",
		Hurts: "Double TLS: the server gets a handshake inside of TLS: clients see `wrong version number` or a 400. Cleartext to 443: 400 `The plain HTTP request was sent to HTTPS port`, or 503 UC. TLS to 80: 503 UF, `TLS_error: WRONG_VERSION_NUMBER`.",
		Example: `"filter_chain_match": {"server_names": ["api.example.com"]}, # the client's own TLS
"filters": [{"name": "envoy.filters.network.tcp_proxy", ... "cluster": "outbound|443||api.example.com"}]
# and the cluster: "transport_socket": {"name": "envoy.transport_sockets.tls", ... "sni": "api.example.com"}`,
		Silent: "Istio's own mutual TLS around a client's TLS, which the other sidecar takes off; TLS to a port 443 that a ServiceEntry's targetPort leads to from port 80; clusters whose TLS depends on the endpoint; endpoints that the capture does not show; other ports than 80 and 443.",
		Fix:    "for originated TLS let the application speak HTTP, declare the ServiceEntry's port as HTTP with targetPort 443 and keep the DestinationRule; for TLS of the application's own declare the port as TLS or HTTPS and drop the DestinationRule's tls",
		References: []string{
			"https://istio.io/latest/docs/ops/common-problems/network-issues/#double-tls",
			"https://istio.io/latest/docs/tasks/traffic-management/egress/egress-tls-origination/",
			"https://github.com/istio/istio/issues/37348",
		},
	},
	Run: runTLSOriginationMismatch,
}

func runTLSOriginationMismatch(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, r := range activeListeners(p) {
			for _, chain := range filterChains(pass, r) {
				reportDoubleTLS(pass, p, r, chain)
			}
		}
		for _, c := range usedClusters(pass, p) {
			if mayMistakePort(c.Resource) {
				reportPort(pass, p, c.Resource, c.refs)
			}
		}
	}
}

// originated is the TLS that a cluster adds, for whatever endpoint, unless it is
// Istio's own mutual TLS; nil for none.
func originated(r *mesh.Resource) *tlsv3.UpstreamTlsContext {
	cluster, err := r.Cluster()
	if err != nil || len(cluster.GetTransportSocketMatches()) > 0 {
		return nil
	}
	for _, context := range upstreamContexts(cluster) {
		if !slices.Contains(context.GetCommonTlsContext().GetAlpnProtocols(), "istio") {
			return context
		}
	}
	return nil
}

func reportDoubleTLS(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, chain filterChain) {
	if !chain.passesTLS() {
		return
	}
	for _, name := range chain.tcpClusters() {
		cluster := p.Active(mesh.Cluster, name)
		if cluster == nil || cluster.PeekRaw("transport_socket") == nil && cluster.PeekRaw("tls_context") == nil {
			continue
		}
		context := originated(cluster)
		if context == nil {
			continue
		}
		ref := p.Ref(mesh.Listener, r.Name())
		ref.Path = chain.path()
		f := analyze.Finding{
			Ref: p.Ref(mesh.Cluster, name), Source: cluster.Source, Object: clusterObject(cluster),
			Message:  name + " adds TLS to connections that are TLS already" + chain.serves(),
			Evidence: []analyze.Evidence{{Name: "sni", Value: context.GetSni()}},
			Related:  []analyze.Location{{Ref: ref, Source: r.Source, Message: "forwards the client's TLS"}},
		}
		if mayTunnel(chain, context) {
			f.Severity, f.Confidence = analyze.Warning, analyze.Likely
		}
		pass.Report(f)
	}
}

// mayTunnel reports whether the TLS around the client's may be meant for somebody
// who takes it off: it is for another name, or shows a certificate.
func mayTunnel(chain filterChain, context *tlsv3.UpstreamTlsContext) bool {
	sni, common := context.GetSni(), context.GetCommonTlsContext()
	return sni != "" && !slices.Contains(chain.GetFilterChainMatch().GetServerNames(), sni) ||
		len(common.GetTlsCertificates())+len(common.GetTlsCertificateSdsSecretConfigs()) > 0
}

// mayMistakePort looks at the JSON first: clusters of the mesh choose their TLS by
// endpoint and are never meant.
func mayMistakePort(r *mesh.Resource) bool {
	target, ok := parseIstioCluster(r.Name())
	return ok && target.direction == "outbound" && r.PeekRaw("transport_socket_matches") == nil &&
		(r.PeekRaw("transport_socket") != nil || r.PeekRaw("tls_context") != nil || target.port == "443")
}

func reportPort(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, uses []placed) {
	cluster, err := r.Cluster()
	if err != nil {
		return
	}
	isHTTP := slices.ContainsFunc(uses, func(u placed) bool { return u.use == useRoute })
	encrypts := len(upstreamContexts(cluster)) > 0
	var why string
	switch port := commonPort(p, r, cluster); {
	case port == 443 && !encrypts && cluster.GetTransportSocket() == nil && isHTTP:
		why = "sends cleartext HTTP to port 443"
	case port == 80 && originated(r) != nil:
		why = "originates TLS to port 80"
	default:
		return
	}
	f := analyze.Finding{
		Severity: analyze.Warning, Confidence: analyze.Likely,
		Ref: p.Ref(mesh.Cluster, r.Name()), Source: r.Source, Object: clusterObject(r),
		Message: fmt.Sprintf("%s %s", r.Name(), why),
	}
	for _, use := range uses {
		f.Related = append(f.Related, use.location(p, string(use.use)))
	}
	pass.Report(f)
}

// commonPort is the port that all endpoints of a cluster have; 0 where they differ or
// are not known.
func commonPort(p *mesh.Proxy, r *mesh.Resource, cluster *clusterv3.Cluster) uint32 {
	if cluster.GetType() != clusterv3.Cluster_EDS {
		return portOf(cluster.GetLoadAssignment())
	}
	assigned := p.Active(mesh.Endpoint, assignmentName(r))
	if assigned == nil {
		return 0
	}
	assignment, err := assigned.LoadAssignment()
	if err != nil {
		return 0
	}
	return portOf(assignment)
}

func portOf(assignment *endpointv3.ClusterLoadAssignment) uint32 {
	var common uint32
	for _, locality := range assignment.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			port := e.GetEndpoint().GetAddress().GetSocketAddress().GetPortValue()
			if port == 0 || common != 0 && port != common {
				return 0
			}
			common = port
		}
	}
	return common
}
