package authz

import (
	"maps"
	"slices"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// maxDepth bounds matcher trees and JWT requirements.
const maxDepth = 64

// actions adds the actions that a matcher tree can end in.
func (c *collector) actions(s site, matcher *xdsmatcherv3.Matcher, dryRun bool) {
	for _, end := range ends(matcher, 0) {
		action, ok := mesh.Unpack(end.GetAction().GetName(), end.GetAction().GetTypedConfig()).Config.(*rbacv3.Action)
		if !ok {
			continue
		}
		c.rule(s, keyOf(Action(action.GetAction().String()), dryRun, action.GetName()),
			Rule{Policy: action.GetName(), Demands: []string{"the filter's matcher tree ends in it"}})
	}
}

// ends returns the branches of a tree that hold an action, in order. Those of
// custom matchers are not among them.
func ends(m *xdsmatcherv3.Matcher, depth int) []*xdsmatcherv3.Matcher_OnMatch {
	if depth > maxDepth {
		return nil
	}
	var branches []*xdsmatcherv3.Matcher_OnMatch
	for _, field := range m.GetMatcherList().GetMatchers() {
		branches = append(branches, field.GetOnMatch())
	}
	tree := m.GetMatcherTree()
	for _, by := range []map[string]*xdsmatcherv3.Matcher_OnMatch{tree.GetExactMatchMap().GetMap(), tree.GetPrefixMatchMap().GetMap()} {
		for _, key := range slices.Sorted(maps.Keys(by)) {
			branches = append(branches, by[key])
		}
	}
	branches = append(branches, m.GetOnNoMatch())
	var out []*xdsmatcherv3.Matcher_OnMatch
	for _, branch := range branches {
		if branch.GetAction() != nil {
			out = append(out, branch)
		}
		if branch.GetMatcher() != nil {
			out = append(out, ends(branch.GetMatcher(), depth+1)...)
		}
	}
	return out
}
