package replay

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
)

func TestAuthorityIsAlwaysTheSame(t *testing.T) {
	id := Identity{CommonName: "shop", DNSNames: []string{"shop.example.com"}, URIs: []string{"spiffe://cluster.local/ns/a/sa/b"}}
	var seen []byte
	for range 2 {
		authority, err := NewAuthority()
		if err != nil {
			t.Fatal(err)
		}
		cert, err := authority.Issue(id)
		if err != nil {
			t.Fatal(err)
		}
		all := bytes.Join([][]byte{authority.PEM, cert.Chain, cert.Key}, nil)
		if seen != nil && !bytes.Equal(seen, all) {
			t.Errorf("got two different certificates for one identity, want the same")
		}
		seen = all
	}
}

func TestAuthorityIssue(t *testing.T) {
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.Issue(Identity{CommonName: "b", DNSNames: []string{"*.example.com"}, URIs: []string{"spiffe://td/ns/a/sa/b"}})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert.Chain, cert.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.PEM)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "shop.example.com"}); err != nil {
		t.Errorf("verifying the leaf against the CA: %v", err)
	}
	if got, want := pair.Leaf.URIs[0].String(), "spiffe://td/ns/a/sa/b"; got != want {
		t.Errorf("got URI SAN %s, want %s", got, want)
	}
}
