package match

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
)

// Tree is a compiled xds.type.matcher.v3.Matcher.
type Tree struct {
	// branches answers for the branches of a list or of a map.
	branches func(*walk) step
	noMatch  *onMatch
}

// onMatch is a Matcher.OnMatch: an action, or a tree of its own.
type onMatch struct {
	action       *xdscorev3.TypedExtensionConfig
	tree         *Tree
	keepMatching bool
}

// Decision is what a tree says about a connection or a request.
type Decision struct {
	// Action is the one of the branch that was taken; nil where there is none.
	Action *xdscorev3.TypedExtensionConfig
	// Result is Yes where Action is set. It is Unknown, with the condition in
	// question, where a branch on the way cannot be decided.
	Result Result
	// Passed are the conditions that failed on the way, in order.
	Passed []Result
}

// noData is the Outcome of an input that is not available: it ends the search
// without an action, and without on_no_match.
const noData = Unknown + 1

// walk is one evaluation of a tree.
type walk struct {
	attributes *Attributes
	explain    bool
	passed     []Result
}

// step is what a part of a tree comes to: No to go on with what follows it.
type step struct {
	action *xdscorev3.TypedExtensionConfig
	result Result
}

// CompileTree prepares a matcher tree. A nil Matcher is one that has no branches.
func CompileTree(m *xdsmatcherv3.Matcher) *Tree {
	t := &Tree{branches: func(*walk) step { return step{} }}
	if m.GetOnNoMatch() != nil {
		t.noMatch = compileOnMatch(m.GetOnNoMatch())
	}
	switch {
	case m.GetMatcherList() != nil:
		t.branches = compileMatcherList(m.GetMatcherList())
	case m.GetMatcherTree() != nil:
		t.branches = compileMap(m.GetMatcherTree())
	}
	return t
}

func compileOnMatch(m *xdsmatcherv3.Matcher_OnMatch) *onMatch {
	o := &onMatch{action: m.GetAction(), keepMatching: m.GetKeepMatching()}
	if m.GetMatcher() != nil {
		o.tree = CompileTree(m.GetMatcher())
	}
	return o
}

// Match answers for a connection or a request. Without an action of its own,
// found is false; the result says whether that is for certain.
func (t *Tree) Match(a *Attributes) (action *xdscorev3.TypedExtensionConfig, found bool, result Result) {
	s := t.search(&walk{attributes: a})
	return s.action, s.result.Outcome == Yes, s.result
}

// Explain is Match with the conditions that failed before the answer.
func (t *Tree) Explain(a *Attributes) Decision {
	w := &walk{attributes: a, explain: true}
	s := t.search(w)
	return Decision{Action: s.action, Result: s.result, Passed: w.passed}
}

// Passed returns the conditions that failed before the answer.
func (t *Tree) Passed(a *Attributes) []Result { return t.Explain(a).Passed }

func (t *Tree) search(w *walk) step {
	s := t.walk(w)
	if s.result.Outcome == noData {
		s.result.Outcome = No
	}
	return s
}

func (t *Tree) walk(w *walk) step {
	s := t.branches(w)
	if s.result.Outcome == No && t.noMatch != nil {
		s = t.noMatch.take(w)
	}
	if s.result.Outcome == No && s.result.Condition == "" {
		s.result = missed("matcher", "a branch that matches", "none")
	}
	return s
}

// pass notes a condition that failed.
func (w *walk) pass(r Result) {
	if w.explain {
		w.passed = append(w.passed, r)
	}
}

// take follows a branch. With keep_matching its action does not end the search.
func (o *onMatch) take(w *walk) step {
	s := step{action: o.action, result: Matched}
	switch {
	case o.tree != nil:
		s = o.tree.walk(w)
	case o.action == nil:
		return step{}
	}
	if o.keepMatching && s.result.Outcome == Yes {
		w.pass(missed("keep_matching", "a branch that ends the search", s.action.GetName()))
		return step{}
	}
	return s
}

type listBranch struct {
	holds predicate
	take  *onMatch
}

func compileMatcherList(m *xdsmatcherv3.Matcher_MatcherList) func(*walk) step {
	var list []listBranch
	for _, field := range m.GetMatchers() {
		list = append(list, listBranch{holds: compilePredicate(field.GetPredicate()), take: compileOnMatch(field.GetOnMatch())})
	}
	return func(w *walk) step {
		for i := range list {
			switch r := list[i].holds(w.attributes); r.Outcome {
			case Unknown, noData:
				return step{result: r}
			case No:
				w.pass(r)
				continue
			}
			if s := list[i].take.take(w); s.result.Outcome != No {
				return s
			}
		}
		return step{}
	}
}
