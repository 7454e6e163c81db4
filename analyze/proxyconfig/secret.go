package proxyconfig

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// SecretRow is one secret, or one trust domain of a SPIFFE validator.
type SecretRow struct {
	Resource *mesh.Resource
	Name     string
	// Type is "Cert Chain" or "CA", by the first certificate's own basic constraints. For a secret
	// that holds no certificate it says what it holds instead.
	Type string
	// Certificate is the first one; nil where the secret holds none that can be read.
	Certificate *x509.Certificate
	TrustDomain string
	// Err tells why the secret or its certificate could not be read.
	Err error
}

// lateness is how much later than the newest moment that it knows of a capture may be made: the
// latest certificate of a proxy often begins within the seconds after it.
const lateness = 5 * time.Minute

// ValidAt reports whether t, the time of the capture, is between not before and not after.
func (r SecretRow) ValidAt(t time.Time) bool {
	return r.Certificate != nil && t.Add(lateness).After(r.Certificate.NotBefore) && t.Before(r.Certificate.NotAfter)
}

// Serial is the serial number as istioctl prints it: 32 hexadecimal digits or more.
func (r SecretRow) Serial() string {
	if r.Certificate == nil {
		return ""
	}
	return fmt.Sprintf("%032x", r.Certificate.SerialNumber)
}

// Secrets returns the secrets: warming before active, dynamic before static, else as captured.
func Secrets(p *mesh.Proxy) []SecretRow {
	resources := slices.Clone(p.Secrets)
	slices.SortStableFunc(resources, func(a, b *mesh.Resource) int { return secretOrder(a) - secretOrder(b) })
	var rows []SecretRow
	for _, r := range resources {
		rows = append(rows, secretRows(r)...)
	}
	return rows
}

func secretOrder(r *mesh.Resource) int {
	switch {
	case r.State == mesh.Warming:
		return 0
	case r.Origin == mesh.Static:
		return 2
	}
	return 1
}

func secretRows(r *mesh.Resource) []SecretRow {
	row := SecretRow{Resource: r, Name: cmp.Or(r.Owner, r.Name())}
	secret, err := r.Secret()
	if err != nil {
		row.Err = err
		return []SecretRow{row}
	}
	validation := secret.GetValidationContext()
	switch {
	case secret.GetTlsCertificate() != nil:
		row.Type = "Cert Chain"
		row.read(secret.GetTlsCertificate().GetCertificateChain())
	case spiffeConfig(validation) != nil:
		return spiffeRows(row, spiffeConfig(validation))
	case validation != nil:
		row.Type = "CA"
		row.read(validation.GetTrustedCa())
	case secret.GetGenericSecret() != nil:
		row.Type = "Generic"
	case secret.GetSessionTicketKeys() != nil:
		row.Type = "Session Ticket Keys"
	}
	return []SecretRow{row}
}

func spiffeConfig(c *tlsv3.CertificateValidationContext) *tlsv3.SPIFFECertValidatorConfig {
	validator := c.GetCustomValidatorConfig()
	config, _ := mesh.Unpack(validator.GetName(), validator.GetTypedConfig()).Config.(*tlsv3.SPIFFECertValidatorConfig)
	return config
}

func spiffeRows(like SecretRow, config *tlsv3.SPIFFECertValidatorConfig) []SecretRow {
	var rows []SecretRow
	for _, domain := range config.GetTrustDomains() {
		row := like
		row.Type, row.TrustDomain = "CA", domain.GetName()
		row.read(domain.GetTrustBundle())
		rows = append(rows, row)
	}
	return rows
}

// read takes the first certificate out of PEM data; its own kind counts, as in istioctl.
func (r *SecretRow) read(source *corev3.DataSource) {
	data := source.GetInlineBytes()
	if len(data) == 0 {
		data = []byte(source.GetInlineString())
	}
	if len(data) == 0 {
		if place := cmp.Or(source.GetFilename(), source.GetEnvironmentVariable()); place != "" {
			r.Err = fmt.Errorf("the certificate is in %s, which a dump does not show", place)
		}
		return
	}
	block, _ := pem.Decode(data)
	if block == nil {
		r.Err = fmt.Errorf("expected a certificate in PEM format, got %d bytes of something else", len(data))
		return
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		r.Err = fmt.Errorf("reading the certificate: %s", strings.TrimPrefix(err.Error(), "x509: "))
		return
	}
	r.Certificate, r.Type = certificate, "Cert Chain"
	if certificate.IsCA {
		r.Type = "CA"
	}
}
