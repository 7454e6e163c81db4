package match

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

type stringKind int8

const (
	stringExact stringKind = iota
	stringPrefix
	stringSuffix
	stringContains
	stringRegex
	stringUnknown
)

// String is a compiled envoy.type.matcher.v3.StringMatcher.
type String struct {
	kind stringKind
	// pattern is in lower case where fold is set.
	pattern string
	fold    bool
	regex   *regexp.Regexp
	// want is the matcher in words, or for stringUnknown why it cannot be answered.
	want string
}

// CompileString prepares a StringMatcher. One that Envoy would refuse, or a custom
// one, gives a String that answers Unknown.
func CompileString(m *matcherv3.StringMatcher) *String {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return newString(stringExact, "exact", p.Exact, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_Prefix:
		return newString(stringPrefix, "prefix", p.Prefix, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_Suffix:
		return newString(stringSuffix, "suffix", p.Suffix, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_Contains:
		return newString(stringContains, "contains", p.Contains, m.GetIgnoreCase())
	case *matcherv3.StringMatcher_SafeRegex:
		return compileRegexString(p.SafeRegex)
	case *matcherv3.StringMatcher_Custom:
		return &String{kind: stringUnknown, want: "custom matcher " + extensionName(p.Custom.GetName(), p.Custom.GetTypedConfig().GetTypeUrl())}
	}
	return &String{kind: stringUnknown, want: "a string matcher without a pattern"}
}

func newString(kind stringKind, name, pattern string, fold bool) *String {
	s := &String{kind: kind, pattern: pattern, fold: fold, want: name + " " + pattern}
	if pattern == "" {
		s.want = name + ` ""`
	}
	if fold {
		s.pattern = lowerASCII(pattern)
		s.want += " (ignoring case)"
	}
	return s
}

func compileRegexString(m *matcherv3.RegexMatcher) *String {
	regex, err := CompileRegex(m)
	if err != nil {
		return &String{kind: stringUnknown, want: err.Error()}
	}
	return &String{kind: stringRegex, regex: regex, want: "safe_regex " + m.GetRegex()}
}

// Want is the matcher in words: "exact u1", "prefix /a (ignoring case)".
func (s *String) Want() string { return s.want }

// Match answers for a value. The Condition of a Result that is not Yes is "value".
func (s *String) Match(value string) Result { return s.match("value", value) }

// match is Match with the condition's name.
func (s *String) match(condition, value string) Result {
	switch s.test(value) {
	case Yes:
		return Matched
	case No:
		return missed(condition, s.want, value)
	}
	return Unmodelled(condition, s.want)
}

// test is the bare answer.
func (s *String) test(value string) Outcome {
	switch s.kind {
	case stringUnknown:
		return Unknown
	case stringRegex:
		return outcome(s.regex.MatchString(value))
	}
	if s.fold {
		value = lowerASCII(value)
	}
	switch s.kind {
	case stringPrefix:
		return outcome(strings.HasPrefix(value, s.pattern))
	case stringSuffix:
		return outcome(strings.HasSuffix(value, s.pattern))
	case stringContains:
		return outcome(strings.Contains(value, s.pattern))
	}
	return outcome(value == s.pattern)
}

// lowerASCII is the case folding of Envoy: bytes beyond ASCII stay as they are,
// so that a Kelvin sign is no k.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, i int) string {
	out := []byte(s)
	for ; i < len(out); i++ {
		if 'A' <= out[i] && out[i] <= 'Z' {
			out[i] += 'a' - 'A'
		}
	}
	return string(out)
}

// CompileRegex prepares a RegexMatcher as Envoy's matchers use it: the whole value
// has to match.
func CompileRegex(m *matcherv3.RegexMatcher) (*regexp.Regexp, error) {
	// The bare pattern first: "a)(b" must not become valid by the group around it.
	if _, err := syntax.Parse(m.GetRegex(), syntax.Perl); err != nil {
		return nil, fmt.Errorf("compiling safe_regex %q: expected an expression in RE2's syntax: %w", m.GetRegex(), err)
	}
	return compileRE2(m.GetRegex(), `\A(?:`+m.GetRegex()+`)\z`)
}

// CompileRewriteRegex prepares the pattern of a RegexMatchAndSubstitute, which
// may match any part of a value.
func CompileRewriteRegex(m *matcherv3.RegexMatcher) (*regexp.Regexp, error) {
	return compileRE2(m.GetRegex(), m.GetRegex())
}

func compileRE2(pattern, anchored string) (*regexp.Regexp, error) {
	regex, err := regexp.Compile(anchored)
	if err != nil {
		return nil, fmt.Errorf("compiling safe_regex %q: expected an expression in RE2's syntax: %w", pattern, err)
	}
	return regex, nil
}

// extensionName is how an extension that is not modelled is called: by its name,
// or by its type where it has none.
func extensionName(name, typeURL string) string {
	if name != "" {
		return name
	}
	if i := strings.LastIndexByte(typeURL, '/'); i >= 0 {
		typeURL = typeURL[i+1:]
	}
	if typeURL == "" {
		return "without a name"
	}
	return typeURL
}
