package match

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// noParameter is what Result.Got says where the request lacks the parameter.
const noParameter = "no such parameter"

// Query is a compiled envoy.config.route.v3.QueryParameterMatcher.
type Query struct {
	name, condition string
	value           *String // nil asks whether the parameter is there
	present         bool    // what is asked where value is nil
}

// CompileQuery prepares a QueryParameterMatcher.
func CompileQuery(m *routev3.QueryParameterMatcher) *Query {
	q := &Query{name: m.GetName(), condition: "query parameter " + m.GetName(), present: true}
	switch s := m.GetQueryParameterMatchSpecifier().(type) {
	case *routev3.QueryParameterMatcher_StringMatch:
		q.value = CompileString(s.StringMatch)
	case *routev3.QueryParameterMatcher_PresentMatch:
		q.present = s.PresentMatch
	}
	return q
}

// Match answers for a :path. Only the first value of a repeated parameter counts,
// and percent-encoding stays as it is: Envoy does not decode either side.
func (q *Query) Match(path string) Result {
	value, found := queryParameter(path, q.name)
	switch {
	case q.value == nil && found == q.present:
		return Matched
	case q.value == nil && found:
		return missed(q.condition, "absent", value)
	case q.value == nil:
		return missed(q.condition, "present", noParameter)
	case !found:
		return missed(q.condition, q.value.want, noParameter)
	}
	return q.value.match(q.condition, value)
}

// queryParameter is the first value of a parameter in the query of a :path.
func queryParameter(path, name string) (value string, found bool) {
	_, query, _ := strings.Cut(path, "?")
	for query != "" {
		var parameter string
		parameter, query, _ = strings.Cut(query, "&")
		if key, value, _ := strings.Cut(parameter, "="); key == name {
			return value, true
		}
	}
	return "", false
}
