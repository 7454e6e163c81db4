package rbac

import (
	"strconv"
	"strings"
)

// extAuthzPrefix starts the names of the shadow policies that Istio makes of an
// AuthorizationPolicy with action CUSTOM.
const extAuthzPrefix = "istio-ext-authz-"

// ParsePolicyName takes apart the name that Istio gives to the rule of an
// AuthorizationPolicy, "ns[default]-policy[allow-reviews]-rule[0]", with or without
// the prefix of a CUSTOM policy.
func ParsePolicyName(name string) (namespace, policy string, rule int, ok bool) {
	_, rest, ok := cutRule(name)
	if !ok {
		return "", "", 0, false
	}
	namespace, rest, ok = strings.Cut(rest, "]-policy[")
	if !ok {
		return "", "", 0, false
	}
	policy, rest, ok = strings.Cut(rest, "]-rule[")
	if !ok {
		return "", "", 0, false
	}
	number, ok := strings.CutSuffix(rest, "]")
	rule, err := strconv.Atoi(number)
	if !ok || err != nil || rule < 0 {
		return "", "", 0, false
	}
	return namespace, policy, rule, true
}

// ExtAuthzProvider returns the extension provider of a CUSTOM policy, such as "opa"
// in "istio-ext-authz-opa-ns[shop]-policy[search-ext]-rule[0]". Such a policy is a
// shadow rule that never denies by itself: where it matches, the ext_authz filter
// behind it asks the provider.
func ExtAuthzProvider(name string) (provider string, ok bool) {
	prefix, _, ok := cutRule(name)
	if !ok || prefix == "" {
		return "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(prefix, extAuthzPrefix), "-"), true
}

// cutRule splits a name around "ns["; before it there is nothing, or the prefix of
// a CUSTOM policy.
func cutRule(name string) (prefix, rest string, ok bool) {
	prefix, rest, ok = strings.Cut(name, "ns[")
	if !ok || prefix != "" && !(strings.HasPrefix(prefix, extAuthzPrefix) && strings.HasSuffix(prefix, "-")) {
		return "", "", false
	}
	return prefix, rest, true
}
