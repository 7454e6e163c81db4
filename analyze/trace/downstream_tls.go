package trace

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// downstreamTLS is what a filter chain asks of a connection's encryption.
type downstreamTLS struct {
	// terminates is set for a chain that ends TLS itself.
	terminates bool
	// optional is set for a chain that takes cleartext too (starttls).
	optional bool
	// unknown names a transport socket that is not modelled.
	unknown string
	// asks is set where the client's certificate is asked for, requires where a
	// connection without one is refused.
	asks, requires bool
	// named is set where the client's certificate must have one of the names that
	// the context lists, names being those of them that are URIs.
	named bool
	names []*match.String
	// trustDomains are those that a SPIFFE validator knows; nil without one.
	trustDomains []string
	// secrets are the SDS secrets of the server's certificate and of validation.
	secrets []string
}

func newDownstreamTLS(v *view, socket *corev3.TransportSocket) downstreamTLS {
	f := mesh.TransportSocket(socket)
	switch config := f.Config.(type) {
	case nil:
		if f.TypeURL == "" {
			return downstreamTLS{}
		}
		return downstreamTLS{unknown: f.TypeURL}
	case *tlsv3.DownstreamTlsContext:
		return terminating(v, config)
	}
	switch filterKind(f) {
	case "RawBuffer", "InternalUpstreamTransport", "ProxyProtocolUpstreamTransport":
		return downstreamTLS{}
	case "StartTlsConfig":
		return downstreamTLS{optional: true}
	}
	return downstreamTLS{unknown: filterKind(f)}
}

func terminating(v *view, config *tlsv3.DownstreamTlsContext) downstreamTLS {
	common := config.GetCommonTlsContext()
	t := downstreamTLS{terminates: true, requires: config.GetRequireClientCertificate().GetValue()}
	for _, s := range common.GetTlsCertificateSdsSecretConfigs() {
		t.secrets = append(t.secrets, s.GetName())
	}
	contexts, secret, found := validation(v, common)
	if secret != "" {
		t.secrets = append(t.secrets, secret)
	}
	t.asks = found || t.requires
	for _, c := range contexts {
		t.expectNames(c)
		validator := c.GetCustomValidatorConfig()
		spiffe, ok := mesh.Unpack(validator.GetName(), validator.GetTypedConfig()).Config.(*tlsv3.SPIFFECertValidatorConfig)
		if !ok {
			continue
		}
		for _, domain := range spiffe.GetTrustDomains() {
			t.trustDomains = append(t.trustDomains, domain.GetName())
		}
	}
	return t
}

// expectNames adds the names that a validation context asks for. Envoy requires a
// certificate wherever there are any, unless it accepts untrusted ones.
func (t *downstreamTLS) expectNames(c *tlsv3.CertificateValidationContext) {
	if c.GetTrustChainVerification() == tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED {
		return
	}
	for _, m := range c.GetMatchTypedSubjectAltNames() {
		t.named = true
		if m.GetSanType() == tlsv3.SubjectAltNameMatcher_URI {
			t.names = append(t.names, match.CompileString(m.GetMatcher()))
		}
	}
	for _, m := range c.GetMatchSubjectAltNames() { //nolint:staticcheck // what old captures have
		t.named = true
		t.names = append(t.names, match.CompileString(m))
	}
	t.requires = t.requires || t.named
}

// validation returns the validation contexts in force, the name of the secret
// that one of them comes from, and whether there is any.
func validation(v *view, common *tlsv3.CommonTlsContext) (contexts []*tlsv3.CertificateValidationContext, secret string, found bool) {
	if c := common.GetValidationContext(); c != nil {
		contexts = append(contexts, c)
	}
	if combined := common.GetCombinedValidationContext(); combined != nil {
		if c := combined.GetDefaultValidationContext(); c != nil {
			contexts = append(contexts, c)
		}
		secret = combined.GetValidationContextSdsSecretConfig().GetName()
	}
	if s := common.GetValidationContextSdsSecretConfig(); s != nil {
		secret = s.GetName()
	}
	if r := v.secrets[secret]; r != nil {
		if message, err := r.Secret(); err == nil && message.GetValidationContext() != nil {
			contexts = append(contexts, message.GetValidationContext())
		}
	}
	return contexts, secret, len(contexts) > 0 || secret != ""
}

// terminateTLS performs the downstream handshake.
func (h *hop) terminateTLS() bool {
	h.prepare(h.chain)
	h.planTCP()
	t := &h.chain.tls
	client := h.request.TLS
	switch {
	case t.unknown != "":
		h.unknown("transport socket "+t.unknown, "how the connection is secured is not known")
		return true
	case !t.terminates:
		return true
	case client == nil:
		return h.close(TLSMismatch, "", "", "the client sends cleartext, and filter chain "+h.chain.label+" expects TLS: the handshake fails")
	case h.undelivered(t.secrets) != "":
		return h.close(TLSMismatch, "", "", "secret "+h.undelivered(t.secrets)+" of filter chain "+h.chain.label+" was never delivered: the handshake fails")
	case client.ClientURISAN == "" && t.requires:
		return h.close(TLSMismatch, "", "", "the client shows no certificate, and filter chain "+h.chain.label+" requires one")
	}
	h.attrs.TLS = true
	if client.ClientURISAN == "" || !t.asks {
		return true
	}
	if reason := t.refuses(client.ClientURISAN); reason != "" {
		return h.close(TLSMismatch, "", "", reason)
	}
	h.attrs.PeerPresented, h.attrs.PeerValidated = true, true
	h.attrs.PeerURISANs = []string{client.ClientURISAN}
	h.attrs.FilterState = map[string]string{"io.istio.peer_principal": client.ClientURISAN}
	return true
}

// undelivered is the first of some SDS secrets that the proxy does not have; empty
// where it has all, or where the capture does not tell.
func (h *hop) undelivered(secrets []string) string {
	if !h.view.proxy.Has(mesh.Secret) {
		return ""
	}
	for _, name := range secrets {
		if h.view.secrets[name] == nil {
			return name
		}
	}
	return ""
}

// refuses says why the names in a client's certificate are not accepted; empty if
// they are. That the certificate itself is trusted is taken for granted.
func (t *downstreamTLS) refuses(uri string) string {
	if t.trustDomains != nil {
		domain, _, _ := strings.Cut(strings.TrimPrefix(uri, "spiffe://"), "/")
		if !slices.Contains(t.trustDomains, domain) {
			return "the trust domain of " + uri + " is none of those that the proxy knows: " + strings.Join(t.trustDomains, ", ")
		}
	}
	if !t.named {
		return ""
	}
	for _, name := range t.names {
		if name.Match(uri).Outcome != match.No {
			return ""
		}
	}
	return "the proxy accepts no certificate for " + uri + " (match_typed_subject_alt_names)"
}

// otherwiseSecured says that a filter chain would fit if the client encrypted what
// it sends in the clear, or the other way round; empty where none would.
func (h *hop) otherwiseSecured() string {
	flipped := h.attrs
	said, wants := "cleartext", "TLS"
	if h.request.TLS != nil {
		said, wants = wants, said
		flipped.TransportProtocol, flipped.SNI, flipped.ApplicationProtocols = "raw_buffer", "", nil
	} else {
		flipped.TransportProtocol, flipped.ApplicationProtocols = "tls", SidecarALPN(&h.request)
	}
	chain := h.listener.chainsOf().choose(&flipped, false).chain
	if chain == nil || chain == h.listener.chainsOf().fallback {
		return ""
	}
	return "the client sends " + said + ", and filter chain " + chain.label + " for this destination takes " + wants + " only"
}
