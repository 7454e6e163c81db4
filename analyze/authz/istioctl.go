package authz

import (
	"maps"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// Row is a line of `istioctl x authz check`.
type Row struct {
	Action Action
	// Policy is "name.namespace".
	Policy string
	Rules  int
}

// IstioctlRows returns the rows that istioctl prints: of the filter chains of
// dynamic listeners, without their default chains. A filter without rules, as
// CUSTOM policies have one, is a row [MatchesNothing] of action ALLOW in it, and
// policies that are not Istio's are one row without a name.
func IstioctlRows(p *mesh.Proxy) []Row {
	listed := map[Action]map[string]bool{}
	rules := map[string]map[int]bool{}
	list := func(action Action, policy string, index int) {
		if listed[action] == nil {
			listed[action] = map[string]bool{}
		}
		if rules[policy] == nil {
			rules[policy] = map[int]bool{}
		}
		listed[action][policy], rules[policy][index] = true, true
	}
	sites, _ := sitesOf(p)
	for _, s := range sites {
		config := rbacOf(s.filter)
		if config == nil || s.hidden || !slices.Contains(istioctlFilters, s.filter.Name) {
			continue
		}
		action := Action(config.GetRules().GetAction().String())
		for name := range config.GetRules().GetPolicies() {
			policy, index := istioctlName(name)
			list(action, policy, index)
		}
		if len(config.GetRules().GetPolicies()) == 0 {
			list(action, MatchesNothing, 0)
		}
		for name := range config.GetShadowRules().GetPolicies() {
			if _, custom := rbac.ExtAuthzProvider(name); custom {
				policy, index := istioctlName(name)
				list(Custom, policy, index)
			}
		}
	}
	var rows []Row
	for _, action := range []Action{Deny, Allow, Log, Custom} {
		for _, policy := range slices.Sorted(maps.Keys(listed[action])) {
			rows = append(rows, Row{action, policy, len(rules[policy])})
		}
	}
	return rows
}

// istioctlFilters are the names by which istioctl finds RBAC filters.
var istioctlFilters = []string{"envoy.filters.http.rbac", "envoy.filters.network.rbac"}

func istioctlName(name string) (policy string, index int) {
	namespace, policy, index, ok := rbac.ParsePolicyName(name)
	if !ok {
		return "", -1
	}
	return policy + "." + namespace, index
}
