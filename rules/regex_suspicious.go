package rules

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
)

// RegexSuspicious reports regular expressions that match something else than they seem to.
var RegexSuspicious = &analyze.Rule{
	Name:       "regex-suspicious",
	Code:       "RTE13",
	Severity:   analyze.Info,
	Confidence: analyze.Heuristic,
	Category:   analyze.Hygiene,
	Profile:    analyze.Strict,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title:      "a regular expression of a route matches more or less than it looks like",
		Finds:      "`safe_regex` of a route's path or headers that begins with `^` and ends neither with `$` nor with a wildcard; that is a plain text, or a plain text and `.*`; or that has an unescaped `.` between the labels of a host name.",
		Hurts:      "Envoy matches the whole value with RE2: `^/api` takes `/api` only, not what is below it, and the requests fall to another route. An unescaped dot takes any character: `shop.example.com` takes `shopXexample.com`, too.",
		Example:    `match: {safe_regex: {regex: "^/api"}} # takes /api alone`,
		Silent:     "patterns with an alternative, a class, a repetition or another operator where one would expect it; dots followed by a repetition. RE2 knows no catastrophic backtracking, so slow patterns are not looked for. Expressions that do what was meant cannot be told apart: this rule is asked for (--profile strict).",
		Fix:        "use exact or prefix where they do; end the expression with .* if it is meant as a prefix; escape dots in host names",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/matcher/v3/regex.proto", "https://github.com/google/re2/wiki/Syntax"},
	},
	Run: runRegexSuspicious,
}

// suspiciousRegexes are the faults of one route configuration.
type suspiciousRegexes []routeFault

func runRegexSuspicious(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportRouteFaults(pass, p, func(t *routeTable) []routeFault {
			return onceOfTable(pass, t, func() suspiciousRegexes { return eachRoute[suspiciousRegexes](t.config, suspiciousRegex) })
		})
	}
}

// suspiciousRegex judges the first suspicious expression of a route.
func suspiciousRegex(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool) {
	m := route.GetMatch()
	fields := []string{"path"}
	patterns := []string{m.GetSafeRegex().GetRegex()}
	for _, h := range m.GetHeaders() {
		pattern := h.GetStringMatch().GetSafeRegex().GetRegex()
		if pattern == "" {
			pattern = h.GetSafeRegexMatch().GetRegex()
		}
		fields, patterns = append(fields, "header "+h.GetName()), append(patterns, pattern)
	}
	for i, pattern := range patterns {
		if why := suspicion(pattern); why != "" {
			return routeFault{
				virtualHost: vh.GetName(),
				message:     fmt.Sprintf("%s, the %s of %s of %s, %s", pattern, fields[i], routeWords(route, index), hostOf(vh), why),
				object:      istioObject(route.GetMetadata()),
			}, true
		}
	}
	return routeFault{}, false
}

var (
	// hostDot is a dot between the labels of a host name that no backslash escapes.
	hostDot = regexp.MustCompile(`[a-z0-9]\.([a-z0-9-]+\\?\.)*(com|org|net|io|local|example|dev|internal)\b`)
	openEnd = regexp.MustCompile(`(\.\*|\.\+|\*|\+|\)|\]|\})\$?$`)
)

// suspicion says what is odd about a pattern; "" if nothing is.
func suspicion(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	switch {
	case pattern == "" || err != nil:
		return ""
	case hostDot.MatchString(pattern):
		return "has a dot that takes any character"
	case strings.HasPrefix(pattern, "^") && !strings.HasSuffix(pattern, "$") && !openEnd.MatchString(pattern):
		return "takes the whole value, not what begins with it"
	case tree.Op == syntax.OpLiteral:
		return "is plain text: exact says so"
	}
	if text, rest := strings.CutSuffix(pattern, ".*"); rest && text != "" {
		if tree, err := syntax.Parse(text, syntax.Perl); err == nil && tree.Op == syntax.OpLiteral {
			return "is plain text and anything: prefix says so"
		}
	}
	return ""
}
