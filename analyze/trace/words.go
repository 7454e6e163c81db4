package trace

import (
	"fmt"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// percent writes a share without digits that say nothing.
func percent(share float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(share*100, 'f', 2, 64), "0"), ".") + "%"
}

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func quoted(text string) string { return strconv.Quote(text) }

// MatchWords says in words what a route asks for: "prefix /reviews, header end-user match".
func MatchWords(m *routev3.RouteMatch) string {
	words := []string{pathWords(m)}
	for _, header := range m.GetHeaders() {
		words = append(words, "header "+header.GetName())
	}
	for _, parameter := range m.GetQueryParameters() {
		words = append(words, "query parameter "+parameter.GetName())
	}
	if m.GetGrpc() != nil {
		words = append(words, "gRPC")
	}
	return strings.Join(words, ", ") + " match"
}

func pathWords(m *routev3.RouteMatch) string {
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return "prefix " + p.Prefix
	case *routev3.RouteMatch_Path:
		return "path " + p.Path
	case *routev3.RouteMatch_SafeRegex:
		return "safe_regex " + p.SafeRegex.GetRegex()
	case *routev3.RouteMatch_PathSeparatedPrefix:
		return "path_separated_prefix " + p.PathSeparatedPrefix
	case *routev3.RouteMatch_ConnectMatcher_:
		return "connect_matcher"
	case *routev3.RouteMatch_PathMatchPolicy:
		return "path_match_policy"
	}
	return "any path"
}
