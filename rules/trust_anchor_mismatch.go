package rules

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// TrustAnchorMismatch reports proxies that do not trust the authority which signed
// the certificates of those that they talk to.
var TrustAnchorMismatch = &analyze.Rule{
	Name:       "trust-anchor-mismatch",
	Code:       "TLS03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints, analyze.NeedCertificates},
	Doc: analyze.Doc{
		Title: "a proxy does not trust the authority that signed its peer's certificate",
		Finds: "Wherever one captured proxy is routed to another by mutual TLS, both handshakes are verified as Envoy would: the server's `certificate_chain` against the `trusted_ca` of the client's validation context, and the client's against the server's. " +
			"The chain leads to none of the roots.",
		Hurts: "Handshakes fail in one direction or both: 503 with response flag UF and `CERTIFICATE_VERIFY_FAILED: self signed certificate in certificate chain` or `unable to get local issuer certificate`. Typical in the middle of a rotation of the root, for pods that were not restarted.",
		Example: `# secret ROOTCA of productpage: CN=root-2025
# secret default of reviews: issued by CN=root-2026`,
		Silent: "a bundle that has the old root and the new one, which is how a rotation should be; dates, which `cert-expired` judges; validation with `ACCEPT_UNTRUSTED`; proxies whose secrets are not in the capture, and roots that do not come from a secret; certificates that gateways show to clients outside of the mesh.",
		Fix:    "finish the rotation: distribute a bundle with both roots first, then the new certificates; restart the workloads that still have the old ones",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/",
			"https://github.com/istio/istio/issues/22993",
			"https://github.com/istio/istio/issues/26225",
		},
	},
	Run: runTrustAnchorMismatch,
}

func runTrustAnchorMismatch(pass *analyze.Pass) {
	v := &verifier{pass: pass, checked: map[checkKey]bool{}, found: map[distrustKey]*distrust{}, seen: map[[2]*mesh.Resource]bool{}}
	for _, way := range sidecarConnections(pass) {
		for i := range way.peers {
			c := &way.peers[i]
			server, ok := c.shakesHands()
			if !ok {
				continue
			}
			client := c.Context.GetCommonTlsContext()
			v.verify(way.client, client, c.Proxy, server)
			v.verify(c.Proxy, server, way.client, client)
		}
	}
	for _, d := range v.order {
		d.report(pass)
	}
}

// verifier checks each certificate against each set of roots once.
type verifier struct {
	pass    *analyze.Pass
	checked map[checkKey]bool
	seen    map[[2]*mesh.Resource]bool
	found   map[distrustKey]*distrust
	order   []*distrust
}

type checkKey struct {
	leaf  *x509.Certificate
	roots *mesh.Content
}

type distrustKey struct {
	roots  *mesh.Resource
	issuer string
}

// distrust is a proxy that does not trust an issuer.
type distrust struct {
	by     *mesh.Proxy
	secret *mesh.Resource
	roots  []*x509.Certificate
	issuer string
	shown  *x509.Certificate
	peers  []analyze.Location
}

// verify does what one end of a handshake does with the certificate of the other.
func (v *verifier) verify(by *mesh.Proxy, validating *tlsv3.CommonTlsContext, peer *mesh.Proxy, showing *tlsv3.CommonTlsContext) {
	trust := validationOf(by, validating)
	if trust.secret == nil || trust.acceptsUntrusted() {
		return
	}
	for _, config := range showing.GetTlsCertificateSdsSecretConfigs() {
		secret := peer.Active(mesh.Secret, config.GetName())
		pair := [2]*mesh.Resource{trust.secret, secret}
		if secret == nil || v.seen[pair] {
			continue
		}
		v.seen[pair] = true
		s := shown{secret, secretCertificates(v.pass, secret)}
		if s.leaf() == nil {
			continue
		}
		roots := trustedRoots(secretCertificates(v.pass, trust.secret), spiffeID(s.leaf()).TrustDomain().Name())
		if len(roots) == 0 || v.trusts(trust.secret, roots, s.certificates) {
			continue
		}
		key := distrustKey{trust.secret, issuerOf(s.certificates)}
		d := v.found[key]
		if d == nil {
			d = &distrust{by: by, secret: trust.secret, roots: roots, issuer: key.issuer, shown: s.leaf()}
			v.found[key] = d
			v.order = append(v.order, d)
		}
		d.peers = append(d.peers, analyze.Location{
			Ref: peer.Ref(mesh.Secret, s.secret.Name()), Source: s.secret.Source, Message: identity(s.leaf()) + " is issued by " + key.issuer,
		})
	}
}

func (v *verifier) trusts(secret *mesh.Resource, roots []*x509.Certificate, c certificates) bool {
	key := checkKey{c.leaf(), secret.Content}
	trusted, known := v.checked[key]
	if !known {
		trusted = verifies(roots, c)
		v.checked[key] = trusted
	}
	return trusted
}

// verifies reports whether a chain leads to one of the roots. When it does so is
// for other rules: the moment is taken from which on all of them are valid, as
// istiod dates leaves back.
func verifies(roots []*x509.Certificate, c certificates) bool {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: latestStart(c.chain, roots), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, root := range roots {
		options.Roots.AddCert(root)
	}
	for _, intermediate := range c.chain[1:] {
		options.Intermediates.AddCert(intermediate)
	}
	_, err := c.leaf().Verify(options)
	var unknown x509.UnknownAuthorityError
	return !errors.As(err, &unknown)
}

// latestStart is when the last of the certificates becomes valid.
func latestStart(lists ...[]*x509.Certificate) time.Time {
	var latest time.Time
	for _, cert := range slices.Concat(lists...) {
		latest = later(latest, cert.NotBefore)
	}
	return latest
}

// issuerOf names who signed the last certificate of a chain, with the key: a new
// root often has the name of the old one. A root names its own key only.
func issuerOf(c certificates) string {
	last := c.chain[len(c.chain)-1]
	key := last.AuthorityKeyId
	if len(key) == 0 && bytes.Equal(last.RawIssuer, last.RawSubject) {
		key = last.SubjectKeyId
	}
	return withKey(last.Issuer.String(), key)
}

const keyBytes = 4

func withKey(name string, key []byte) string {
	name = cmp.Or(name, "an issuer without a name")
	if len(key) == 0 {
		return name
	}
	return fmt.Sprintf("%s (key %s)", name, hex.EncodeToString(key[:min(keyBytes, len(key))]))
}

func (d *distrust) report(pass *analyze.Pass) {
	var roots []string
	sum := sha256.New()
	for _, root := range d.roots {
		roots = append(roots, withKey(root.Subject.String(), root.SubjectKeyId))
		sum.Write(root.Raw)
	}
	slices.Sort(roots)
	pass.Report(analyze.Finding{
		Ref:     d.by.Ref(mesh.Secret, d.secret.Name()),
		Source:  d.secret.Source,
		Message: fmt.Sprintf("%s, which issued certificates of peers, is not trusted: the roots are %s", d.issuer, listed(roots, " and ")),
		Essence: d.issuer + "\x00" + hex.EncodeToString(sum.Sum(nil)),
		Evidence: []analyze.Evidence{
			{Name: "certificate", Value: identity(d.shown)},
			{Name: "issuer", Value: d.issuer},
			{Name: "roots", Value: strings.Join(roots, ", ")},
		},
		Related: d.peers,
	})
}
