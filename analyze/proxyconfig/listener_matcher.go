package proxyconfig

import (
	"maps"
	"slices"
	"strings"

	matcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// matcherPaths lists the ways through a listener's filter_chain_matcher by the name of the chain
// that they lead to, each like "ip=10.96.0.2/32 -> port=9080". What no input decides is "ANY".
func matcherPaths(m *matcherv3.Matcher) map[string][]string {
	if m == nil {
		return nil
	}
	w := matcherWalk{paths: map[string][]string{}}
	w.matcher(m, nil)
	return w.paths
}

type matcherWalk struct {
	paths map[string][]string
}

func (w *matcherWalk) matcher(m *matcherv3.Matcher, path []string) {
	for _, field := range m.GetMatcherList().GetMatchers() {
		w.onMatch(field.GetOnMatch(), with(path, predicate(field.GetPredicate())))
	}
	if tree := m.GetMatcherTree(); tree != nil {
		w.tree(tree, path)
	}
	if m.GetOnNoMatch() != nil {
		w.onMatch(m.GetOnNoMatch(), with(path, "ANY"))
	}
}

func (w *matcherWalk) tree(tree *matcherv3.Matcher_MatcherTree, path []string) {
	input := tree.GetInput().GetName()
	w.keys(tree.GetExactMatchMap().GetMap(), input+"=", path)
	w.keys(tree.GetPrefixMatchMap().GetMap(), input+"^=", path)
	custom := tree.GetCustomMatch()
	if custom == nil {
		return
	}
	var byIP matcherv3.IPMatcher
	if custom.GetTypedConfig().UnmarshalTo(&byIP) != nil {
		w.paths[""] = append(w.paths[""], strings.Join(with(path, input+"="+custom.GetTypedConfig().GetTypeUrl()), " -> "))
		return
	}
	for _, r := range byIP.GetRangeMatchers() {
		w.onMatch(r.GetOnMatch(), with(path, input+"="+ranges(r.GetRanges())))
	}
}

func (w *matcherWalk) keys(on map[string]*matcherv3.Matcher_OnMatch, label string, path []string) {
	for _, key := range slices.Sorted(maps.Keys(on)) {
		w.onMatch(on[key], with(path, label+key))
	}
}

func (w *matcherWalk) onMatch(on *matcherv3.Matcher_OnMatch, path []string) {
	if inner := on.GetMatcher(); inner != nil {
		w.matcher(inner, path)
		return
	}
	chain := chainOf(on.GetAction().GetTypedConfig(), on.GetAction().GetName())
	w.paths[chain] = append(w.paths[chain], strings.Join(path, " -> "))
}

// chainOf is the name of the filter chain that an action chooses.
func chainOf(action *anypb.Any, name string) string {
	var chain wrapperspb.StringValue
	if action.UnmarshalTo(&chain) != nil {
		return name
	}
	return chain.GetValue()
}

// with returns path and one more step, without touching what path shares its memory with.
func with(path []string, step string) []string { return append(path[:len(path):len(path)], step) }

func predicate(p *matcherv3.Matcher_MatcherList_Predicate) string {
	switch {
	case p.GetSinglePredicate() != nil:
		single := p.GetSinglePredicate()
		return single.GetInput().GetName() + stringMatch(single)
	case p.GetOrMatcher() != nil:
		return predicates(p.GetOrMatcher(), " or ")
	case p.GetAndMatcher() != nil:
		return predicates(p.GetAndMatcher(), " and ")
	case p.GetNotMatcher() != nil:
		return "not " + predicate(p.GetNotMatcher())
	}
	return "?"
}

func predicates(list *matcherv3.Matcher_MatcherList_Predicate_PredicateList, word string) string {
	var parts []string
	for _, p := range list.GetPredicate() {
		parts = append(parts, predicate(p))
	}
	return "(" + strings.Join(parts, word) + ")"
}

func stringMatch(p *matcherv3.Matcher_MatcherList_Predicate_SinglePredicate) string {
	m := p.GetValueMatch()
	switch {
	case m == nil:
		return "=" + p.GetCustomMatch().GetTypedConfig().GetTypeUrl()
	case m.GetPrefix() != "":
		return "^=" + m.GetPrefix()
	case m.GetSuffix() != "":
		return "$=" + m.GetSuffix()
	case m.GetContains() != "":
		return "*=" + m.GetContains()
	case m.GetSafeRegex() != nil:
		return "~=" + m.GetSafeRegex().GetRegex()
	}
	return "=" + m.GetExact()
}
