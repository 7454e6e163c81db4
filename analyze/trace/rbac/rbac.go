// Package rbac answers Envoy's two authorization filters on plain values: RBAC
// (policies, matcher trees, CEL conditions) and JWT authentication. It says which
// policy decided, why each policy before it did not apply, and what would have to
// be known where a decision is open.
//
// Engines and filters are compiled once and used for many requests.
package rbac

import (
	"maps"
	"slices"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// Engine is a compiled envoy.config.rbac.v3.RBAC, or a matcher tree whose actions
// are envoy.config.rbac.v3.Action. A nil Engine stands for rules that are absent:
// it allows everything.
type Engine struct {
	action   rbacv3.RBAC_Action
	policies []policy    // in the order of their names, as Envoy evaluates them
	tree     *match.Tree // instead of policies
}

type policy struct {
	name      string
	condition condition
}

// Decision is what an Engine says about one request or connection.
type Decision struct {
	// Allowed is Yes, No (denied) or Unknown.
	Allowed match.Outcome
	// Policy is the policy that matched, or the name of the action that the
	// matcher tree ended in; empty where none did.
	Policy string
	// Action is that of the rules, or of the action that the matcher tree ended in.
	Action rbacv3.RBAC_Action
	// Passed are the policies that did not match, in the order of evaluation, up to
	// the one that did.
	Passed []PolicyMiss
	// Unknown says for each policy that cannot be answered what is not known. Where
	// Allowed is nevertheless certain, only the name of the policy is open.
	Unknown []string
}

// PolicyMiss is a policy that was passed over.
type PolicyMiss struct {
	Policy string // empty for a branch of a matcher tree
	// Miss is the first condition that failed, or that cannot be known.
	Miss match.Result
}

// Compile returns the engine of rules; nil for nil.
func Compile(rules *rbacv3.RBAC) *Engine {
	if rules == nil {
		return nil
	}
	e := &Engine{action: rules.GetAction()}
	for _, name := range slices.Sorted(maps.Keys(rules.GetPolicies())) {
		e.policies = append(e.policies, policy{name: name, condition: compilePolicy(rules.GetPolicies()[name])})
	}
	return e
}

// CompileMatcher returns the engine of a matcher tree; nil for nil.
func CompileMatcher(matcher *xdsmatcherv3.Matcher) *Engine {
	if matcher == nil {
		return nil
	}
	return &Engine{tree: match.CompileTree(matcher)}
}

// Decide evaluates the policies in order. Nothing in a changes. A filter's name
// that is missing in a.Metadata makes matchers on it Unknown; an empty Struct says
// that the filter set nothing.
func (e *Engine) Decide(a *match.Attributes) Decision {
	if e == nil {
		return Decision{Allowed: match.Yes}
	}
	if e.tree != nil {
		return e.decideTree(a)
	}
	d := Decision{Action: e.action}
	matched := match.No
	for i := range e.policies {
		p := &e.policies[i]
		result := p.condition.match(a)
		if result.Outcome == match.Yes {
			matched, d.Policy = match.Yes, p.name
			break
		}
		if result.Outcome == match.Unknown {
			matched = match.Unknown
			d.Unknown = append(d.Unknown, p.name+": "+result.String())
		}
		d.Passed = append(d.Passed, PolicyMiss{Policy: p.name, Miss: result})
	}
	d.Allowed = allowed(e.action, matched)
	return d
}

// allowed is what an action makes of policies that matched or not. LOG never denies.
func allowed(action rbacv3.RBAC_Action, matched match.Outcome) match.Outcome {
	switch action {
	case rbacv3.RBAC_ALLOW:
		return matched
	case rbacv3.RBAC_DENY:
		return not(matched)
	}
	return match.Yes
}

func not(outcome match.Outcome) match.Outcome {
	switch outcome {
	case match.Yes:
		return match.No
	case match.No:
		return match.Yes
	}
	return match.Unknown
}
