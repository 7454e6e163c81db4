package match

import (
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	urimatchv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/path/match/uri_template/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

type pathKind int8

const (
	pathUnknown pathKind = iota
	pathPrefix
	pathExact
	pathRegex
	pathSeparatedPrefix
	pathTemplate
	pathConnect
)

// pathMatcher is the path_specifier of a RouteMatch.
type pathMatcher struct {
	kind      pathKind
	condition string         // the field's name
	pattern   string         // in lower case where fold is set
	regex     *regexp.Regexp // of pathRegex and pathTemplate
	template  *URITemplate   // of pathTemplate
	fold      bool
	want      string
}

func compilePath(m *routev3.RouteMatch) pathMatcher {
	fold := m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue()
	switch s := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return newPath(pathPrefix, "prefix", s.Prefix, fold)
	case *routev3.RouteMatch_Path:
		return newPath(pathExact, "path", s.Path, fold)
	case *routev3.RouteMatch_PathSeparatedPrefix:
		return newPath(pathSeparatedPrefix, "path_separated_prefix", s.PathSeparatedPrefix, fold)
	case *routev3.RouteMatch_SafeRegex:
		regex, err := CompileRegex(s.SafeRegex)
		if err != nil {
			return pathMatcher{condition: "safe_regex", want: err.Error()}
		}
		return pathMatcher{kind: pathRegex, condition: "safe_regex", regex: regex, want: s.SafeRegex.GetRegex()}
	case *routev3.RouteMatch_ConnectMatcher_:
		return pathMatcher{kind: pathConnect, condition: "connect_matcher", want: "a CONNECT request"}
	case *routev3.RouteMatch_PathMatchPolicy:
		return compilePathPolicy(mesh.Unpack(s.PathMatchPolicy.GetName(), s.PathMatchPolicy.GetTypedConfig()))
	}
	return pathMatcher{condition: "path_specifier", want: "a route without a path specifier"}
}

func newPath(kind pathKind, condition, pattern string, fold bool) pathMatcher {
	p := pathMatcher{kind: kind, condition: condition, pattern: pattern, fold: fold, want: pattern}
	if fold {
		p.pattern = lowerASCII(pattern)
		p.want += " (ignoring case)"
	}
	return p
}

func compilePathPolicy(policy mesh.Filter) pathMatcher {
	config, ok := policy.Config.(*urimatchv3.UriTemplateMatchConfig)
	if !ok {
		return pathMatcher{condition: "path_match_policy", want: extensionName(policy.Name, policy.TypeURL)}
	}
	t := CompileURITemplate(config.GetPathTemplate())
	if t.err != nil {
		return pathMatcher{condition: "path_match_policy", want: t.err.Error()}
	}
	return pathMatcher{kind: pathTemplate, condition: "path_match_policy", regex: t.regex, template: t, want: t.template}
}

// admits asks whether a route is one for the kind of request: CONNECT, which has
// no path of its own, is for connect_matcher only. A CONNECT with :protocol is an
// upgrade and has a path.
func (p *pathMatcher) admits(a *Attributes, hasPath bool) Result {
	method, _ := a.Headers.Get(":method")
	protocol, extended := a.Headers.Get(":protocol")
	connect := method == "CONNECT"
	switch {
	case p.kind == pathConnect && connect && (!extended || protocol == "connect-udp"):
		return Matched
	case p.kind == pathConnect:
		return missed(p.condition, p.want, method)
	case !hasPath || connect && !extended:
		return missed(p.condition, p.want, "a request without a path")
	}
	return Matched
}

// matchPath asks the path specifier.
func (r *Route) matchPath(path string) Result {
	if r.path.kind == pathConnect {
		return Matched
	}
	path = withoutQuery(path)
	if r.IgnorePathParameters && r.path.kind != pathTemplate {
		path = WithoutParameters(path)
	}
	return r.path.match(path)
}

// match answers for a path without query and fragment.
func (p *pathMatcher) match(path string) Result {
	value := path
	if p.fold {
		value = lowerASCII(path)
	}
	matched := false
	switch p.kind {
	case pathPrefix:
		matched = strings.HasPrefix(value, p.pattern)
	case pathExact:
		matched = value == p.pattern
	case pathSeparatedPrefix:
		rest, ok := strings.CutPrefix(value, p.pattern)
		matched = ok && (rest == "" || rest[0] == '/')
	case pathRegex, pathTemplate:
		matched = p.regex.MatchString(path)
	default:
		return Unmodelled(p.condition, p.want)
	}
	if matched {
		return Matched
	}
	return missed(p.condition, p.want, path)
}

// WithoutParameters is a path without what stands behind a semicolon in any of its
// segments.
func WithoutParameters(path string) string {
	if !strings.Contains(path, ";") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

// withoutQuery is a :path up to its query or fragment.
func withoutQuery(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		return path[:i]
	}
	return path
}
