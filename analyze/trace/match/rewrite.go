package match

import (
	"regexp"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	urirewritev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/path/rewrite/uri_template/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// PathRewrite is what a route does to :path before it sends a request on.
type PathRewrite struct {
	// Unknown says why the new path cannot be known; "" where it can.
	Unknown string

	match  pathMatcher
	prefix string
	regex  *substitution // of the path without its query
	format *Format       // of the path without its query
}

// CompilePathRewrite prepares prefix_rewrite, regex_rewrite, path_rewrite and
// path_rewrite_policy of a route action, which is nil-safe. Without any of them the
// path stays.
func CompilePathRewrite(m *routev3.RouteMatch, action *routev3.RouteAction) *PathRewrite {
	p := &PathRewrite{match: compilePath(m)}
	switch policy := action.GetPathRewritePolicy(); {
	case action.GetPrefixRewrite() != "":
		p.prefix = action.GetPrefixRewrite()
	case action.GetRegexRewrite() != nil:
		p.setRegex(action.GetRegexRewrite())
	case action.GetPathRewrite() != "":
		p.setFormat(action.GetPathRewrite())
	case policy != nil:
		p.setPolicy(mesh.Unpack(policy.GetName(), policy.GetTypedConfig()))
	}
	return p
}

func (p *PathRewrite) setFormat(text string) {
	p.format = CompileFormat(text)
	if len(p.format.Unknown) > 0 {
		p.Unknown = "path_rewrite with " + strings.Join(p.format.Unknown, ", ")
	}
}

func (p *PathRewrite) setRegex(m *matcherv3.RegexMatchAndSubstitute) {
	regex, err := compileSubstitution(m)
	if err != nil {
		p.Unknown = err.Error()
		return
	}
	p.regex = regex
}

func (p *PathRewrite) setPolicy(f mesh.Filter) {
	config, ok := f.Config.(*urirewritev3.UriTemplateRewriteConfig)
	if !ok || p.match.template == nil {
		p.Unknown = "path_rewrite_policy " + extensionName(f.Name, f.TypeURL)
		return
	}
	replacement, err := p.match.template.rewrite(config.GetPathTemplateRewrite())
	if err != nil {
		p.Unknown = err.Error()
		return
	}
	p.regex = &substitution{regex: p.match.regex, template: replacement}
}

// Apply returns the new :path of a request that the route matched, its query kept.
// Envoy joins a new prefix with what follows the old one and adds no slash.
func (p *PathRewrite) Apply(a *Attributes) string {
	path, _ := a.Headers.Get(":path")
	bare := withoutQuery(path)
	rest := path[len(bare):]
	switch {
	case p.prefix != "":
		if matched, ok := p.matched(bare); ok {
			return p.prefix + path[matched:]
		}
	case p.regex != nil:
		if text := p.regex.replace(bare); text != "" {
			return text + rest
		}
	case p.format != nil && p.Unknown == "":
		if text := p.format.Apply(a); text != "" {
			return text + rest
		}
	}
	return path
}

// matched is how much of a path without query the route matched, in bytes. A path
// with parameters that do not count may begin otherwise than the route's; Envoy then
// leaves it as it is.
func (p *PathRewrite) matched(path string) (length int, ok bool) {
	switch p.match.kind {
	case pathPrefix, pathExact, pathSeparatedPrefix:
		start := path[:min(len(p.match.pattern), len(path))]
		if p.match.fold {
			start = lowerASCII(start)
		}
		return len(start), start == p.match.pattern
	}
	return len(path), true
}

// substitution is a compiled envoy.type.matcher.v3.RegexMatchAndSubstitute.
type substitution struct {
	regex *regexp.Regexp
	// template is the substitution in the syntax of package regexp.
	template string
	// missing is set where it asks for a group that the pattern does not have, for
	// which RE2 replaces nothing.
	missing bool
}

func compileSubstitution(m *matcherv3.RegexMatchAndSubstitute) (*substitution, error) {
	regex, err := CompileRewriteRegex(m.GetPattern())
	if err != nil {
		return nil, err
	}
	s := &substitution{regex: regex}
	s.template, s.missing = substitutionTemplate(m.GetSubstitution(), regex.NumSubexp())
	return s, nil
}

// substitutionTemplate translates RE2's \1 into ${1}. RE2 stops at an escape that
// it does not know.
func substitutionTemplate(text string, groups int) (template string, missing bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$':
			out.WriteString("$$")
		case c != '\\':
			out.WriteByte(c)
		case i+1 < len(text) && text[i+1] == '\\':
			out.WriteByte('\\')
			i++
		case i+1 < len(text) && '0' <= text[i+1] && text[i+1] <= '9':
			missing = missing || int(text[i+1]-'0') > groups
			out.WriteString("${" + text[i+1:i+2] + "}")
			i++
		default:
			return out.String(), missing
		}
	}
	return out.String(), missing
}

// replace replaces all matches in a text.
func (s *substitution) replace(text string) string {
	if s.missing {
		return text
	}
	return s.regex.ReplaceAllString(text, s.template)
}

// HostRewrite is what a route does to :authority before it sends a request on.
type HostRewrite struct {
	// Unknown says why the new host cannot be known; "" where it can. Auto says
	// that it is the name of the chosen endpoint.
	Unknown string
	Auto    bool

	literal string
	header  string
	regex   *substitution
	format  *Format
	append  bool
}

// CompileHostRewrite prepares the host_rewrite_specifier of a route action, which is
// nil-safe. Without one the host stays.
func CompileHostRewrite(action *routev3.RouteAction) *HostRewrite {
	h := &HostRewrite{append: action.GetAppendXForwardedHost()}
	switch s := action.GetHostRewriteSpecifier().(type) {
	case *routev3.RouteAction_HostRewriteLiteral:
		h.literal = s.HostRewriteLiteral
	case *routev3.RouteAction_AutoHostRewrite:
		h.Auto = s.AutoHostRewrite.GetValue()
	case *routev3.RouteAction_HostRewriteHeader:
		h.header = headerName(s.HostRewriteHeader)
	case *routev3.RouteAction_HostRewritePathRegex:
		regex, err := compileSubstitution(s.HostRewritePathRegex)
		if err != nil {
			h.Unknown = err.Error()
		}
		h.regex = regex
	case *routev3.RouteAction_HostRewrite:
		h.format = CompileFormat(s.HostRewrite)
		if len(h.format.Unknown) > 0 {
			h.Unknown = "host_rewrite with " + strings.Join(h.format.Unknown, ", ")
		}
	}
	return h
}

// Apply returns the headers with the new :authority, and with the old one in
// x-forwarded-host where the route asks for it.
func (h *HostRewrite) Apply(a *Attributes, headers request.Headers) request.Headers {
	host := h.literal
	switch {
	case h.Unknown != "":
		return headers
	case h.header != "":
		host, _ = firstLine(headers, h.header)
	case h.regex != nil:
		path, _ := headers.Get(":path")
		host = h.regex.replace(withoutQuery(path))
	case h.format != nil:
		// Only here does Envoy write a missing value as in an access log.
		host = h.format.apply(a, "-")
	}
	if host == "" {
		return headers
	}
	return h.SetHost(headers, host)
}

// SetHost returns the headers with a host in place of :authority, as Apply does; for
// Auto, where the caller knows the host.
func (h *HostRewrite) SetHost(headers request.Headers, host string) request.Headers {
	if h.append {
		headers = appendForwardedHost(headers)
	}
	return replaced(headers, ":authority", host)
}

// appendForwardedHost adds :authority to x-forwarded-host unless it is the last
// name there.
func appendForwardedHost(headers request.Headers) request.Headers {
	host, _ := headers.Get(":authority")
	forwarded, found := headers.Get("x-forwarded-host")
	last := forwarded[strings.LastIndexByte(forwarded, ',')+1:]
	switch {
	case host == "" || found && last == host:
		return headers
	case forwarded != "":
		host = forwarded + "," + host
	}
	return headers.Set("x-forwarded-host", host)
}

// replaced returns the headers with another value in the line of a name, which
// keeps its place.
func replaced(headers request.Headers, name, value string) request.Headers {
	out := make(request.Headers, 0, len(headers)+1)
	done := false
	for _, header := range headers {
		if strings.EqualFold(header.Name, name) {
			if done {
				continue
			}
			header.Value, done = value, true
		}
		out = append(out, header)
	}
	if !done {
		out = append(out, request.Header{Name: name, Value: value})
	}
	return out
}
