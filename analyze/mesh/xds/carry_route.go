package xds

import "strings"

// regexMatcher is v3's form of v2's plain `regex`.
func regexMatcher(regex any) object {
	return object{"regex": regex}
}

func carryRouteMatch(o, gone object) {
	if regex, ok := gone["regex"]; ok {
		setDefault(o, "safe_regex", regexMatcher(regex))
	}
}

func carryHeaderMatcher(o, gone object) {
	if regex, ok := gone["regex_match"]; ok {
		setDefault(o, "safe_regex_match", regexMatcher(regex))
	}
}

func carryStringMatcher(o, gone object) {
	if regex, ok := gone["regex"]; ok {
		setDefault(o, "safe_regex", regexMatcher(regex))
	}
}

// carryQueryParameterMatcher: v2's value is a regex or exact; without one, presence is what matches.
func carryQueryParameterMatcher(o, gone object) {
	value, ok := gone["value"]
	switch {
	case !ok || value == "":
		return
	case gone["regex"] == true:
		setDefault(o, "string_match", object{"safe_regex": regexMatcher(value)})
	default:
		setDefault(o, "string_match", object{"exact": value})
	}
}

// carryRouteAction moves the one mirror policy, and the websocket switch of Envoy 1.6. host_rewrite
// was literal in v2; v3 reused the name for a format, which means the same if it has no operator.
func carryRouteAction(o, gone object) {
	if host, ok := o["host_rewrite"].(string); ok && !strings.Contains(host, "%") {
		delete(o, "host_rewrite")
		o["host_rewrite_literal"] = host
	}
	if member(gone, "use_websocket") == true {
		setDefault(o, "upgrade_configs", []any{object{"upgrade_type": "websocket"}})
	}
	if policy, ok := gone["request_mirror_policy"]; ok {
		setDefault(o, "request_mirror_policies", []any{policy})
	}
}

// carryMirrorPolicy: a key that the runtime did not know meant that nothing was mirrored.
func carryMirrorPolicy(o, gone object) {
	if key, ok := gone["runtime_key"]; ok && key != "" {
		setDefault(o, "runtime_fraction", object{
			"default_value": object{"numerator": 0, "denominator": "TEN_THOUSAND"},
			"runtime_key":   key,
		})
	}
}

// carryVirtualCluster writes pattern and method as the header matches they were.
func carryVirtualCluster(o, gone object) {
	pattern, ok := gone["pattern"]
	if !ok || o["headers"] != nil {
		return
	}
	headers := []any{object{"name": ":path", "safe_regex_match": regexMatcher(pattern)}}
	if method, ok := gone["method"]; ok && method != "METHOD_UNSPECIFIED" {
		headers = append(headers, object{"name": ":method", "exact_match": method})
	}
	o["headers"] = headers
}

// carryCors moves the origins, "*" included, which Envoy keeps comparing as a text, and the switch.
func carryCors(o, gone object) {
	matchers, _ := o["allow_origin_string_match"].([]any)
	exact, _ := gone["allow_origin"].([]any)
	for _, origin := range exact {
		matchers = append(matchers, object{"exact": origin})
	}
	regexes, _ := gone["allow_origin_regex"].([]any)
	for _, regex := range regexes {
		matchers = append(matchers, object{"safe_regex": regexMatcher(regex)})
	}
	if len(matchers) > 0 {
		o["allow_origin_string_match"] = matchers
	}
	if enabled, ok := gone["enabled"].(bool); ok {
		numerator := 0
		if enabled {
			numerator = 100
		}
		setDefault(o, "filter_enabled", object{"default_value": object{"numerator": numerator, "denominator": "HUNDRED"}})
	}
}
