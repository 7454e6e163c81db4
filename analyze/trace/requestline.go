package trace

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// http1Methods are the methods that Envoy's HTTP/1 codec knows; it refuses others.
var http1Methods = []string{
	"ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR",
	"MKCOL", "MOVE", "MSEARCH", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "REBIND", "REPORT",
	"SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE",
}

// requestLine refuses a method or path that the codec does not take, and takes an
// HTTP/1 path that is a whole URL apart, as clients of a forward proxy send it.
func (h *hop) requestLine() bool {
	method, path := h.header(":method"), h.header(":path")
	if !h.request.IsHTTP2() && !slices.Contains(http1Methods, method) {
		return h.refuse(400, "http1.codec_error", "HTTP/1 has no method "+quoted(method)+" for Envoy")
	}
	if isConnect(method) {
		return h.connectTarget(path)
	}
	if strings.HasPrefix(path, "/") || method == "OPTIONS" && strings.HasPrefix(path, "*") {
		return true
	}
	if h.request.IsHTTP2() && match.ValidAuthority(h.header(":authority")) {
		return h.close(Denied, "DPE", "http2.violation.of.messaging.rule", "the path does not begin with a slash: the stream is reset")
	}
	if h.request.IsHTTP2() {
		return true // the bad :authority is what counts
	}
	return h.absoluteForm(path)
}

// connectTarget takes what stands in the place of an HTTP/1 CONNECT's path for its
// host: it has a port always.
func (h *hop) connectTarget(target string) bool {
	if h.request.IsHTTP2() || target == "" {
		return true
	}
	host, port, err := net.SplitHostPort(target)
	if _, number := strconv.ParseUint(port, 10, 16); err != nil || number != nil || !urlHost(host) {
		return h.refuse(400, "http1.invalid_url", "CONNECT is to "+quoted(target)+", which is no host with a port")
	}
	h.attrs.Headers = h.attrs.Headers.Without(":path").Set(":authority", target)
	return true
}

// recognisable reports whether an HTTP inspector takes the request for HTTP.
func recognisable(r *request.Request) bool {
	path := r.Path
	return r.IsHTTP2() || path == "" || strings.HasPrefix(path, "/") || strings.HasPrefix(path, "*") || strings.Contains(path, "://")
}

func (h *hop) absoluteForm(target string) bool {
	scheme, rest, found := strings.Cut(target, "://")
	scheme = strings.ToLower(scheme)
	cut := strings.IndexAny(rest, "/?#")
	if cut < 0 {
		cut = len(rest)
	}
	switch {
	case strings.HasPrefix(target, "*") || found && !urlHost(rest[:cut]):
		return h.refuse(400, "http1.invalid_url", "the path is neither one nor a URL")
	case !found:
		return h.refuse(400, "http1.codec_error", "the path is neither one nor a URL")
	case scheme != "http" && scheme != "https":
		return h.refuse(400, "http1.invalid_scheme", "the path is a URL with the scheme "+quoted(scheme))
	case scheme == "https" && !h.attrs.TLS && h.atEdge():
		return h.refuse(403, "http1.https_url_on_plaintext_connection", "the path is an https URL, and the connection has no TLS")
	}
	path := rest[cut:]
	if path == "" {
		path = "/"
	}
	h.attrs.Headers = h.attrs.Headers.Set(":authority", rest[:cut]).Set(":path", path)
	h.attrs.Headers = append(h.attrs.Headers.Without(":scheme"), request.Header{Name: ":scheme", Value: scheme})
	return true
}

// urlHost reports whether a URL can have the text as its host and port.
func urlHost(text string) bool {
	return text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".-_:[]", r))
	}) < 0
}

// atEdge reports whether the connection manager trusts nothing that a client says of
// itself.
func (h *hop) atEdge() bool {
	config := h.manager.config
	return config.GetUseRemoteAddress().GetValue() && config.GetXffNumTrustedHops() == 0
}
