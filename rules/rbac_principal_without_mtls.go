package rules

import (
	"fmt"
	"slices"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	mtlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/principals/mtls_authenticated/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// RBACPrincipalWithoutMTLS reports policies on the client's identity where clients
// show none.
var RBACPrincipalWithoutMTLS = &analyze.Rule{
	Name:       "rbac-principal-without-mtls",
	Code:       "AUT04",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a policy asks for the client's identity where clients show no certificate",
		Finds: "RBAC policies that cannot apply without a client certificate (`authenticated`, filter state `io.istio.peer_principal`, `mtls_authenticated`, metadata `istio_authn` `source.principal`) on filter chains that terminate no TLS or ask for no certificate. " +
			"Where no chain for a port asks for one the policy is dead: a DENY policy never refuses anybody; an ALLOW policy lets nobody pass, which is an error where all ALLOW policies of the filter are dead, else a warning. " +
			"Where only the plaintext chain asks for none (PERMISSIVE), a DENY policy is a warning: clients get around it by speaking plaintext.",
		Hurts: "ALLOW: 403 `RBAC: access denied` for those whom the policy names. DENY: requests pass that were to be refused.",
		Example: `filter_chain_match: {destination_port: 9080}   # no transport_socket: mTLS is disabled
http_filters:
- name: envoy.filters.http.rbac
  typed_config: {rules: {policies: {"ns[shop]-policy[callers]-rule[0]": {principals: [{authenticated: {principal_name: {exact: spiffe://cluster.local/ns/shop/sa/web}}}]}}}}`,
		Silent: "On a gateway, which also gets the policies for the whole mesh, a dead DENY policy is a warning, and info where it is one of the root namespace; a dead ALLOW policy beside live ones is info. " +
			"Not reported are ALLOW policies where mTLS is optional, as they refuse plaintext on purpose; policies for other ports than that of the chain; policies that also apply without an identity, such as `notPrincipals`; internal listeners and waypoints, where the tunnel before them has found out who the client is; catch-all chains.",
		Fix: "set PeerAuthentication to STRICT for the port, or mutual TLS for the gateway's server; else choose by something that the client does show",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/authorization-policy/",
			"https://istio.io/latest/docs/ops/best-practices/security/",
			"https://github.com/istio/istio/issues/13493",
		},
	},
	Run: runRBACPrincipalWithoutMTLS,
}

func runRBACPrincipalWithoutMTLS(pass *analyze.Pass) {
	root := rootNamespace(pass.Capture)
	for _, p := range pass.Proxies {
		if p.Kind == mesh.Waypoint {
			continue
		}
		for _, l := range guardedListeners(pass, p) {
			if l.isInternal() {
				continue
			}
			found := newFold()
			for i := range l.chains {
				if c := &l.chains[i]; c.declared && !c.certificate && !c.setsIdentity() {
					found.anonymous(p, &l, c, root)
				}
			}
			found.report(pass)
		}
	}
}

// setsIdentity reports whether a filter of the chain writes filter state, by which it
// may say who the client is.
func (c *guardedChain) setsIdentity() bool {
	return slices.ContainsFunc(c.guards, func(g guard) bool { return strings.Contains(g.TypeURL, "set_filter_state") })
}

// anonymous adds the policies of a chain whose clients have no identity.
func (f *fold) anonymous(p *mesh.Proxy, l *guardedListener, c *guardedChain, root string) {
	secured := l.securedTwin(c)
	for _, g := range c.guards {
		rules := g.rules()
		var dead []string
		live := false
		for _, name := range policyNames(rules) {
			switch policy := rules.GetPolicies()[name]; {
			case c.known().policy(policy) == match.No:
			case c.withoutIdentity().policy(policy) == match.No:
				dead = append(dead, name)
			default:
				live = true
			}
		}
		action := rules.GetAction()
		if action == rbacv3.RBAC_LOG || secured && action == rbacv3.RBAC_ALLOW {
			continue
		}
		for _, name := range dead {
			finding := deadPolicy(p, action, name, !live, root)
			finding.Ref, finding.Source = p.Ref(mesh.Listener, l.resource.Name()), l.resource.Source
			if secured {
				finding.Severity, finding.Confidence = analyze.Warning, analyze.Likely
				finding.Message = fmt.Sprintf("%s policy %s asks for the client's identity, and plaintext is accepted too: a client without mTLS gets around it", action, policyLabel(name))
			}
			f.add(finding.Message, finding, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: securityWords(c)})
		}
	}
}

// deadPolicy is the finding of a policy that never applies; all is set where that is
// so for all policies of its filter. A gateway also gets the policies that are for
// the whole mesh, as those of the root namespace are, and most are not meant for it.
func deadPolicy(p *mesh.Proxy, action rbacv3.RBAC_Action, name string, all bool, root string) analyze.Finding {
	f := analyze.Finding{
		Object:  policyObject(name),
		Message: fmt.Sprintf("%s policy %s asks for the client's identity, and no client shows one: %s", action, policyLabel(name), deadEffect(action)),
	}
	if action == rbacv3.RBAC_ALLOW {
		f.Category = analyze.Outage
	}
	switch {
	case action == rbacv3.RBAC_ALLOW && all:
		f.Message += ", and neither does any other"
	case action == rbacv3.RBAC_ALLOW && p.Kind == mesh.Gateway:
		f.Severity, f.Confidence = analyze.Info, analyze.Likely
	case p.Kind == mesh.Gateway && strings.HasPrefix(f.Object, "AuthorizationPolicy "+root+"/"):
		f.Severity, f.Confidence = analyze.Info, analyze.Likely
		f.Message += " here, and may elsewhere in the mesh"
	case action == rbacv3.RBAC_ALLOW || p.Kind == mesh.Gateway:
		f.Severity, f.Confidence = analyze.Warning, analyze.Likely
	}
	return f
}

func deadEffect(action rbacv3.RBAC_Action) string {
	if action == rbacv3.RBAC_DENY {
		return "it refuses nobody"
	}
	return "it lets nobody pass"
}

func securityWords(c *guardedChain) string {
	if c.tls {
		return "TLS without a client certificate"
	}
	return "no TLS"
}

// securedTwin reports whether another chain takes connections to the same place from
// clients with a certificate.
func (l *guardedListener) securedTwin(c *guardedChain) bool {
	return slices.ContainsFunc(l.chains, func(other guardedChain) bool {
		return other.certificate && sameDestination(other, *c)
	})
}

// sameDestination compares what chains match, but for how the client speaks.
func sameDestination(a, b guardedChain) bool {
	ma, mb := proto.CloneOf(a.message.GetFilterChainMatch()), proto.CloneOf(b.message.GetFilterChainMatch())
	if ma == nil || mb == nil {
		return ma == mb
	}
	ma.TransportProtocol, mb.TransportProtocol = "", ""
	ma.ApplicationProtocols, mb.ApplicationProtocols = nil, nil
	return proto.Equal(ma, mb)
}

// known is what a chain tells of a connection: the port that it came for.
func (c *guardedChain) known() leaves {
	if c.port > 0 {
		return onPort(c.port)
	}
	return anyOnly
}

// withoutIdentity also knows that the clients of this chain show no certificate.
func (c *guardedChain) withoutIdentity() leaves {
	return leaves{permission: c.known().permission, principal: func(p *rbacv3.Principal) match.Outcome {
		if !asksIdentity(p) {
			return anything(p.GetAny())
		}
		return c.anonymousIs(p)
	}}
}

// asksIdentity reports whether a principal is about the client's certificate.
func asksIdentity(p *rbacv3.Principal) bool {
	switch id := p.GetIdentifier().(type) {
	case *rbacv3.Principal_Authenticated_:
		return true
	case *rbacv3.Principal_FilterState:
		return id.FilterState.GetKey() == "io.istio.peer_principal"
	case *rbacv3.Principal_Metadata:
		path := id.Metadata.GetPath()
		return id.Metadata.GetFilter() == "istio_authn" && len(path) > 0 && strings.HasPrefix(path[0].GetKey(), "source.")
	case *rbacv3.Principal_Custom:
		_, ok := mesh.Unpack("", id.Custom.GetTypedConfig()).Config.(*mtlsv3.Config)
		return ok
	}
	return false
}

// anonymousIs asks Envoy's matcher about a client without a certificate.
func (c *guardedChain) anonymousIs(p *rbacv3.Principal) match.Outcome {
	engine := rbac.Compile(&rbacv3.RBAC{Policies: map[string]*rbacv3.Policy{"": {
		Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
		Principals:  []*rbacv3.Principal{p},
	}}})
	return engine.Decide(&match.Attributes{TLS: c.tls, Metadata: map[string]*structpb.Struct{"istio_authn": {}}}).Allowed
}
