package rules

import (
	"fmt"
	"iter"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// RBACBadCustomProvider reports CUSTOM policies whose provider does not exist.
var RBACBadCustomProvider = &analyze.Rule{
	Name:       "rbac-bad-custom-provider",
	Code:       "AUT02",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "istiod denies everything because a CUSTOM policy names a bad provider",
		Finds: "RBAC policies named `...-deny-due-to-bad-CUSTOM-action` (older istiods: `default-deny-all-due-to-bad-CUSTOM-action`). " +
			"istiod writes them, with action DENY for all that the policy matches (older ones for everything), in place of an AuthorizationPolicy with action CUSTOM whose `provider.name` is not in `meshConfig.extensionProviders`, is of a wrong kind, or stands beside another provider.",
		Hurts: "Every request that the policy is for, with an older istiod every request to the workload, is answered with 403 `RBAC: access denied`.",
		Example: `rules:
  action: DENY
  policies:
    default-deny-all-due-to-bad-CUSTOM-action: {permissions: [{any: true}], principals: [{any: true}]}`,
		Silent: "CUSTOM policies with a provider: they are shadow rules with an ext_authz filter behind them.",
		Fix:    "define the provider in `meshConfig.extensionProviders`, or correct `provider.name` of the AuthorizationPolicy; one workload can have one provider only",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-custom/",
			"https://github.com/istio/istio/issues/40944",
		},
	},
	Run: runRBACBadCustomProvider,
}

const badCustomAction = "-deny-due-to-bad-CUSTOM-action"

func runRBACBadCustomProvider(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				c := &l.chains[i]
				for name, policy := range badCustomPolicies(c) {
					f := badCustomFinding(name, policy)
					f.Ref, f.Source = p.Ref(mesh.Listener, l.resource.Name()), l.resource.Source
					found.add(name, f, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in the chain"})
				}
			}
			found.report(pass)
		}
	}
}

// badCustomPolicies are those that stand in the place of a CUSTOM policy, by name.
func badCustomPolicies(c *guardedChain) iter.Seq2[string, *rbacv3.Policy] {
	return func(yield func(string, *rbacv3.Policy) bool) {
		for _, g := range c.guards {
			for _, name := range policyNames(g.rules()) {
				bad := strings.HasSuffix(name, badCustomAction) || name == "default-deny-all-due-to-bad-CUSTOM-action"
				if bad && !yield(name, g.rules().GetPolicies()[name]) {
					return
				}
			}
		}
	}
}

func badCustomFinding(name string, policy *rbacv3.Policy) analyze.Finding {
	custom := strings.TrimSuffix(name, badCustomAction)
	refused := "everything that it is for"
	if anyOnly.policy(policy) == match.Yes {
		refused = "everything"
	}
	return analyze.Finding{
		Message: fmt.Sprintf("%s refuses %s: the provider of the CUSTOM policy does not exist or cannot be used", policyLabel(custom), refused),
		Essence: name,
		Object:  policyObject(custom),
	}
}
