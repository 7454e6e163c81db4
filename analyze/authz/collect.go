package authz

import (
	"cmp"
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	xdstypev3 "github.com/cncf/xds/go/xds/type/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	httpextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	networkextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"
	networkrbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// rbacConfig is the configuration of an HTTP or a network RBAC filter.
type rbacConfig interface {
	GetRules() *rbacv3.RBAC
	GetShadowRules() *rbacv3.RBAC
	GetMatcher() *xdsmatcherv3.Matcher
	GetShadowMatcher() *xdsmatcherv3.Matcher
}

// rbacOf returns the configuration of an RBAC filter, nil for other filters.
func rbacOf(f mesh.Filter) rbacConfig {
	switch config := f.Config.(type) {
	case *httprbacv3.RBAC:
		return config
	case *networkrbacv3.RBAC:
		return config
	}
	return nil
}

type policyKey struct {
	action          Action
	dryRun          bool
	namespace, name string
}

type ruleKey struct{ policy, filter, demands, asks string }

// collector puts together what says the same at several places.
type collector struct {
	sources  map[policyKey]mesh.Source // by namespace and name
	policies map[policyKey]*Policy
	rules    map[policyKey]map[ruleKey]*Rule
	tokens   []Token
	byToken  map[string]int
}

func newCollector(capture *mesh.Capture) *collector {
	c := &collector{
		sources: map[policyKey]mesh.Source{}, policies: map[policyKey]*Policy{},
		rules: map[policyKey]map[ruleKey]*Rule{}, byToken: map[string]int{},
	}
	for _, doc := range capture.Objects {
		// A file that cannot be read is among the capture's problems.
		objects, _ := doc.Get()
		for _, o := range objects {
			key := policyKey{namespace: o.Namespace, name: o.Name}
			if _, twice := c.sources[key]; !twice && o.Kind == "AuthorizationPolicy" {
				c.sources[key] = mesh.Source{File: doc.Source.File, Line: o.Line}
			}
		}
	}
	return c
}

func (c *collector) add(s site) {
	switch config := s.filter.Config.(type) {
	case *httpextauthzv3.ExtAuthz:
		c.external(s, config)
	case *networkextauthzv3.ExtAuthz:
		c.external(s, config)
	case *jwtv3.JwtAuthentication:
		c.jwt(s, config)
	case *xdstypev3.TypedStruct:
		c.oldJWT(s, config)
	case rbacConfig:
		c.rbac(s, config)
	}
}

// rbac adds the rules of a filter. A matcher takes the place of rules.
func (c *collector) rbac(s site, config rbacConfig) {
	if matcher := config.GetMatcher(); matcher != nil {
		c.actions(s, matcher, false)
	} else if rules := config.GetRules(); rules != nil {
		c.enforced(s, rules)
	}
	if matcher := config.GetShadowMatcher(); matcher != nil {
		c.actions(s, matcher, true)
	} else {
		c.shadow(s, config.GetShadowRules())
	}
}

func (c *collector) enforced(s site, rules *rbacv3.RBAC) {
	action := Action(rules.GetAction().String())
	if len(rules.GetPolicies()) == 0 && action == Allow {
		c.rule(s, policyKey{action: action, name: MatchesNothing}, Rule{Index: -1, Demands: []string{"never: everything is refused"}})
	}
	for _, policy := range rbac.Compile(rules).Policies() {
		c.rule(s, keyOf(action, false, policy.Policy), Rule{Policy: policy.Policy, Demands: policy.Demands})
	}
}

// shadow adds dry runs, and CUSTOM policies: their rules are in the shadow.
func (c *collector) shadow(s site, rules *rbacv3.RBAC) {
	action := Action(rules.GetAction().String())
	for _, policy := range rbac.Compile(rules).Policies() {
		rule := Rule{Policy: policy.Policy, Demands: policy.Demands}
		key := keyOf(action, true, policy.Policy)
		if _, custom := rbac.ExtAuthzProvider(policy.Policy); custom {
			key.action, key.dryRun = Custom, false
			rule.Asks = asksFor(policy.Policy, s.beside)
		}
		c.rule(s, key, rule)
	}
}

func keyOf(action Action, dryRun bool, name string) policyKey {
	if namespace, policy, _, ok := rbac.ParsePolicyName(name); ok {
		return policyKey{action, dryRun, namespace, policy}
	}
	return policyKey{action: action, dryRun: dryRun, name: name}
}

// rule adds a rule at one place.
func (c *collector) rule(s site, key policyKey, rule Rule) {
	rule.Filter, rule.Index = s.filter.Name, -1
	if _, _, index, ok := rbac.ParsePolicyName(rule.Policy); ok {
		rule.Index = index
	}
	if s.filter.Disabled {
		rule.Demands = append(rule.Demands, "where a route enables the filter")
	}
	if c.policies[key] == nil {
		c.policies[key] = &Policy{
			Action: key.action, DryRun: key.dryRun, Namespace: key.namespace, Name: key.name,
			Source: c.sources[policyKey{namespace: key.namespace, name: key.name}],
		}
		c.rules[key] = map[ruleKey]*Rule{}
	}
	same := ruleKey{rule.Policy, rule.Filter, strings.Join(rule.Demands, "\x00"), rule.Asks}
	if c.rules[key][same] == nil {
		c.rules[key][same] = &rule
	}
	known := c.rules[key][same]
	if !slices.Contains(known.Places, s.place) {
		known.Places = append(known.Places, s.place)
	}
}

func (c *collector) sortedPolicies() []Policy {
	var sorted []*Policy
	for key, policy := range c.policies {
		for _, rule := range c.rules[key] {
			policy.Rules = append(policy.Rules, *rule)
		}
		slices.SortFunc(policy.Rules, compareRules)
		sorted = append(sorted, policy)
	}
	slices.SortFunc(sorted, comparePolicies)
	var out []Policy
	for _, policy := range sorted {
		out = append(out, *policy)
	}
	return out
}

func compareRules(a, b Rule) int {
	return cmp.Or(
		cmp.Compare(a.Index, b.Index), strings.Compare(a.Policy, b.Policy), strings.Compare(a.Filter, b.Filter),
		slices.Compare(a.Demands, b.Demands), strings.Compare(a.Asks, b.Asks))
}
