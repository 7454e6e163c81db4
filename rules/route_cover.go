package rules

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// coverer answers which routes an earlier route of the same virtual host leaves no
// request for. It answers no where it cannot tell.
type coverer struct {
	match *routev3.RouteMatch
	regex *regexp.Regexp
	// prefix is that of the match, or what an expression such as /api/.* amounts to.
	prefix string
	// never is set where the earlier route lets some requests pass by chance.
	never bool
}

func newCoverer(m *routev3.RouteMatch) coverer {
	c := coverer{match: m, prefix: m.GetPrefix(), never: m.GetRuntimeFraction() != nil}
	if m.GetSafeRegex() != nil {
		regex, err := match.CompileRegex(m.GetSafeRegex())
		c.regex, c.never = regex, c.never || err != nil
		c.prefix = wildcardPrefix(m.GetSafeRegex().GetRegex())
	}
	return c
}

// covers reports whether every request that fits later fits the earlier route.
func (c *coverer) covers(later *routev3.RouteMatch) bool {
	m := c.match
	return !c.never && c.coversPath(later) &&
		(m.GetGrpc() == nil || later.GetGrpc() != nil) &&
		(m.GetTlsContext() == nil || proto.Equal(m.GetTlsContext(), later.GetTlsContext())) &&
		impliedBy(m.GetHeaders(), later.GetHeaders(), impliesHeader) &&
		impliedBy(m.GetQueryParameters(), later.GetQueryParameters(), impliesParameter) &&
		impliedBy(m.GetCookies(), later.GetCookies(), same[*routev3.CookieMatcher]) &&
		impliedBy(m.GetDynamicMetadata(), later.GetDynamicMetadata(), same) &&
		impliedBy(m.GetFilterState(), later.GetFilterState(), same)
}

func same[M proto.Message](a, b M) bool { return proto.Equal(a, b) }

// impliedBy reports whether each condition follows from one of the facts.
func impliedBy[M any](conditions, facts []M, implies func(fact, condition M) bool) bool {
	for _, condition := range conditions {
		if !slices.ContainsFunc(facts, func(fact M) bool { return implies(fact, condition) }) {
			return false
		}
	}
	return true
}

// impliesHeader asks whether a request that fits one matcher fits the other.
func impliesHeader(fact, condition *routev3.HeaderMatcher) bool {
	if proto.Equal(fact, condition) {
		return true
	}
	if !strings.EqualFold(fact.GetName(), condition.GetName()) || fact.GetInvertMatch() || condition.GetInvertMatch() || fact.GetTreatMissingHeaderAsEmpty() {
		return false
	}
	value, exact := exactHeader(fact)
	if exact {
		header := request.Headers{{Name: fact.GetName(), Value: value}}
		return match.CompileHeader(condition).Match(header).Outcome == match.Yes
	}
	present, ok := fact.GetHeaderMatchSpecifier().(*routev3.HeaderMatcher_PresentMatch)
	return isPresent(condition) && (!ok || present.PresentMatch)
}

// isPresent reports whether a matcher asks for no more than that the header is there.
func isPresent(m *routev3.HeaderMatcher) bool {
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case nil:
		return true
	case *routev3.HeaderMatcher_PresentMatch:
		return s.PresentMatch
	}
	return false
}

// exactHeader is the one value that a header matcher takes. An empty one of the
// deprecated form takes every value.
func exactHeader(m *routev3.HeaderMatcher) (value string, ok bool) {
	if old := m.GetExactMatch(); old != "" {
		return old, true
	}
	if s := m.GetStringMatch(); s.GetExact() != "" && !s.GetIgnoreCase() {
		return s.GetExact(), true
	}
	return "", false
}

func impliesParameter(fact, condition *routev3.QueryParameterMatcher) bool {
	return proto.Equal(fact, condition) ||
		fact.GetName() == condition.GetName() && fact.GetStringMatch() != nil && condition.GetPresentMatch()
}

// coversPath asks for the path specifier alone.
func (c *coverer) coversPath(later *routev3.RouteMatch) bool {
	m := c.match
	if (m.GetConnectMatcher() != nil) != (later.GetConnectMatcher() != nil) {
		return false
	}
	if m.GetConnectMatcher() != nil {
		return true
	}
	if c.takesEveryPath() {
		return later.GetPathSpecifier() != nil
	}
	fold := !caseSensitive(m)
	if !fold && !caseSensitive(later) {
		return false
	}
	if c.regex != nil && (m.GetSafeRegex().GetRegex() == later.GetSafeRegex().GetRegex() || later.GetPath() != "" && c.regex.MatchString(later.GetPath())) {
		return true
	}
	path, prefix, separated := folded(m.GetPath(), fold), folded(c.prefix, fold), folded(m.GetPathSeparatedPrefix(), fold)
	switch s := later.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Path:
		p := folded(s.Path, fold)
		return path != "" && p == path || prefix != "" && strings.HasPrefix(p, prefix) || separated != "" && (p == separated || strings.HasPrefix(p, separated+"/"))
	case *routev3.RouteMatch_Prefix:
		p := folded(s.Prefix, fold)
		return prefix != "" && strings.HasPrefix(p, prefix) || separated != "" && strings.HasPrefix(p, separated+"/")
	case *routev3.RouteMatch_PathSeparatedPrefix:
		p := folded(s.PathSeparatedPrefix, fold)
		return prefix != "" && strings.HasPrefix(p, prefix) || separated != "" && (p == separated || strings.HasPrefix(p, separated+"/"))
	case *routev3.RouteMatch_SafeRegex:
		literal := regexPrefix(s.SafeRegex.GetRegex())
		return prefix != "" && strings.HasPrefix(folded(literal, fold), prefix)
	}
	return false
}

func folded(text string, fold bool) string {
	if fold {
		return strings.ToLower(text)
	}
	return text
}

// caseSensitive is so for every expression: Envoy ignores case_sensitive there.
func caseSensitive(m *routev3.RouteMatch) bool {
	return m.GetCaseSensitive() == nil || m.GetCaseSensitive().GetValue() || m.GetSafeRegex() != nil
}

// takesEveryPath reports whether the path specifier takes any path.
func (c *coverer) takesEveryPath() bool {
	switch s := c.match.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return s.Prefix == "/" || s.Prefix == ""
	case *routev3.RouteMatch_SafeRegex:
		return s.SafeRegex.GetRegex() == ".*" || c.prefix == "/"
	}
	return false
}

// wildcardPrefix is the text of a pattern that is a text and .* behind it; else empty.
func wildcardPrefix(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil || tree.Op != syntax.OpConcat {
		return ""
	}
	parts := tree.Sub
	if parts[0].Op == syntax.OpBeginText {
		parts = parts[1:]
	}
	if parts[len(parts)-1].Op == syntax.OpEndText {
		parts = parts[:len(parts)-1]
	}
	if len(parts) != 2 || parts[0].Op != syntax.OpLiteral || parts[0].Flags&syntax.FoldCase != 0 || parts[1].Op != syntax.OpStar || parts[1].Sub[0].Op != syntax.OpAnyCharNotNL {
		return ""
	}
	return string(parts[0].Rune)
}

// regexPrefix is the text that all matches of a pattern start with.
func regexPrefix(pattern string) string {
	// Envoy matches the whole path; LiteralPrefix knows none of an anchored pattern.
	regex, err := regexp.Compile(strings.TrimPrefix(pattern, "^"))
	if err != nil {
		return ""
	}
	prefix, _ := regex.LiteralPrefix()
	return prefix
}
