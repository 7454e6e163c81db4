package rules

import (
	"fmt"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// RBACDryRunLeft reports policies that only run dry.
var RBACDryRunLeft = &analyze.Rule{
	Name:       "rbac-dry-run-left",
	Code:       "AUT13",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "an AuthorizationPolicy runs dry: it counts and refuses nothing",
		Finds: "Policies in `shadow_rules` of the RBAC filters, other than the CUSTOM ones (`istio-ext-authz-...`). " +
			"istiod puts an AuthorizationPolicy with the annotation `istio.io/dry-run: \"true\"` there, with `shadow_rules_stat_prefix` `istio_dry_run_allow_` or `istio_dry_run_deny_`.",
		Hurts: "Nothing fails, and nothing is protected: what the policy would refuse is only counted and logged.",
		Example: `shadow_rules:
  action: DENY
  policies: {"ns[shop]-policy[no-debug]-rule[0]": {...}}
shadow_rules_stat_prefix: istio_dry_run_deny_`,
		Silent: "`shadow_rules_stat_prefix` alone, which istiod always writes; CUSTOM policies, whose shadow rules switch on ext_authz; a policy of the same name that is enforced in the same filter.",
		Fix:    "when the counters `shadow_denied` show what was expected, remove the annotation `istio.io/dry-run`",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-dry-run/",
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter",
		},
	},
	Run: runRBACDryRunLeft,
}

func runRBACDryRunLeft(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					found.dryRuns(p, &l, &l.chains[i], g)
				}
			}
			found.report(pass)
		}
	}
}

func (f *fold) dryRuns(p *mesh.Proxy, l *guardedListener, c *guardedChain, g guard) {
	config, ok := g.Config.(rbacFilter)
	if !ok {
		return
	}
	action := config.GetShadowRules().GetAction().String()
	for _, name := range policyNames(config.GetShadowRules()) {
		_, custom := rbac.ExtAuthzProvider(name)
		_, enforced := config.GetRules().GetPolicies()[name]
		if custom || enforced {
			continue
		}
		f.add(name, analyze.Finding{
			Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source,
			Message:  fmt.Sprintf("%s policy %s runs dry: it counts what it would do and refuses nothing", action, policyLabel(name)),
			Object:   policyObject(name),
			Evidence: []analyze.Evidence{{Name: "shadow_rules_stat_prefix", Value: config.GetShadowRulesStatPrefix()}},
		}, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
	}
}
