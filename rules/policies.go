package rules

import (
	"maps"
	"slices"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// leaves answer for the conditions of a policy that hold no other ones.
type leaves struct {
	permission func(*rbacv3.Permission) match.Outcome
	principal  func(*rbacv3.Principal) match.Outcome
}

// anyOnly knows of nothing but any.
var anyOnly = leaves{
	permission: func(p *rbacv3.Permission) match.Outcome { return anything(p.GetAny()) },
	principal:  func(p *rbacv3.Principal) match.Outcome { return anything(p.GetAny()) },
}

// onPort knows of any and of the port that a connection came for.
func onPort(port uint32) leaves {
	return leaves{
		permission: func(p *rbacv3.Permission) match.Outcome {
			switch rule := p.GetRule().(type) {
			case *rbacv3.Permission_DestinationPort:
				return whether(rule.DestinationPort == port)
			case *rbacv3.Permission_DestinationPortRange:
				return whether(int64(rule.DestinationPortRange.GetStart()) <= int64(port) && int64(port) < int64(rule.DestinationPortRange.GetEnd()))
			}
			return anything(p.GetAny())
		},
		principal: anyOnly.principal,
	}
}

func whether(is bool) match.Outcome {
	if is {
		return match.Yes
	}
	return match.No
}

func anything(is bool) match.Outcome {
	if is {
		return match.Yes
	}
	return match.Unknown
}

// policy says whether a policy applies: one of its permissions, one of its
// principals, and its condition.
func (l leaves) policy(p *rbacv3.Policy) match.Outcome {
	parts := []match.Outcome{
		some(p.GetPermissions(), func(r *rbacv3.Permission) match.Outcome { return l.permissions(r, 0) }),
		some(p.GetPrincipals(), func(r *rbacv3.Principal) match.Outcome { return l.principals(r, 0) }),
	}
	if p.GetCondition() != nil || p.GetCheckedCondition() != nil {
		parts = append(parts, match.Unknown)
	}
	return every(parts, func(o match.Outcome) match.Outcome { return o })
}

func (l leaves) permissions(p *rbacv3.Permission, depth int) match.Outcome {
	if depth > maxDepth {
		return match.Unknown
	}
	below := func(r *rbacv3.Permission) match.Outcome { return l.permissions(r, depth+1) }
	switch rule := p.GetRule().(type) {
	case *rbacv3.Permission_AndRules:
		return every(rule.AndRules.GetRules(), below)
	case *rbacv3.Permission_OrRules:
		return some(rule.OrRules.GetRules(), below)
	case *rbacv3.Permission_NotRule:
		return negated(below(rule.NotRule))
	}
	return l.permission(p)
}

func (l leaves) principals(p *rbacv3.Principal, depth int) match.Outcome {
	if depth > maxDepth {
		return match.Unknown
	}
	below := func(r *rbacv3.Principal) match.Outcome { return l.principals(r, depth+1) }
	switch id := p.GetIdentifier().(type) {
	case *rbacv3.Principal_AndIds:
		return every(id.AndIds.GetIds(), below)
	case *rbacv3.Principal_OrIds:
		return some(id.OrIds.GetIds(), below)
	case *rbacv3.Principal_NotId:
		return negated(below(id.NotId))
	}
	return l.principal(p)
}

func every[T any](parts []T, of func(T) match.Outcome) match.Outcome {
	answer := match.Yes
	for _, part := range parts {
		switch of(part) {
		case match.No:
			return match.No
		case match.Unknown:
			answer = match.Unknown
		}
	}
	return answer
}

func some[T any](parts []T, of func(T) match.Outcome) match.Outcome {
	return negated(every(parts, func(part T) match.Outcome { return negated(of(part)) }))
}

func negated(o match.Outcome) match.Outcome {
	switch o {
	case match.Yes:
		return match.No
	case match.No:
		return match.Yes
	}
	return o
}

// visitor sees every condition of a policy that holds no other ones, and whether it
// is negated. Either function may be nil.
type visitor struct {
	permission func(p *rbacv3.Permission, negated bool)
	principal  func(p *rbacv3.Principal, negated bool)
}

func (v visitor) policy(p *rbacv3.Policy) {
	for _, permission := range p.GetPermissions() {
		v.permissions(permission, false, 0)
	}
	for _, principal := range p.GetPrincipals() {
		v.principals(principal, false, 0)
	}
}

func (v visitor) permissions(p *rbacv3.Permission, negated bool, depth int) {
	if depth > maxDepth || v.permission == nil {
		return
	}
	switch rule := p.GetRule().(type) {
	case *rbacv3.Permission_AndRules:
		for _, r := range rule.AndRules.GetRules() {
			v.permissions(r, negated, depth+1)
		}
	case *rbacv3.Permission_OrRules:
		for _, r := range rule.OrRules.GetRules() {
			v.permissions(r, negated, depth+1)
		}
	case *rbacv3.Permission_NotRule:
		v.permissions(rule.NotRule, !negated, depth+1)
	default:
		v.permission(p, negated)
	}
}

func (v visitor) principals(p *rbacv3.Principal, negated bool, depth int) {
	if depth > maxDepth || v.principal == nil {
		return
	}
	switch id := p.GetIdentifier().(type) {
	case *rbacv3.Principal_AndIds:
		for _, i := range id.AndIds.GetIds() {
			v.principals(i, negated, depth+1)
		}
	case *rbacv3.Principal_OrIds:
		for _, i := range id.OrIds.GetIds() {
			v.principals(i, negated, depth+1)
		}
	case *rbacv3.Principal_NotId:
		v.principals(id.NotId, !negated, depth+1)
	default:
		v.principal(p, negated)
	}
}

// policyNames returns the names of the policies in the order in which Envoy
// evaluates them.
func policyNames(rules *rbacv3.RBAC) []string {
	return slices.Sorted(maps.Keys(rules.GetPolicies()))
}
