package rules

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	httpextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// JWTNotRequired reports tokens that are checked and that nobody needs.
var JWTNotRequired = &analyze.Rule{
	Name:       "jwt-not-required",
	Code:       "AUT07",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "tokens are checked, but requests without a token pass",
		Finds: "`envoy.filters.http.jwt_authn` with `allow_missing` or `allow_missing_or_failed` in the `requires` of a rule, which is how istiod writes every RequestAuthentication, on a filter chain where no RBAC policy asks for what a token says: the metadata of `envoy.filters.http.jwt_authn`, or `istio_authn` with `request.auth.*`.",
		Hurts: "A RequestAuthentication alone refuses bad tokens and lets requests without a token pass: the service is open to everybody who leaves the header out.",
		Example: `rules:
- match: {prefix: /}
  requires: {requires_any: {requirements: [{provider_name: origins-0}, {allow_missing: {}}]}}
# and no RBAC filter beside it`,
		Silent: "chains with an ext_authz filter, which may look at the token; proxies whose routes match on claims (`dynamic_metadata`); chains for ports that no Service has declared; rules that require a token.",
		Fix:    "add an AuthorizationPolicy: DENY with `notRequestPrincipals: [\"*\"]`, or ALLOW with `requestPrincipals`",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/request_authentication/",
			"https://istio.io/latest/docs/tasks/security/authentication/authn-policy/",
		},
	},
	Run: runJWTNotRequired,
}

func runJWTNotRequired(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				c := &l.chains[i]
				if !c.declared || c.asksForClaims() {
					continue
				}
				for _, g := range c.guards {
					config, _ := g.Config.(*jwtv3.JwtAuthentication)
					found.optionalTokens(p, &l, c, config)
				}
			}
			if len(found.keys) > 0 && !routesByClaims(p) {
				found.report(pass)
			}
		}
	}
}

func (f *fold) optionalTokens(p *mesh.Proxy, l *guardedListener, c *guardedChain, config *jwtv3.JwtAuthentication) {
	for _, rule := range config.GetRules() {
		requirement := rule.GetRequires()
		if named := rule.GetRequirementName(); named != "" {
			requirement = config.GetRequirementMap()[named]
		}
		missing, failed := optional(requirement, 0)
		if !missing && !failed {
			continue
		}
		issuers := issuersOf(config)
		message := fmt.Sprintf("tokens of %s are checked, but not required: requests without one pass", issuers)
		if failed {
			message = fmt.Sprintf("tokens of %s are read, but requests without one and with a bad one pass", issuers)
		}
		f.add(message, analyze.Finding{Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Message: message},
			analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "no policy of this chain asks for a request principal or a claim"})
	}
}

// optional reports whether a requirement lets requests without a token pass, and
// those whose token is bad.
func optional(r *jwtv3.JwtRequirement, depth int) (missing, failed bool) {
	if depth > maxDepth {
		return false, false
	}
	switch of := r.GetRequiresType().(type) {
	case *jwtv3.JwtRequirement_AllowMissing:
		return true, false
	case *jwtv3.JwtRequirement_AllowMissingOrFailed:
		return true, true
	case *jwtv3.JwtRequirement_RequiresAny:
		for _, part := range of.RequiresAny.GetRequirements() {
			m, f := optional(part, depth+1)
			missing, failed = missing || m, failed || f
		}
		return missing, failed
	case *jwtv3.JwtRequirement_RequiresAll:
		missing, failed = true, true
		for _, part := range of.RequiresAll.GetRequirements() {
			m, f := optional(part, depth+1)
			missing, failed = missing && m, failed && f
		}
		return missing, failed
	}
	return false, false
}

func issuersOf(config *jwtv3.JwtAuthentication) string {
	var issuers []string
	for _, name := range slices.Sorted(maps.Keys(config.GetProviders())) {
		issuers = append(issuers, providerLabel(name, config.GetProviders()[name]))
	}
	return strings.Join(slices.Compact(issuers), ", ")
}

// asksForClaims reports whether something on the chain may look at tokens: a policy
// on what they say, or an external server.
func (c *guardedChain) asksForClaims() bool {
	asks := false
	look := visitor{
		principal: func(p *rbacv3.Principal, _ bool) {
			asks = asks || ofToken(p.GetMetadata()) || ofToken(p.GetSourcedMetadata().GetMetadataMatcher())
		},
		permission: func(p *rbacv3.Permission, _ bool) {
			asks = asks || ofToken(p.GetMetadata()) || ofToken(p.GetSourcedMetadata().GetMetadataMatcher())
		},
	}
	for _, g := range c.guards {
		if _, external := g.Config.(*httpextauthzv3.ExtAuthz); external {
			return true
		}
		if config, ok := g.Config.(rbacFilter); ok && config.GetMatcher() != nil {
			return true // a matcher tree may look at anything
		}
		for _, policy := range g.rules().GetPolicies() {
			look.policy(policy)
		}
	}
	return asks
}

// ofToken reports whether a matcher looks at what a JWT filter leaves behind.
func ofToken(m *matcherv3.MetadataMatcher) bool {
	if m.GetFilter() == rbac.JWTFilterName {
		return true
	}
	return m.GetFilter() == "istio_authn" && len(m.GetPath()) > 0 && strings.HasPrefix(m.GetPath()[0].GetKey(), "request.auth")
}

// routesByClaims reports whether the proxy's routes may match on claims.
func routesByClaims(p *mesh.Proxy) bool {
	return slices.ContainsFunc(p.Routes, func(r *mesh.Resource) bool {
		return r.State == mesh.Active && containsAny(r.Raw(), [][]byte{[]byte("dynamic_metadata"), []byte("dynamicMetadata")}) &&
			bytes.Contains(r.Raw(), []byte("jwt_authn"))
	})
}
