package rules

import (
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
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
			"istiod writes them, with action DENY for everything, in place of an AuthorizationPolicy with action CUSTOM whose `provider.name` is not in `meshConfig.extensionProviders`, is of a wrong kind, or stands beside another provider.",
		Hurts: "Every request to the workload is answered with 403 `RBAC: access denied`, also those that the CUSTOM policy does not match.",
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
				for _, name := range badCustomPolicies(c) {
					f := badCustomFinding(name)
					f.Ref, f.Source = p.Ref(mesh.Listener, l.resource.Name()), l.resource.Source
					found.add(name, f, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "refuses everything"})
				}
			}
			found.report(pass)
		}
	}
}

func badCustomPolicies(c *guardedChain) []string {
	var out []string
	for _, g := range c.guards {
		for _, name := range policyNames(g.rules()) {
			if strings.HasSuffix(name, badCustomAction) || name == "default-deny-all-due-to-bad-CUSTOM-action" {
				out = append(out, name)
			}
		}
	}
	return out
}

func badCustomFinding(name string) analyze.Finding {
	policy := strings.TrimSuffix(name, badCustomAction)
	return analyze.Finding{
		Message: fmt.Sprintf("%s refuses everything: the provider of the CUSTOM policy does not exist or cannot be used", policyLabel(policy)),
		Essence: name,
		Object:  policyObject(policy),
	}
}
