package trace_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// The peers of a cluster are its endpoints that are in the capture, each with the
// transport socket that its tlsMode chooses.
func TestPeers(t *testing.T) {
	c := load(t, "captures", "shop.tar.gz")
	engine := trace.New(c)
	p, err := c.FindProxy(storefront, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cluster string
		want    []string
	}{
		{"outbound|8080|v2|catalog.shop.svc.cluster.local", []string{"catalog-v2-55kc7p7mx-zpwk8.shop mtls outbound_.8080_.v2_.catalog.shop.svc.cluster.local true"}},
		{"outbound|8081||inventory.legacy.svc.cluster.local", nil}, // without sidecars
		{"outbound|9092||kafka.data.svc.cluster.local", nil},       // ORIGINAL_DST has no endpoints
		{"BlackHoleCluster", nil},
		{"no such cluster", nil},
	} {
		var got []string
		for _, peer := range engine.Peers(p, test.cluster) {
			got = append(got, fmt.Sprint(peer.Proxy.Key(), " ", peer.TLS.Mode, " ", peer.TLS.SNI, " ", peer.Context.GetSni() == peer.TLS.SNI))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.cluster, got, test.want)
		}
	}
}

// catalog is STRICT, except for port 9000.
func TestAccept(t *testing.T) {
	c := load(t, "captures", "shop.tar.gz")
	engine := trace.New(c)
	p, err := c.FindProxy(catalog, "")
	if err != nil {
		t.Fatal(err)
	}
	ip := netip.MustParseAddr(p.Addresses[0])
	istio := &request.TLS{ALPN: []string{"istio"}, ClientURISAN: "spiffe://cluster.local/ns/shop/sa/cart"}
	for _, test := range []struct {
		name      string
		port      uint16
		handshake *request.TLS
		verdict   trace.Verdict
		chosen    bool
	}{
		{"mutual TLS", 8080, istio, "", true},
		{"cleartext to STRICT", 8080, nil, trace.TLSMismatch, false},
		{"no certificate", 8080, &request.TLS{ALPN: []string{"h2"}}, trace.TLSMismatch, true},
		{"another trust domain", 8080, &request.TLS{ALPN: []string{"istio"}, ClientURISAN: "spiffe://elsewhere/ns/a/sa/b"}, trace.TLSMismatch, true},
		{"mutual TLS to PERMISSIVE", 9000, istio, "", true},
		{"cleartext to PERMISSIVE", 9000, nil, "", true},
	} {
		got, err := engine.Accept(p, netip.AddrPortFrom(ip, test.port), test.handshake)
		if err != nil {
			t.Fatal(err)
		}
		if got.Verdict != test.verdict || (got.Chain != nil) != test.chosen {
			t.Errorf("%s: got verdict %q (%s) by chain %q, want %q, a chain chosen: %v", test.name, got.Verdict, got.Reason, got.FilterChain, test.verdict, test.chosen)
		}
	}
}
