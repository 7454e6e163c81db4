package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// RBACUnknownPrincipal reports policies that name service accounts which do not exist.
var RBACUnknownPrincipal = &analyze.Rule{
	Name:       "rbac-unknown-principal",
	Code:       "AUT05",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedServiceAccounts},
	Doc: analyze.Doc{
		Title: "a policy names a service account that does not exist",
		Finds: "Principals that are exactly one SPIFFE id (`authenticated.principal_name.exact`, filter state `io.istio.peer_principal`), `spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, " +
			"whose namespace and account are among neither the captured ServiceAccount objects nor the proxies of the capture.",
		Hurts: "No client can have the identity: an ALLOW policy does not let the caller pass that was meant (403 `RBAC: access denied`), a DENY policy does not refuse it. Most often it is a typo, or an account that was renamed.",
		Example: `principals:
- authenticated: {principal_name: {exact: spiffe://cluster.local/ns/shop/sa/frontend}} # the account is called front-end`,
		Silent: "prefixes, suffixes and regular expressions; namespaces of which the capture has no ServiceAccount at all, unless it lists the namespaces and this one is not among them; identities of other trust domains; meshes of several clusters, whose accounts one cluster does not know.",
		Fix:    "correct the principal, or create the service account",
		References: []string{
			"https://istio.io/latest/docs/reference/config/security/authorization-policy/",
			"https://github.com/istio/istio/issues/47027",
		},
	},
	Run: runRBACUnknownPrincipal,
}

func runRBACUnknownPrincipal(pass *analyze.Pass) {
	if severalClusters(pass.Capture) {
		return
	}
	known := knownAccounts(pass.Capture)
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					found.strangers(p, &l, &l.chains[i], g, known)
				}
			}
			found.report(pass)
		}
	}
}

func (f *fold) strangers(p *mesh.Proxy, l *guardedListener, c *guardedChain, g guard, known accounts) {
	rules := g.rules()
	for _, name := range policyNames(rules) {
		visitor{principal: func(id *rbacv3.Principal, _ bool) {
			spiffe := exactIdentity(id)
			account, ok := parseAccount(spiffe)
			if !ok || !known.lacks(account, p) {
				return
			}
			finding := analyze.Finding{
				Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Object: policyObject(name),
				Message: fmt.Sprintf("%s is named by %s policy %s, but namespace %s has no such service account", spiffe, rules.GetAction(), policyLabel(name), account.namespace),
			}
			if there := known.names[account.namespace]; len(there) > 0 {
				listed := slices.Sorted(maps.Keys(there))
				finding.Evidence = []analyze.Evidence{{Name: "service accounts of the namespace", Value: strings.Join(listed[:min(len(listed), listedTargets)], ", ")}}
			}
			f.add(name+"\x00"+spiffe, finding, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
		}}.policy(rules.GetPolicies()[name])
	}
}

// exactIdentity is the one identity that a principal stands for; "" for all others.
func exactIdentity(p *rbacv3.Principal) string {
	var name *matcherv3.StringMatcher
	switch {
	case p.GetAuthenticated() != nil:
		name = p.GetAuthenticated().GetPrincipalName()
	case p.GetFilterState().GetKey() == "io.istio.peer_principal":
		name = p.GetFilterState().GetStringMatch()
	}
	if name.GetIgnoreCase() {
		return ""
	}
	return name.GetExact()
}

// account is a service account by its SPIFFE id.
type account struct {
	domain, namespace, name string
}

func parseAccount(spiffe string) (account, bool) {
	rest, ok := strings.CutPrefix(spiffe, "spiffe://")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return account{}, false
	}
	return account{domain: parts[0], namespace: parts[2], name: parts[4]}, true
}

// accounts are the service accounts of a capture.
type accounts struct {
	// names are those of a namespace.
	names map[string]map[string]bool
	// namespaces are all that the cluster has; nil where the capture does not list
	// them.
	namespaces map[string]bool
	// listed are the namespaces whose ServiceAccount objects were captured.
	listed map[string]bool
}

func knownAccounts(c *mesh.Capture) accounts {
	known := accounts{names: map[string]map[string]bool{}, listed: map[string]bool{}}
	for _, p := range c.Proxies {
		known.add(p.Namespace, serviceAccount(p))
	}
	for _, doc := range c.Objects {
		objects, _ := doc.Get()
		for _, o := range objects {
			switch {
			case o.APIVersion != "v1":
			case o.Kind == "ServiceAccount":
				known.add(o.Namespace, o.Name)
				known.listed[o.Namespace] = true
			case o.Kind == "Namespace":
				if known.namespaces == nil {
					known.namespaces = map[string]bool{}
				}
				known.namespaces[o.Name] = true
			}
		}
	}
	return known
}

func (a accounts) add(namespace, name string) {
	if namespace == "" || name == "" {
		return
	}
	if a.names[namespace] == nil {
		a.names[namespace] = map[string]bool{}
	}
	a.names[namespace][name] = true
}

// lacks reports whether the account certainly does not exist in the mesh of p.
func (a accounts) lacks(id account, p *mesh.Proxy) bool {
	if own, ok := parseAccount(shownIdentity(p)); ok && own.domain != id.domain {
		return false
	}
	if a.names[id.namespace][id.name] {
		return false
	}
	return a.listed[id.namespace] || a.namespaces != nil && !a.namespaces[id.namespace]
}

// serviceAccount is that in the metadata of the proxy's node.
func serviceAccount(p *mesh.Proxy) string {
	if p.Bootstrap == nil {
		return ""
	}
	return rawjson.GetText(p.Bootstrap.Raw(), "node", "metadata", "SERVICE_ACCOUNT")
}

// shownIdentity is the SPIFFE id in the proxy's workload certificate; "" if the
// capture does not have it.
func shownIdentity(p *mesh.Proxy) string {
	r := p.Active(mesh.Secret, "default")
	if r == nil {
		return ""
	}
	chain := readSecret(r).chain
	if len(chain) == 0 || len(chain[0].URIs) == 0 {
		return ""
	}
	return chain[0].URIs[0].String()
}

// severalClusters reports whether the mesh spans clusters.
func severalClusters(c *mesh.Capture) bool {
	ids := map[string]bool{}
	for _, p := range c.Proxies {
		if p.Bootstrap != nil {
			ids[rawjson.GetText(p.Bootstrap.Raw(), "node", "metadata", "CLUSTER_ID")] = true
		}
	}
	delete(ids, "")
	for _, cp := range c.ControlPlanes {
		raw, _ := cp.Debug["clusterz"].Get()
		for _, cluster := range rawjson.Elements(raw) {
			ids[rawjson.GetText(cluster, "id")] = true
		}
	}
	return len(ids) > 1
}
