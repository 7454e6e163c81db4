package rbac

import (
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	mtlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/principals/mtls_authenticated/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// principalSet combines principals: all of them or one of them, negated or not.
func principalSet(ids []*rbacv3.Principal, all bool, depth int, negated bool) condition {
	parts := make([]condition, len(ids))
	for i, id := range ids {
		parts[i] = principal(id, depth+1, negated)
	}
	return combined(parts, all != negated)
}

func principal(p *rbacv3.Principal, depth int, negated bool) condition {
	if depth > maxDepth {
		return unknown("principals", fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	switch id := p.GetIdentifier().(type) {
	case *rbacv3.Principal_AndIds:
		return principalSet(id.AndIds.GetIds(), true, depth, negated)
	case *rbacv3.Principal_OrIds:
		return principalSet(id.OrIds.GetIds(), false, depth, negated)
	case *rbacv3.Principal_NotId:
		return principal(id.NotId, depth+1, !negated)
	}
	l := principalLeaf(p)
	l.negated = negated
	return l
}

// principalLeaf is a principal that holds no other ones.
func principalLeaf(p *rbacv3.Principal) *leaf {
	switch id := p.GetIdentifier().(type) {
	case *rbacv3.Principal_Any:
		return always()
	case *rbacv3.Principal_Authenticated_:
		return authenticated(id.Authenticated)
	case *rbacv3.Principal_SourceIp:
		return address("source_ip", id.SourceIp, connectionSource)
	case *rbacv3.Principal_DirectRemoteIp:
		return address("direct_remote_ip", id.DirectRemoteIp, directSource)
	case *rbacv3.Principal_RemoteIp:
		return address("remote_ip", id.RemoteIp, source)
	case *rbacv3.Principal_Header:
		return header(id.Header)
	case *rbacv3.Principal_UrlPath:
		return urlPath(id.UrlPath)
	case *rbacv3.Principal_Metadata:
		return metadata(id.Metadata)
	case *rbacv3.Principal_SourcedMetadata:
		return sourcedMetadata(id.SourcedMetadata)
	case *rbacv3.Principal_FilterState:
		return filterState(id.FilterState)
	case *rbacv3.Principal_Custom:
		return custom(id.Custom)
	}
	return unmodelled("principal", "a kind that is not known")
}

// authenticated matches the names in the client's certificate: its URI SANs, its
// DNS SANs, its subject. Of a client that shows a SPIFFE id that id is all there
// is: its certificate has no DNS name and no subject.
func authenticated(p *rbacv3.Principal_Authenticated) *leaf {
	if p.GetPrincipalName() == nil {
		return &leaf{
			name: "authenticated", want: "a TLS connection", got: peer,
			test: func(a *match.Attributes) match.Result {
				return known("authenticated", "a TLS connection", "plaintext", a.TLS)
			},
		}
	}
	name := match.CompileString(p.GetPrincipalName())
	want := name.Want()
	return &leaf{
		name: "authenticated", want: want, got: peer,
		test: func(a *match.Attributes) match.Result {
			if !a.TLS {
				return known("authenticated", want, "plaintext", false)
			}
			if a.PeerPresented && len(a.PeerURISANs) == 0 {
				return match.Unmodelled("authenticated", "the client's certificate has no URI name, and its other names are not known")
			}
			return anyName(name, "authenticated", want, a)
		},
	}
}

// anyName asks for each URI name, and then for the subject, which is empty.
func anyName(name *match.String, condition, want string, a *match.Attributes) match.Result {
	outcome := name.Match("").Outcome
	for _, san := range a.PeerURISANs {
		outcome = either(outcome, name.Match(san).Outcome)
	}
	switch outcome {
	case match.Yes:
		return match.Matched
	case match.Unknown:
		return match.Unmodelled(condition, want)
	}
	return match.Result{Condition: condition, Want: want, Got: peer(a)}
}

func either(a, b match.Outcome) match.Outcome {
	switch {
	case a == match.Yes || b == match.Yes:
		return match.Yes
	case a == match.Unknown || b == match.Unknown:
		return match.Unknown
	}
	return match.No
}

// peer names the client as its certificate does.
func peer(a *match.Attributes) string {
	switch {
	case !a.TLS:
		return "plaintext"
	case len(a.PeerURISANs) > 0:
		return strings.Join(a.PeerURISANs, ", ")
	case a.PeerPresented:
		return "a certificate without a URI name"
	}
	return "TLS without a client certificate"
}

// custom is a principal extension.
func custom(extension *corev3.TypedExtensionConfig) *leaf {
	config, ok := mesh.Unpack(extension.GetName(), extension.GetTypedConfig()).Config.(*mtlsv3.Config)
	if !ok {
		return unmodelled("custom "+extension.GetName(), "this extension is not modelled")
	}
	return mtlsAuthenticated(config)
}

// mtlsAuthenticated matches a client certificate that the proxy has validated.
func mtlsAuthenticated(config *mtlsv3.Config) *leaf {
	const name = "mtls_authenticated"
	want := "a validated client certificate"
	var san *match.String
	if s := config.GetSanMatcher(); s != nil {
		san = match.CompileString(s.GetMatcher())
		want = san.Want()
	}
	kind := config.GetSanMatcher().GetSanType()
	return &leaf{
		name: name, want: want, got: peer,
		test: func(a *match.Attributes) match.Result {
			switch {
			case !a.TLS || !a.PeerValidated:
				return known(name, want, peer(a)+", not validated", false)
			case san == nil:
				return match.Matched
			case kind != tlsv3.SubjectAltNameMatcher_URI:
				return match.Unmodelled(name, "only the URI names of a certificate are known")
			}
			outcome := match.No
			for _, uri := range a.PeerURISANs {
				outcome = either(outcome, san.Match(uri).Outcome)
			}
			if outcome == match.Unknown {
				return match.Unmodelled(name, want)
			}
			return known(name, want, peer(a), outcome == match.Yes)
		},
	}
}
