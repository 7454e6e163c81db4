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

// Profiles returns the names by which sets of rules are asked for.
func Profiles() []string { return []string{"default", string(Edge), string(Perf), string(Strict)} }

// includedIn reports whether a profile, by its name, has the rule: Strict has all,
// every other one its own rules and those that always run.
func (r *Rule) includedIn(profile string) bool {
	return r.Profile == Default || string(r.Profile) == profile || profile == string(Strict)
}

// Select returns the rules that only names, those of the profile if it is empty,
// without those that skip names, in the order of rules. A pattern is a name, a
// code, or a prefix of either followed by "*": "TLS*" is a family. A rule that is
// named runs whatever the profile.
func Select(rules []*Rule, only, skip []string, profile string) ([]*Rule, error) {
	for _, pattern := range slices.Concat(only, skip) {
		if !slices.ContainsFunc(rules, func(r *Rule) bool { return r.matches(pattern) }) {
			return nil, &UnknownRuleError{Pattern: pattern}
		}
	}
	var out []*Rule
	for _, r := range rules {
		named := len(only) == 0 && r.includedIn(profile) || slices.ContainsFunc(only, r.matches)
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
