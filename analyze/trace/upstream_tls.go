package trace

import (
	"fmt"
	"reflect"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// socketMatches is how a cluster chooses the transport socket for a host.
type socketMatches struct {
	matches  []socketMatch
	fallback upstreamSocket
}

type socketMatch struct {
	name   string
	wants  map[string]any
	socket upstreamSocket
}

// upstreamSocket is a transport socket towards an endpoint.
type upstreamSocket struct {
	tls UpstreamTLS
	// client and server name the secrets of the client's certificate and of what
	// the server's is checked with.
	client, server string
	// tunnels is set for the socket to an internal listener, which encrypts itself.
	tunnels bool
	unknown string
	// config is the socket's own; nil for cleartext.
	config *tlsv3.UpstreamTlsContext
}

// socketsOf compiles the transport sockets of a cluster once.
func (c *cluster) socketsOf() *socketMatches {
	if c.sockets != nil {
		return c.sockets
	}
	c.sockets = &socketMatches{fallback: newUpstreamSocket(c.message.GetTransportSocket())}
	for _, m := range c.message.GetTransportSocketMatches() {
		c.sockets.matches = append(c.sockets.matches, socketMatch{
			name: m.GetName(), wants: structMap(m.GetMatch()), socket: newUpstreamSocket(m.GetTransportSocket()),
		})
	}
	return c.sockets
}

func newUpstreamSocket(socket *corev3.TransportSocket) upstreamSocket {
	f := mesh.TransportSocket(socket)
	switch config := f.Config.(type) {
	case *tlsv3.UpstreamTlsContext:
		return encrypting(config)
	case *rawbufferv3.RawBuffer:
		return upstreamSocket{tls: UpstreamTLS{Mode: "plaintext"}}
	}
	switch kind := filterKind(f); kind {
	case "", "RawBuffer", "raw_buffer":
		return upstreamSocket{tls: UpstreamTLS{Mode: "plaintext"}}
	case "InternalUpstreamTransport", "internal_upstream":
		return upstreamSocket{tls: UpstreamTLS{Mode: "plaintext"}, tunnels: true}
	default:
		return upstreamSocket{unknown: kind}
	}
}

func encrypting(config *tlsv3.UpstreamTlsContext) upstreamSocket {
	common := config.GetCommonTlsContext()
	s := upstreamSocket{tls: UpstreamTLS{Mode: "tls", SNI: config.GetSni(), ALPN: common.GetAlpnProtocols()}, config: config}
	for _, certificate := range common.GetTlsCertificateSdsSecretConfigs() {
		s.client = certificate.GetName()
	}
	if s.client != "" || len(common.GetTlsCertificates()) > 0 {
		s.tls.Mode = "mtls"
	}
	validation := common.GetCombinedValidationContext().GetDefaultValidationContext()
	s.server = common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig().GetName()
	if own := common.GetValidationContext(); own != nil {
		validation = own
	}
	if secret := common.GetValidationContextSdsSecretConfig(); secret != nil {
		s.server = secret.GetName()
	}
	for _, m := range validation.GetMatchTypedSubjectAltNames() {
		s.tls.SANs = append(s.tls.SANs, m.GetMatcher().GetExact())
	}
	for _, m := range validation.GetMatchSubjectAltNames() {
		s.tls.SANs = append(s.tls.SANs, m.GetExact())
	}
	for _, name := range []string{s.client, s.server} {
		if name != "" {
			s.tls.Secrets = append(s.tls.Secrets, name)
		}
	}
	return s
}

// socketFor returns the transport socket for a host and by which rule.
func (m *socketMatches) socketFor(h *host) (upstreamSocket, string) {
	for _, candidate := range m.matches {
		if holds(h.sockets, candidate.wants) {
			return candidate.socket, "transport_socket_matches " + candidate.name
		}
	}
	return m.fallback, "transport_socket"
}

// holds reports whether metadata has all that is wanted.
func holds(metadata, wants map[string]any) bool {
	for key, want := range wants {
		if got, has := metadata[key]; !has || !reflect.DeepEqual(got, want) {
			return false
		}
	}
	return true
}

// forward ends the hop with the request on its way to an endpoint, secured as its
// transport socket says.
func (h *hop) forward(verdict Verdict, reason string) bool {
	if reason == "" {
		reason = "to cluster " + h.out.Outcome.Cluster
	}
	if h.balance == nil {
		return h.end(verdict, reason)
	}
	h.autoHost()
	target := h.target()
	socket, rule := target.cluster.socketsOf().socketFor(target)
	h.sockets = socket
	h.out.Outcome.Upstream = socket.tls
	step := h.step(Step{Kind: StepTLS, Chosen: socket.tls.Mode, Reason: rule, Ref: h.ref(mesh.Cluster, target.cluster.resource.Name()), Source: target.cluster.resource.Source})
	if socket.unknown != "" {
		h.unknown("transport socket "+socket.unknown, "how the connection to the endpoint is secured")
		step.Chosen = "unknown"
	}
	if target.cluster.message.GetTransportSocketMatcher() != nil {
		h.unknown("transport_socket_matcher of cluster "+target.cluster.resource.Name(), "how the connection to the endpoint is secured")
	}
	step.Notes = append(step.Notes, h.tlsNotes(socket)...)
	if mixed := h.mixedSockets(target, socket); mixed != "" {
		step.Notes = append(step.Notes, mixed)
	}
	if missing := h.missingSecrets(socket); missing != "" {
		step.Notes = append(step.Notes, missing)
	}
	return h.end(verdict, reason)
}

func (h *hop) tlsNotes(s upstreamSocket) []string {
	var notes []string
	if s.tunnels {
		notes = append(notes, "through an internal listener, which tunnels it")
	}
	if s.tls.SNI != "" {
		notes = append(notes, "SNI "+s.tls.SNI)
	}
	if len(s.tls.ALPN) > 0 {
		notes = append(notes, "ALPN "+strings.Join(s.tls.ALPN, ", "))
	}
	if len(s.tls.SANs) > 0 {
		notes = append(notes, "the server must be "+strings.Join(s.tls.SANs, " or "))
	}
	return notes
}

// mixedSockets says where other endpoints are connected differently.
func (h *hop) mixedSockets(target *host, socket upstreamSocket) string {
	different := 0
	for i, other := range h.balance.hosts {
		if h.balance.share[i] <= 0 || other == target {
			continue
		}
		if s, _ := other.cluster.socketsOf().socketFor(other); s.tls.Mode != socket.tls.Mode || s.tls.SNI != socket.tls.SNI {
			different++
		}
	}
	if different == 0 {
		return ""
	}
	return fmt.Sprintf("%s of the same cluster is connected differently", countOf(different, "endpoint"))
}

// missingSecrets says which secrets of the socket were not delivered, where the
// capture would show them.
func (h *hop) missingSecrets(s upstreamSocket) string {
	if !h.view.proxy.Has(mesh.Secret) {
		return ""
	}
	var missing []string
	for _, name := range s.tls.Secrets {
		if h.view.secrets[name] == nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "secret " + strings.Join(missing, ", ") + " is not among the active ones: connections wait for it"
}

// target is the endpoint that the trace follows: one that belongs to a proxy of
// the capture if there is one, else the first that gets a share.
func (h *hop) target() *host {
	var first *host
	for i, candidate := range h.balance.hosts {
		if h.balance.share[i] <= 0 {
			continue
		}
		if first == nil {
			first = candidate
		}
		if candidate.internal != "" || h.walk.engine.byIP[candidate.addr.Addr()] != nil {
			return candidate
		}
	}
	return first
}
