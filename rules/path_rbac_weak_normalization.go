package rules

import (
	"fmt"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// PathRBACWeakNormalization reports policies on paths that another spelling of the
// path gets around.
var PathRBACWeakNormalization = &analyze.Rule{
	Name:       "path-rbac-weak-normalization",
	Code:       "AUT06",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a policy refuses paths, and another spelling of the path gets around it",
		Finds: "RBAC policies that refuse by path (`url_path` in a DENY policy, or negated in an ALLOW policy, also as header `:path`) under a connection manager without `normalize_path`: a warning. " +
			"With `normalize_path`, but without `merge_slashes` or with `path_with_escaped_slashes_action` that keeps `%2F`, which is Istio's default, it is info.",
		Hurts: "`/a/../admin`, `//admin` or `/x%2F..%2Fadmin` do not match the policy, and a backend that simplifies paths serves `/admin`.",
		Example: `normalize_path: false
http_filters:
- name: envoy.filters.http.rbac
  typed_config: {rules: {action: DENY, policies: {"ns[shop]-policy[no-admin]-rule[0]": {permissions: [{url_path: {path: {prefix: /admin}}}], principals: [{any: true}]}}}}`,
		Silent: "ALLOW policies that list the paths which may pass: another spelling matches none of them and is refused. Policies on suffixes and regular expressions are judged like the others.",
		Fix:    "set `meshConfig.pathNormalization.normalization: DECODE_AND_MERGE_SLASHES`, if the backends take such paths; better still, write the policy as ALLOW for the paths that are public",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/normalization/",
			"https://istio.io/latest/docs/ops/best-practices/security/",
			"https://istio.io/latest/news/security/istio-security-2021-005/",
		},
	},
	Run: runPathRBACWeakNormalization,
}

func runPathRBACWeakNormalization(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				if c := &l.chains[i]; c.manager != nil {
					found.weakPaths(p, &l, c)
				}
			}
			found.report(pass)
		}
	}
}

func (f *fold) weakPaths(p *mesh.Proxy, l *guardedListener, c *guardedChain) {
	severity, spellings := unnormalized(c.manager)
	if severity == 0 {
		return
	}
	for _, g := range c.guards {
		rules := g.rules()
		for _, name := range policyNames(rules) {
			if !refusesByPath(rules.GetPolicies()[name], rules.GetAction()) {
				continue
			}
			f.add(name, analyze.Finding{
				Severity: severity,
				Ref:      p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Object: policyObject(name),
				Message: fmt.Sprintf("%s policy %s refuses paths that can be spelt another way: %s", rules.GetAction(), policyLabel(name), spellings),
			}, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
		}
	}
}

// unnormalized is what a connection manager leaves as it is, and how bad that is; 0 for
// nothing.
func unnormalized(manager *hcmv3.HttpConnectionManager) (analyze.Severity, string) {
	var left []string
	severity := analyze.Info
	if !manager.GetNormalizePath().GetValue() {
		left, severity = append(left, "dot segments stay (normalize_path is off)"), analyze.Warning
	}
	if !manager.GetMergeSlashes() {
		left = append(left, "double slashes stay (merge_slashes is off)")
	}
	switch manager.GetPathWithEscapedSlashesAction() {
	case hcmv3.HttpConnectionManager_IMPLEMENTATION_SPECIFIC_DEFAULT, hcmv3.HttpConnectionManager_KEEP_UNCHANGED:
		left = append(left, "%2F stays (path_with_escaped_slashes_action)")
	}
	if len(left) == 0 {
		return 0, ""
	}
	return severity, strings.Join(left, ", ")
}

// refusesByPath reports whether a policy refuses some paths and lets the others pass.
func refusesByPath(policy *rbacv3.Policy, action rbacv3.RBAC_Action) bool {
	refuses := false
	look := func(isPath, negated bool) {
		refuses = refuses || isPath && (action == rbacv3.RBAC_DENY && !negated || action == rbacv3.RBAC_ALLOW && negated)
	}
	visitor{
		permission: func(p *rbacv3.Permission, negated bool) {
			look(p.GetUrlPath() != nil || p.GetUriTemplate() != nil || p.GetHeader().GetName() == ":path", negated)
		},
		principal: func(p *rbacv3.Principal, negated bool) {
			look(p.GetUrlPath() != nil || p.GetHeader().GetName() == ":path", negated)
		},
	}.policy(policy)
	return refuses
}
