package rules

import (
	"fmt"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// RBACTCPBroadDeny reports DENY policies that refuse more on TCP ports than they
// say.
var RBACTCPBroadDeny = &analyze.Rule{
	Name:       "rbac-tcp-broad-deny",
	Code:       "AUT11",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a DENY policy with HTTP fields refuses more on a TCP port than it says",
		Finds: "A policy of `envoy.filters.network.rbac` with action DENY whose namesake in an HTTP filter of the same listener has more conditions. " +
			"On TCP ports istiod leaves out what only HTTP has (methods, paths, hosts, headers), and refuses what the rest matches, to be on the safe side. The message says so where nothing remains and every connection is refused.",
		Hurts: "TCP connections are closed after their first bytes (`rbac_access_denied_matched_policy[...]`), though the policy was meant for some paths of another port.",
		Example: `# http: permissions: [{url_path: {path: {prefix: /debug/}}}]
name: envoy.filters.network.rbac       # chain 0.0.0.0_3306
typed_config: {rules: {action: DENY, policies: {"ns[shop]-policy[no-debug]-rule[0]": {permissions: [{any: true}], principals: [{any: true}]}}}}`,
		Silent: "policies that are the same for HTTP and TCP, which were written so; policies that `to.operation.ports` keeps to other ports; catch-all chains, for ports that no Service has declared; a TCP chain beside an HTTP chain for the same port.",
		Fix:    "give the rule `to.operation.ports` with the HTTP ports that it is meant for",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-tcp/",
			"https://istio.io/latest/docs/reference/config/security/authorization-policy/",
			"https://github.com/istio/istio/issues/24845",
		},
	},
	Run: runRBACTCPBroadDeny,
}

func runRBACTCPBroadDeny(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			meant := l.denyPolicies()
			found := newFold()
			for i := range l.chains {
				if c := &l.chains[i]; c.declared && !l.hasHTTP(c.port) {
					found.broadened(p, &l, c, meant)
				}
			}
			found.report(pass)
		}
	}
}

// denyPolicies are the DENY policies of the listener's HTTP filters.
func (l *guardedListener) denyPolicies() map[string]*rbacv3.Policy {
	out := map[string]*rbacv3.Policy{}
	for _, c := range l.chains {
		for _, g := range c.guards {
			rules := g.rules()
			if !g.http || rules.GetAction() != rbacv3.RBAC_DENY {
				continue
			}
			for _, name := range policyNames(rules) {
				out[name] = rules.GetPolicies()[name]
			}
		}
	}
	return out
}

func (f *fold) broadened(p *mesh.Proxy, l *guardedListener, c *guardedChain, meant map[string]*rbacv3.Policy) {
	for _, g := range c.guards {
		rules := g.rules()
		if g.http || rules.GetAction() != rbacv3.RBAC_DENY {
			continue
		}
		for _, name := range policyNames(rules) {
			policy := rules.GetPolicies()[name]
			if meant[name] == nil || proto.Equal(meant[name], policy) || anyOnly.policy(meant[name]) == match.Yes || onPort(c.port).policy(policy) == match.No {
				continue
			}
			message := fmt.Sprintf("%s refuses more than DENY policy %s says: its HTTP conditions do not count on TCP", c.place(l), policyLabel(name))
			if anyOnly.policy(policy) == match.Yes {
				message = fmt.Sprintf("%s refuses every connection: DENY policy %s has HTTP conditions only, and they do not count on TCP", c.place(l), policyLabel(name))
			}
			f.add(message, analyze.Finding{
				Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Message: message, Object: policyObject(name),
			}, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
		}
	}
}
