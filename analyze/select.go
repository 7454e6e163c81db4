package analyze

import (
	"fmt"
	"slices"
	"strings"
)

// Find returns the rule with that name or code, or nil.
func Find(rules []*Rule, id string) *Rule {
	for _, r := range rules {
		if r.Name == id || strings.EqualFold(r.Code, id) {
			return r
		}
	}
	return nil
}

// Select returns the rules that only names, all of them if it is empty, without
// those that skip names, in the order of rules. A pattern is a name, a code, or
// a prefix of either followed by "*": "TLS*" is a family.
func Select(rules []*Rule, only, skip []string) ([]*Rule, error) {
	for _, pattern := range slices.Concat(only, skip) {
		if !slices.ContainsFunc(rules, func(r *Rule) bool { return r.matches(pattern) }) {
			return nil, &UnknownRuleError{Pattern: pattern}
		}
	}
	var out []*Rule
	for _, r := range rules {
		named := len(only) == 0 || slices.ContainsFunc(only, r.matches)
		if named && !slices.ContainsFunc(skip, r.matches) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (r *Rule) matches(pattern string) bool {
	prefix, family := strings.CutSuffix(pattern, "*")
	if !family {
		return r.Name == pattern || strings.EqualFold(r.Code, pattern)
	}
	return strings.HasPrefix(r.Name, prefix) || strings.HasPrefix(r.Code, strings.ToUpper(prefix))
}

// UnknownRuleError says that a pattern names no rule.
type UnknownRuleError struct {
	Pattern string
}

func (e *UnknownRuleError) Error() string {
	return fmt.Sprintf("no rule is called %q: want a name, a code, or a prefix with a star such as TLS*", e.Pattern)
}
