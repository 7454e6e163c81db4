package replay

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

// Authority is the test CA that stands for every CA of the capture.
//
// Its key, the keys that it makes and its signatures follow from names alone, so
// that one capture always gives the same folder. They are no secret: nothing but
// a replay on loopback may trust this CA.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	// PEM is the CA's certificate.
	PEM []byte
}

// Certificate is a certificate with its key.
type Certificate struct {
	Chain []byte // PEM, the leaf alone
	Key   []byte // PEM, PKCS #8
}

// Identity is whom a certificate names.
type Identity struct {
	CommonName string
	DNSNames   []string
	URIs       []string // such as spiffe://cluster.local/ns/default/sa/default
	IPs        []net.IP
}

const authorityName = "meshray replay, for tests only"

// NewAuthority returns the test CA; it is always the same.
func NewAuthority() (*Authority, error) {
	key, err := keyOf("authority")
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: authorityName},
		NotBefore:             notBefore(),
		NotAfter:              notAfter(),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the test CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making the test CA: %w", err)
	}
	return &Authority{key: key, cert: cert, PEM: encodePEM("CERTIFICATE", der)}, nil
}

// Issue makes a certificate for servers and clients.
func (a *Authority) Issue(identity Identity) (Certificate, error) {
	name := strings.Join(append(append([]string{identity.CommonName}, identity.DNSNames...), identity.URIs...), "\n")
	key, err := keyOf("leaf " + name)
	if err != nil {
		return Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serialOf(name),
		Subject:               pkix.Name{CommonName: clip(identity.CommonName)},
		NotBefore:             notBefore(),
		NotAfter:              notAfter(),
		DNSNames:              identity.DNSNames,
		IPAddresses:           identity.IPs,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, text := range identity.URIs {
		uri, err := url.Parse(text)
		if err != nil {
			return Certificate{}, fmt.Errorf("issuing a certificate: expected a URI such as spiffe://cluster.local/ns/a/sa/b: %w", err)
		}
		template.URIs = append(template.URIs, uri)
	}
	der, err := x509.CreateCertificate(nil, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Certificate{}, fmt.Errorf("issuing a certificate for %q: %w", name, err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("issuing a certificate for %q: %w", name, err)
	}
	return Certificate{Chain: encodePEM("CERTIFICATE", der), Key: encodePEM("PRIVATE KEY", private)}, nil
}

// keyOf derives a P-256 key from a name; BoringSSL takes no Ed25519 certificates.
func keyOf(name string) (*ecdsa.PrivateKey, error) {
	seed := sha256.Sum256([]byte("meshray replay key: " + name))
	for range 8 { // a scalar out of range is one in 2^32
		key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
		if err == nil {
			return key, nil
		}
		seed = sha256.Sum256(seed[:])
	}
	return nil, fmt.Errorf("deriving a test key for %q: expected a scalar of P-256", name)
}

func serialOf(name string) *big.Int {
	sum := sha256.Sum256([]byte("meshray replay serial: " + name))
	return new(big.Int).SetBytes(sum[:15])
}

// clip shortens to what X.509 allows for a common name.
func clip(name string) string { return strings.ToValidUTF8(name[:min(len(name), 64)], "") }

// The certificates are valid whenever somebody replays.
func notBefore() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }
func notAfter() time.Time  { return time.Date(2099, 12, 31, 0, 0, 0, 0, time.UTC) }

func encodePEM(kind string, der []byte) []byte {
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}) // a Buffer takes everything
	return out.Bytes()
}
