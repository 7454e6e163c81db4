package rules

import (
	"fmt"
	"slices"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// RBACDeniesEverything reports RBAC filters that let nothing pass.
var RBACDeniesEverything = &analyze.Rule{
	Name:       "rbac-denies-everything",
	Code:       "AUT01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "an RBAC filter with action ALLOW allows nothing",
		Finds: "`envoy.filters.http.rbac` and `envoy.filters.network.rbac` with `rules.action` ALLOW whose `policies` are empty, or can never apply because of `not_rule: any` or `not_id: any`. " +
			"Empty on a TCP port while the HTTP filters of the same listener do have ALLOW policies is an error: all their rules ask for methods, paths or headers, and istiod leaves such rules out where there is no HTTP. " +
			"Empty without such a reason is a warning. A policy that was written to allow nothing is info.",
		Hurts: "Every request is answered with 403 `RBAC: access denied` (`rbac_access_denied_matched_policy[none]`), every TCP connection is closed after its first bytes.",
		Example: `name: envoy.filters.network.rbac   # chain 0.0.0.0_3306
typed_config: {rules: {action: ALLOW, policies: {}}, stat_prefix: tcp.}`,
		Silent: "rules that are absent, which allow everything; the catch-all chains of the inbound listener, which serve the ports that no Service has declared; a TCP chain beside an HTTP chain for the same port, which only takes what is not HTTP. " +
			"An allow-nothing policy beside other ALLOW policies changes nothing, as they are merged.",
		Fix: "for a TCP port, add a rule without HTTP fields (ports, principals, namespaces) or declare the port's protocol as HTTP; else add the rule that is missing",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/authorization-policy/",
			"https://istio.io/latest/docs/tasks/security/authorization/authz-tcp/",
			"https://github.com/istio/istio/issues/24845",
		},
	},
	Run: runRBACDeniesEverything,
}

func runRBACDeniesEverything(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					if rules := g.rules(); rules != nil && allowsNothing(rules) {
						found.allowsNothing(p, &l, &l.chains[i], g)
					}
				}
			}
			found.report(pass)
		}
	}
}

func allowsNothing(rules *rbacv3.RBAC) bool {
	if rules.GetAction() != rbacv3.RBAC_ALLOW {
		return false
	}
	for _, policy := range rules.GetPolicies() {
		if anyOnly.policy(policy) != match.No {
			return false
		}
	}
	return true
}

func (f *fold) allowsNothing(p *mesh.Proxy, l *guardedListener, c *guardedChain, g guard) {
	names := policyNames(g.rules())
	if !c.declared || !g.http && len(names) == 0 && l.hasHTTP(c.port) {
		return
	}
	finding := analyze.Finding{Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source}
	beside := l.allowPolicies()
	switch {
	case len(names) > 0:
		finding.Severity, finding.Category = analyze.Info, analyze.Security
		finding.Object, finding.Message = neverApply(names)
		finding.Fix = "nothing, if nobody is to pass; else add an ALLOW policy with a rule"
	case !g.http && len(beside) > 0:
		finding.Object = policyObject(beside[0])
		finding.Message = fmt.Sprintf("%s refuses every connection: the rules of the ALLOW policies ask for HTTP, and there is none", c.place(l))
		finding.Evidence = []analyze.Evidence{{Name: "ALLOW policies of the HTTP ports", Value: strings.Join(beside, ", ")}}
	default:
		finding.Severity, finding.Confidence = analyze.Warning, analyze.Likely
		finding.Message = fmt.Sprintf("%s refuses everything: its RBAC filter lets pass what a policy allows, and has no policy", c.place(l))
	}
	f.add(finding.Message, finding, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
}

// neverApply words that these policies, all that a filter has, allow nothing; object is
// the one that they were made of, "" where there are several.
func neverApply(names []string) (object, message string) {
	object = policyObject(names[0])
	if len(names) == 1 {
		return object, fmt.Sprintf("policy %s never applies and is the only ALLOW policy: nobody passes, on purpose", policyLabel(names[0]))
	}
	var labels []string
	for _, name := range names {
		labels = append(labels, policyLabel(name))
		if policyObject(name) != object {
			object = ""
		}
	}
	return object, fmt.Sprintf("policies %s never apply and are the only ALLOW policies: nobody passes, on purpose", strings.Join(labels, ", "))
}

// allowPolicies are the ALLOW policies of the listener's HTTP filters, sorted.
func (l *guardedListener) allowPolicies() []string {
	var names []string
	for i := range l.chains {
		for _, g := range l.chains[i].guards {
			if rules := g.rules(); g.http && rules.GetAction() == rbacv3.RBAC_ALLOW {
				names = append(names, policyNames(rules)...)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
