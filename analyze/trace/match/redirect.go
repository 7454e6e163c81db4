package match

import (
	"net/http"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Redirect is a compiled envoy.config.route.v3.RedirectAction.
type Redirect struct {
	// Status is the code of the response.
	Status int
	// Unknown says why the location cannot be known; "" where it can.
	Unknown string

	rewrite            *PathRewrite
	scheme, host, port string
	path               string
	stripQuery         bool
}

// CompileRedirect prepares the redirect of a route.
func CompileRedirect(m *routev3.RouteMatch, action *routev3.RedirectAction) *Redirect {
	r := &Redirect{
		Status:     redirectStatus(action.GetResponseCode()),
		rewrite:    &PathRewrite{match: compilePath(m)},
		scheme:     action.GetSchemeRedirect(),
		host:       action.GetHostRedirect(),
		stripQuery: action.GetStripQuery(),
	}
	if action.GetHttpsRedirect() {
		r.scheme = "https"
	}
	if action.GetPortRedirect() != 0 {
		r.port = ":" + strconv.FormatUint(uint64(action.GetPortRedirect()), 10)
	}
	switch s := action.GetPathRewriteSpecifier().(type) {
	case *routev3.RedirectAction_PathRedirect:
		r.path = s.PathRedirect
	case *routev3.RedirectAction_PrefixRewrite:
		r.rewrite.prefix = s.PrefixRewrite
	case *routev3.RedirectAction_RegexRewrite:
		r.rewrite.setRegex(s.RegexRewrite)
	case *routev3.RedirectAction_PathRewrite:
		r.rewrite.setFormat(s.PathRewrite)
	}
	r.Unknown = r.rewrite.Unknown
	return r
}

func redirectStatus(code routev3.RedirectAction_RedirectResponseCode) int {
	switch code {
	case routev3.RedirectAction_FOUND:
		return http.StatusFound
	case routev3.RedirectAction_SEE_OTHER:
		return http.StatusSeeOther
	case routev3.RedirectAction_TEMPORARY_REDIRECT:
		return http.StatusTemporaryRedirect
	case routev3.RedirectAction_PERMANENT_REDIRECT:
		return http.StatusPermanentRedirect
	}
	return http.StatusMovedPermanently
}

// Location is where a request that the route matched is sent.
func (r *Redirect) Location(a *Attributes) string {
	scheme := r.scheme
	if scheme == "" {
		scheme = requestScheme(a)
	}
	host := r.host
	if host == "" {
		host = r.requestHost(a, scheme)
	}
	return scheme + "://" + host + r.port + r.location(a)
}

// location is path and query. A query in path_redirect takes the place of the
// request's, and strip_query leaves it.
func (r *Redirect) location(a *Attributes) string {
	path := r.rewrite.Apply(a)
	own := strings.Contains(r.path, "?")
	if r.path != "" {
		_, query := cutQuery(path)
		if path = r.path; !own {
			path += query
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if r.stripQuery && !own {
		path, _ = cutQuery(path)
	}
	return path
}

// requestHost is the host of the request. Its port goes where port_redirect names
// another, and where it is the default of a scheme that changes.
func (r *Redirect) requestHost(a *Attributes, scheme string) string {
	authority, _ := a.Headers.Get(":authority")
	host, port, ok := cutPort(authority)
	if strings.HasPrefix(authority, "[") {
		host, port, ok = cutIPv6Port(authority)
	}
	if !ok {
		return authority
	}
	forwarded, found := a.Headers.Get("x-forwarded-proto")
	if !found {
		forwarded = connectionScheme(a)
	}
	isDefault := forwarded == "https" && port == "443" || forwarded == "http" && port == "80"
	if r.port != "" || scheme != forwarded && isDefault {
		return host
	}
	return authority
}

func cutIPv6Port(authority string) (host, port string, ok bool) {
	end := strings.LastIndex(authority, "]:")
	if end < 0 {
		return authority, "", false
	}
	return authority[:end+1], authority[end+2:], true
}

// requestScheme is :scheme, which Envoy sets by the connection where it is missing.
func requestScheme(a *Attributes) string {
	if scheme, found := a.Headers.Get(":scheme"); found {
		return scheme
	}
	return connectionScheme(a)
}

func connectionScheme(a *Attributes) string {
	if a.TLS {
		return "https"
	}
	return "http"
}
