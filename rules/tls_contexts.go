package rules

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"strconv"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// activeListeners are the listeners that serve.
func activeListeners(p *mesh.Proxy) []*mesh.Resource {
	var out []*mesh.Resource
	for _, r := range p.Listeners {
		if r.State == mesh.Active && r.Content != nil {
			out = append(out, r)
		}
	}
	return out
}

// peekAddress is the address of a listener, read without decoding it; false for an
// internal one and for a pipe.
func peekAddress(r *mesh.Resource) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(r.Peek("address", "socket_address", "address"))
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(string(r.PeekRaw("address", "socket_address", "port_value")), 10, 16)
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), err == nil
}

// shown is a certificate that a proxy shows its peers.
type shown struct {
	// secret is where it is from; nil where it stands in the configuration itself.
	secret *mesh.Resource
	certificates
}

// shownCertificates returns the certificates of a TLS context that can be read.
func shownCertificates(pass *analyze.Pass, p *mesh.Proxy, common *tlsv3.CommonTlsContext) []shown {
	var out []shown
	for _, config := range common.GetTlsCertificateSdsSecretConfigs() {
		r := p.Active(mesh.Secret, config.GetName())
		if c := secretCertificates(pass, r); c.leaf() != nil {
			out = append(out, shown{secret: r, certificates: c})
		}
	}
	for _, inline := range common.GetTlsCertificates() {
		if chain := parsePEM(inline.GetCertificateChain()); len(chain) > 0 {
			out = append(out, shown{certificates: certificates{chain: chain}})
		}
	}
	return out
}

// validation is how a TLS context checks the certificate of its peer.
type validation struct {
	// contexts are the parts that are in force together.
	contexts []*tlsv3.CertificateValidationContext
	// secret is the one that holds the roots; nil where they stand in the
	// configuration.
	secret *mesh.Resource
	// configured is set where the context names any validation, be it captured or not.
	configured bool
}

func validationOf(p *mesh.Proxy, common *tlsv3.CommonTlsContext) validation {
	var v validation
	var secret string
	if own := common.GetValidationContext(); own != nil {
		v.contexts = append(v.contexts, own)
	}
	if combined := common.GetCombinedValidationContext(); combined != nil {
		v.contexts = append(v.contexts, combined.GetDefaultValidationContext())
		secret = combined.GetValidationContextSdsSecretConfig().GetName()
	}
	if config := common.GetValidationContextSdsSecretConfig(); config != nil {
		secret = config.GetName()
	}
	v.configured = len(v.contexts) > 0 || secret != ""
	if v.secret = p.Active(mesh.Secret, secret); v.secret == nil {
		return v
	}
	if message, err := v.secret.Secret(); err == nil && message.GetValidationContext() != nil {
		v.contexts = append(v.contexts, message.GetValidationContext())
	}
	return v
}

// acceptsUntrusted reports whether peers pass whoever signed their certificate.
func (v validation) acceptsUntrusted() bool {
	return slices.ContainsFunc(v.contexts, func(c *tlsv3.CertificateValidationContext) bool {
		return c.GetTrustChainVerification() == tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED
	})
}

// trustedRoots are the roots for a peer of this trust domain; nil where the capture
// does not have them.
func trustedRoots(c certificates, domain string) []*x509.Certificate {
	if c.domains != nil {
		return c.domains[domain]
	}
	return c.roots
}
