package replay

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"

	"google.golang.org/protobuf/proto"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// secretUse is a secret in one of its uses; one name may stand for both.
type secretUse struct {
	name  string
	trust bool // a validation context, else a certificate with its key
}

const whyTestCertificates = "private keys are in no capture; certificates of a test CA stand in"

// tlsContext replaces certificates, keys and CAs of a context in which Envoy is
// the server.
func (s *scrubber) tlsContext(m *tlsv3.CommonTlsContext) {
	s.replace("TLS certificates and CAs", whyTestCertificates)
	provided := m.GetTlsCertificateProviderInstance() != nil || m.GetTlsCertificateCertificateProvider() != nil ||
		m.GetTlsCertificateCertificateProviderInstance() != nil || m.GetCustomTlsCertificateSelector() != nil
	m.TlsCertificateProviderInstance, m.TlsCertificateCertificateProvider = nil, nil
	m.TlsCertificateCertificateProviderInstance, m.CustomTlsCertificateSelector = nil, nil
	m.CustomHandshaker, m.KeyLog = nil, nil
	for _, certificate := range m.GetTlsCertificates() {
		s.standIn(certificate, "inline")
	}
	for _, config := range m.GetTlsCertificateSdsSecretConfigs() {
		s.secret(config, false)
	}
	if provided && len(m.GetTlsCertificates())+len(m.GetTlsCertificateSdsSecretConfigs()) == 0 {
		certificate := &tlsv3.TlsCertificate{}
		s.standIn(certificate, "provided")
		m.TlsCertificates = []*tlsv3.TlsCertificate{certificate}
	}
	s.validation(m)
}

func (s *scrubber) validation(m *tlsv3.CommonTlsContext) {
	switch v := m.GetValidationContextType().(type) {
	case nil:
	case *tlsv3.CommonTlsContext_ValidationContext:
		s.trust(v.ValidationContext)
	case *tlsv3.CommonTlsContext_ValidationContextSdsSecretConfig:
		s.secret(v.ValidationContextSdsSecretConfig, true)
	case *tlsv3.CommonTlsContext_CombinedValidationContext:
		combined := v.CombinedValidationContext
		combined.ValidationContextCertificateProvider, combined.ValidationContextCertificateProviderInstance = nil, nil
		if combined.GetDefaultValidationContext() == nil {
			combined.DefaultValidationContext = &tlsv3.CertificateValidationContext{}
		}
		s.trust(combined.GetDefaultValidationContext())
		if combined.GetValidationContextSdsSecretConfig() != nil {
			s.secret(combined.GetValidationContextSdsSecretConfig(), true)
			return
		}
		m.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: combined.GetDefaultValidationContext()}
	default: // certificate providers
		m.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: s.b.trustedContext()}
	}
}

func (s *scrubber) downstreamTLS(m *tlsv3.DownstreamTlsContext) {
	m.SessionTicketKeysType, m.OcspStaplePolicy = nil, tlsv3.DownstreamTlsContext_LENIENT_STAPLING
}

// trust replaces what a client's certificate is checked against, and keeps whom it
// has to name.
func (s *scrubber) trust(m *tlsv3.CertificateValidationContext) {
	checks := m.GetTrustedCa() != nil || m.GetCaCertificateProviderInstance() != nil || m.GetSystemRootCerts() != nil ||
		m.GetCustomValidatorConfig() != nil
	if len(m.GetVerifyCertificateHash())+len(m.GetVerifyCertificateSpki()) > 0 || m.GetCrl() != nil {
		s.leaveOut("pinned certificates and revocation lists", "the certificates are test certificates")
	}
	m.TrustedCa, m.CaCertificateProviderInstance, m.SystemRootCerts, m.CustomValidatorConfig = nil, nil, nil, nil
	m.VerifyCertificateHash, m.VerifyCertificateSpki, m.Crl, m.OnlyVerifyLeafCertCrl = nil, nil, nil, false
	m.WatchedDirectory, m.RequireSignedCertificateTimestamp = nil, nil
	if checks {
		m.TrustedCa = inline(s.b.authority.PEM)
	}
}

func (b *builder) trustedContext() *tlsv3.CertificateValidationContext {
	return &tlsv3.CertificateValidationContext{TrustedCa: inline(b.authority.PEM)}
}

// standIn gives a certificate of the capture another one that names the same hosts.
func (s *scrubber) standIn(m *tlsv3.TlsCertificate, name string) {
	identity := identityOf(m.GetCertificateChain(), name)
	proto.Reset(m)
	issued, err := s.b.authority.Issue(identity)
	if err != nil {
		// A captured name may be one that no certificate can hold.
		issued, err = s.b.authority.Issue(Identity{CommonName: "replay"})
	}
	if err != nil {
		s.leaveOut("certificate "+name, err.Error())
		return
	}
	m.CertificateChain, m.PrivateKey = inline(issued.Chain), inline(issued.Key)
}

// identityOf reads whom a captured certificate names; without one it is the secret.
func identityOf(chain *corev3.DataSource, secret string) Identity {
	text := chain.GetInlineBytes()
	if len(text) == 0 {
		text = []byte(chain.GetInlineString())
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return Identity{CommonName: secret}
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Identity{CommonName: secret}
	}
	identity := Identity{CommonName: cert.Subject.CommonName, DNSNames: cert.DNSNames, IPs: cert.IPAddresses}
	for _, uri := range cert.URIs {
		identity.URIs = append(identity.URIs, uri.String())
	}
	return identity
}

// secret turns a subscription to a secret into one to a file.
func (s *scrubber) secret(m *tlsv3.SdsSecretConfig, trust bool) {
	use := secretUse{name: m.GetName(), trust: trust}
	path, ok := s.b.secrets[use]
	if !ok {
		path = s.b.names.of("secrets", m.GetName())
		s.b.secrets[use] = path
		s.writeSecret(path, use)
	}
	m.SdsConfig = fileSource(path)
}

func (s *scrubber) writeSecret(path string, use secretUse) {
	var resources []proto.Message
	secret, delivered := s.b.capturedSecret(use.name)
	switch {
	case !delivered:
		s.b.changes.add("missing: secret "+use.name, "the capture's Envoy never got it either", s.where)
	case use.trust:
		context := proto.CloneOf(secret.GetValidationContext())
		if context == nil {
			context = &tlsv3.CertificateValidationContext{}
		}
		s.trust(context)
		context.TrustedCa = inline(s.b.authority.PEM)
		resources = append(resources, &tlsv3.Secret{
			Name: use.name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: context},
		})
	default:
		certificate := proto.CloneOf(secret.GetTlsCertificate())
		if certificate == nil {
			certificate = &tlsv3.TlsCertificate{}
		}
		s.standIn(certificate, use.name)
		resources = append(resources, &tlsv3.Secret{
			Name: use.name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: certificate},
		})
	}
	if err := s.b.writeResources(path, mesh.Secret.TypeURL(), resources); err != nil {
		s.leaveOut("secret "+use.name, err.Error())
		s.b.files = append(s.b.files, File{Path: path, Data: []byte("{}\n")})
	}
}

// capturedSecret returns a secret of the capture and whether Envoy had it. A
// capture without secrets does not tell, and Envoy is taken to have had them all.
func (b *builder) capturedSecret(name string) (secret *tlsv3.Secret, delivered bool) {
	if !b.proxy.Has(mesh.Secret) {
		return nil, true
	}
	resource := b.proxy.Active(mesh.Secret, name)
	if resource == nil {
		return nil, false
	}
	secret, err := resource.Secret()
	if err != nil {
		return nil, true
	}
	return secret, true
}

// clientIdentity is the workload that the folder's client certificate names.
func clientIdentity(p *mesh.Proxy) Identity {
	_, domain, found := strings.Cut(p.ID, ".svc.")
	if !found || domain == "" || strings.ContainsAny(domain, "/~ ") {
		domain = "cluster.local"
	}
	return Identity{CommonName: "client", URIs: []string{"spiffe://" + domain + "/ns/default/sa/default"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
}

// writeCertificates adds the CA, and a client certificate for tools such as curl.
func (b *builder) writeCertificates() error {
	client, err := b.authority.Issue(clientIdentity(b.proxy))
	if err != nil {
		return err
	}
	b.files = append(b.files,
		File{Path: "certs/ca.pem", Data: b.authority.PEM},
		File{Path: "certs/client.pem", Data: client.Chain},
		File{Path: "certs/client-key.pem", Data: client.Key, Private: true})
	return nil
}

func inline(text []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: string(text)}}
}
