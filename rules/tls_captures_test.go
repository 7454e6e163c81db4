package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// tlsRules are the rules on TLS, mutual TLS and certificates.
func tlsRules() []*analyze.Rule {
	return []*analyze.Rule{
		CertExpiring, ClockSkew, GatewayCertDoesNotCoverSNI, GatewaySNIH2Coalescing, HeadlessPlaintextToStrict,
		MTLSModeMismatch, PermissiveStillNeeded, SANMismatch, TLSInspectorMissing, TLSOriginationMismatch,
		TrustAnchorMismatch, TrustDomainMismatch, UpstreamTLSUnverified, WeakCertificate, WeakTLS,
	}
}

// TestTLSCaptures holds all that the rules on TLS say of whole captures. The time is
// that of the capture where none is given.
func TestTLSCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	tests := []struct {
		capture, asOf string
		want          []string
	}{
		{"captures/bookinfo-allow-any", "", nil},
		{"captures/bookinfo-registry-only", "", nil},
		{"captures/bookinfo-drift", "", nil},
		{"captures/waypoint", "", nil},
		{"captures/envoy-real/after", "", nil},
		{"captures/large/bug-report-100.tar.gz", "", nil},
		{
			// The throw-away certificate of both servers is for shop.example.com alone.
			"captures/shop.tar.gz", "", []string{
				"warning gateway-cert-does-not-cover-sni istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/listener/0.0.0.0_8443#partner.example.com x1",
				"warning gateway-cert-does-not-cover-sni istio-ingressgateway-hqxmpscr8-4h5ld.istio-system/listener/0.0.0.0_8443#shop.example.com,www.shop.example.com x1",
				"info permissive-still-needed catalog-v1-fhsbhp28q-lwb2p.shop/listener/virtualInbound x4",
			},
		},
		{
			// Planted: reviews-plaintext. The expired certificate has a common name only.
			"captures/broken", "", []string{
				"error mtls-mode-mismatch istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/cluster/outbound|9080||reviews.default.svc.cluster.local x7",
				"info weak-certificate istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/kubernetes://shop-cert-expired x1",
			},
		},
		{
			// The certificates of a day have a few hours left, and none was renewed.
			"captures/waypoint", "2026-11-23T06:00:00Z", []string{
				"warning cert-expiring istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/secret/default x1",
				"warning cert-expiring productpage-v1-lzlq8s55k-c7p7m.default/secret/default x1",
				"warning cert-expiring waypoint-hg5nrx2pg-hnmxx.default/secret/default x1",
			},
		},
		{
			"corpus/bug-report-1.25", "", []string{
				"info permissive-still-needed httpbin-686d6fc899-nvqvv.httpbin/listener/virtualInbound x1",
				"info weak-certificate my-gateway-istio-84487d85d9-5bznn.istio-gateways/secret/kubernetes-gateway://istio-gateways/httpbin-credential x1",
			},
		},
		{
			// A DestinationRule of the vendor's own has SIMPLE and no roots.
			"corpus/openshift-1.20", "", []string{
				"warning upstream-tls-unverified hello-openshift-5b7bcb9b6d-kggwf.vanilla-playground/cluster/outbound|8188||istiod-basic.istio-system.svc.cluster.local x1",
				"info permissive-still-needed hello-openshift-5b7bcb9b6d-kggwf.vanilla-playground/listener/virtualInbound x1",
			},
		},
	}
	for _, test := range tests {
		t.Run(test.capture+test.asOf, func(t *testing.T) {
			options := loader.Options{}
			if test.asOf != "" {
				at, err := time.Parse(time.RFC3339, test.asOf)
				if err != nil {
					t.Fatal(err)
				}
				options.AsOf = at
			}
			c, err := loader.Load([]string{filepath.Join(shared, filepath.FromSlash(test.capture))}, nil, options)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range analyze.Run(c, tlsRules(), analyze.Options{}).Findings {
				got = append(got, fmt.Sprintf("%s %s %s x%d", f.Severity, f.Rule, f.Ref, len(f.Instances)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

// TestConnectionsFollowed shows that the rules on both ends of a connection are
// silent on healthy captures for having looked: every handshake, certificate and
// name was there to be judged.
func TestConnectionsFollowed(t *testing.T) {
	shared := fixtures.Shared(t)
	for _, test := range []struct {
		capture string
		want    int
	}{
		{"captures/bookinfo-allow-any", 26},
		{"captures/shop.tar.gz", 529},
		{"corpus/bug-report-1.25", 1},
	} {
		c := load(t, filepath.Join(shared, filepath.FromSlash(test.capture)))
		judged := 0
		probe := &analyze.Rule{Name: "probe", Code: "PRB01", Severity: analyze.Info, Run: func(pass *analyze.Pass) {
			for _, way := range sidecarConnections(pass) {
				for i := range way.peers {
					server, ok := way.peers[i].shakesHands()
					if ok && len(shownCertificates(pass, way.peers[i].Proxy, server)) > 0 {
						judged++
					}
				}
			}
		}}
		analyze.Run(c, []*analyze.Rule{probe}, analyze.Options{})
		if judged != test.want {
			t.Errorf("%s: got %d connections with both ends known, want %d", test.capture, judged, test.want)
		}
	}
}
