package proxyconfig

import (
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

var issued = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// certificate returns a self-signed certificate of one day as a JSON string in PEM format.
func certificate(t *testing.T, serial int64, isCA bool) string {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IsCA: isCA, BasicConstraintsValid: true,
		NotBefore: issued, NotAfter: issued.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSecrets(t *testing.T) {
	leaf, ca := certificate(t, 0x2a, false), certificate(t, 7, true)
	owned := resource(mesh.Secret, `{"tls_certificate": {"certificate_chain": {"inline_string": `+leaf+`}}}`)
	owned.Owner = "default"
	p := &mesh.Proxy{Config: mesh.Config{Secrets: []*mesh.Resource{
		static(resource(mesh.Secret, `{"name": "static", "generic_secret": {}}`)),
		owned,
		resource(mesh.Secret, `{"name": "ROOTCA", "validation_context": {"trusted_ca": {"inline_string": `+ca+`}}}`),
		resource(mesh.Secret, `{"name": "self-signed", "tls_certificate": {"certificate_chain": {"inline_string": `+ca+`}}}`),
		resource(mesh.Secret, `{"name": "mounted", "tls_certificate": {"certificate_chain": {"filename": "/etc/certs/tls.crt"}}}`),
		resource(mesh.Secret, `{"name": "spiffe", "validation_context": {"custom_validator_config": {"name": "envoy.tls.cert_validator.spiffe", "typed_config": {
			"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
			"trust_domains": [{"name": "a.org", "trust_bundle": {"inline_string": `+ca+`}}, {"name": "b.org", "trust_bundle": {"inline_string": `+ca+`}}]}}}}`),
		inState(resource(mesh.Secret, `{"name": "late"}`), mesh.Warming),
	}}}
	want := []string{
		`late "" warming "" "" <nil>`,
		`default "Cert Chain" active "0000000000000000000000000000002a" "" <nil>`,
		`ROOTCA "CA" active "00000000000000000000000000000007" "" <nil>`,
		`self-signed "CA" active "00000000000000000000000000000007" "" <nil>`,
		`mounted "Cert Chain" active "" "" the certificate is in /etc/certs/tls.crt, which a dump does not show`,
		`spiffe "CA" active "00000000000000000000000000000007" "a.org" <nil>`,
		`spiffe "CA" active "00000000000000000000000000000007" "b.org" <nil>`,
		`static "Generic" active "" "" <nil>`,
	}
	var got []string
	for _, row := range Secrets(p) {
		got = append(got, fmt.Sprintf("%s %q %s %q %q %v", row.Name, row.Type, row.Resource.State, row.Serial(), row.TrustDomain, row.Err))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestValidAt(t *testing.T) {
	p := &mesh.Proxy{Config: mesh.Config{Secrets: []*mesh.Resource{
		resource(mesh.Secret, `{"name": "c", "tls_certificate": {"certificate_chain": {"inline_string": `+certificate(t, 1, false)+`}}}`),
	}}}
	row := Secrets(p)[0]
	tests := []struct {
		name string
		at   time.Time
		want bool
	}{
		{"before it begins", issued.Add(-time.Hour), false},
		{"seconds before, as in a capture made right after", issued.Add(-5 * time.Second), true},
		{"while it lasts", issued.Add(time.Hour), true},
		{"after its end", issued.Add(24*time.Hour + time.Second), false},
	}
	for _, test := range tests {
		if got := row.ValidAt(test.at); got != test.want {
			t.Errorf("%s: got %t, want %t", test.name, got, test.want)
		}
	}
	if (SecretRow{}).ValidAt(issued) {
		t.Error("a secret without a certificate: got valid, want not")
	}
}
