package match

import (
	"testing"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

func TestString(t *testing.T) {
	tests := []struct{ matcher, value, want string }{
		{`{"exact": "u1"}`, "u1", "matches"},
		{`{"exact": "u1"}`, "U1", "value: wants exact u1, got U1"},
		{`{"exact": "U1", "ignoreCase": true}`, "u1", "matches"},
		{`{"exact": ""}`, "a", `value: wants exact "", got a`},
		{`{"exact": "k", "ignoreCase": true}`, "\u212a", "value: wants exact k (ignoring case), got \u212a"},
		{`{"prefix": "/A", "ignoreCase": true}`, "/api", "matches"},
		{`{"prefix": "/A"}`, "/api", "value: wants prefix /A, got /api"},
		{`{"suffix": ".svc"}`, "a.svc", "matches"},
		{`{"suffix": ".svc"}`, "a.svc.", "value: wants suffix .svc, got a.svc."},
		{`{"contains": "B", "ignoreCase": true}`, "abc", "matches"},
		{`{"contains": "B"}`, "abc", "value: wants contains B, got abc"},
		{`{"safeRegex": {"regex": "a|ab"}}`, "ab", "matches"},
		{`{"safeRegex": {"regex": "b"}}`, "abc", "value: wants safe_regex b, got abc"},
		{`{"safeRegex": {"regex": "a.c"}}`, "a\nc", "value: wants safe_regex a.c, got a\nc"},
		{`{"safeRegex": {"regex": "A"}, "ignoreCase": true}`, "a", "value: wants safe_regex A, got a"},
		{`{"custom": {"name": "lua"}}`, "a", "value: cannot be known: custom matcher lua"},
		{`{}`, "", "value: cannot be known: a string matcher without a pattern"},
	}
	for _, test := range tests {
		s := CompileString(parse(t, &matcherv3.StringMatcher{}, test.matcher))
		sameResult(t, s.Match(test.value), test.want)
	}
}

func TestRegexIsCheckedBeforeItIsAnchored(t *testing.T) {
	for _, pattern := range []string{"a)(b", "(", "(?<n>a", `\C`} {
		if _, err := CompileRegex(&matcherv3.RegexMatcher{Regex: pattern}); err == nil {
			t.Errorf("CompileRegex(%q): got no error, want one", pattern)
		}
		s := compileRegexString(&matcherv3.RegexMatcher{Regex: pattern})
		if got := s.Match("a"); got.Outcome != Unknown {
			t.Errorf("a string matcher with %q: got %v, want Unknown", pattern, got)
		}
	}
}

func TestValue(t *testing.T) {
	tests := []struct{ matcher, value, want string }{
		{`{"nullMatch": {}}`, `null`, "matches"},
		{`{"nullMatch": {}}`, `""`, "value: wants null, got "},
		{`{"boolMatch": true}`, `true`, "matches"},
		{`{"boolMatch": true}`, `"true"`, "value: wants true, got true"},
		{`{"doubleMatch": {"exact": 2}}`, `2`, "matches"},
		{`{"doubleMatch": {"range": {"start": 1, "end": 2}}}`, `1`, "matches"},
		{`{"doubleMatch": {"range": {"start": 1, "end": 2}}}`, `2`, "value: wants range [1,2), got 2"},
		{`{"stringMatch": {"prefix": "a"}}`, `"ab"`, "matches"},
		{`{"stringMatch": {"prefix": "a"}}`, `["ab"]`, "value: wants prefix a, got a list"},
		{`{"presentMatch": true}`, `{}`, "matches"},
		{`{"presentMatch": true}`, ``, "value: wants present, got no such value"},
		{`{"presentMatch": false}`, ``, "value: wants present, got no such value"},
		{`{"listMatch": {"oneOf": {"stringMatch": {"exact": "b"}}}}`, `["a", "b"]`, "matches"},
		{`{"listMatch": {"oneOf": {"stringMatch": {"exact": "b"}}}}`, `"b"`, "value: wants a list with exact b, got b"},
		{`{"listMatch": {"oneOf": {"stringMatch": {"custom": {"name": "x"}}}}}`, `["a"]`, "value: cannot be known: a list with custom matcher x"},
		{`{"orMatch": {"valueMatchers": [{"stringMatch": {"exact": "a"}}, {"boolMatch": true}]}}`, `true`, "matches"},
		{`{"orMatch": {"valueMatchers": [{"stringMatch": {"exact": "a"}}, {"boolMatch": true}]}}`, `false`, "value: wants exact a or true, got false"},
		{`{}`, `1`, "value: cannot be known: a value matcher without a pattern"},
	}
	for _, test := range tests {
		v := CompileValue(parse(t, &matcherv3.ValueMatcher{}, test.matcher))
		sameResult(t, v.Match(jsonValue(t, test.value)), test.want)
	}
}
