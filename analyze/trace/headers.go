package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// wireHeaders are the headers and pseudo-headers of a request as its codec hands
// them to the connection manager.
func wireHeaders(r *request.Request) request.Headers {
	headers := make(request.Headers, 0, len(r.Headers)+8)
	method, path := r.Method, r.Path
	switch {
	case method == "" && r.Protocol == request.GRPC:
		method = "POST"
	case method == "":
		method = "GET"
	}
	if path == "" && !isConnect(method) {
		path = "/"
	}
	headers = append(headers, request.Header{Name: ":method", Value: method})
	if path != "" {
		headers = append(headers, request.Header{Name: ":path", Value: path})
	}
	if r.Authority != "" {
		headers = append(headers, request.Header{Name: ":authority", Value: r.Authority})
	}
	if r.IsHTTP2() {
		headers = append(headers, request.Header{Name: ":scheme", Value: sentScheme(r)})
	}
	for _, header := range match.Joined(r.Headers) {
		if !r.IsHTTP2() {
			header.Value = strings.Trim(header.Value, " \t")
		}
		headers = append(headers, header)
	}
	if r.Protocol == request.GRPC && !headers.Has("content-type") {
		headers = append(headers, request.Header{Name: "content-type", Value: "application/grpc"})
	}
	return headers
}

// sentScheme is the :scheme that a client sends; HTTP/1 has none.
func sentScheme(r *request.Request) string {
	switch {
	case r.Scheme != "":
		return r.Scheme
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// protocolName is the protocol as %PROTOCOL% writes it.
func protocolName(r *request.Request) string {
	switch {
	case r.IsHTTP2():
		return "HTTP/2"
	case r.Protocol == request.HTTP10:
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}

// normalize refuses what the connection manager refuses before any route is
// looked for, and puts host and path in the form that routes are matched with.
func (h *hop) normalize() bool {
	config := h.manager.config
	if !h.requestLine() {
		return false
	}
	if h.request.Protocol == request.HTTP10 && !config.GetHttpProtocolOptions().GetAcceptHttp_10() {
		return h.refuse(426, "low_version", "the connection manager does not accept HTTP/1.0")
	}
	if !h.normalizeAuthority() {
		return false
	}
	sent := h.attrs.Headers
	h.connectionHeaders(config)
	path := h.header(":path")
	if isConnect(h.header(":method")) && path == "" {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		h.logRoute(sent)
		return h.reply(Denied, 404, "", "absolute_path_rejected", "the path does not begin with a slash")
	}
	normal, action := match.Path(path, match.PathOptionsOf(config))
	switch action {
	case match.PathReject: // Envoy unescapes the slashes before it minds them
		unescaped, _ := match.Path(path, match.PathOptions{EscapedSlashes: hcmv3.HttpConnectionManager_UNESCAPE_AND_FORWARD})
		h.logRoute(sent.Set(":path", unescaped))
	case match.PathRedirect:
		h.logRoute(sent.Set(":path", normal))
	}
	switch action {
	case match.PathReject:
		return h.reply(Denied, 400, "", "path_normalization_failed", fmt.Sprintf("the connection manager does not accept the path %s", quoted(path)))
	case match.PathRedirect:
		if !h.isGRPC() {
			h.out.Outcome.Location = normal
		}
		return h.reply(Redirect, 307, "", "path_normalization_failed", "the path has escaped slashes: redirect to "+normal)
	}
	h.attrs.Headers = h.attrs.Headers.Set(":path", normal)
	return true
}

// normalizeAuthority refuses an :authority that none may be, and takes off what the
// connection manager takes off. HTTP/1.1 always has a host header, which may be empty.
func (h *hop) normalizeAuthority() bool {
	config := h.manager.config
	authority := h.header(":authority")
	if authority == "" && h.request.Protocol == request.HTTP10 {
		authority = config.GetHttpProtocolOptions().GetDefaultHostForHttp_10()
	}
	valid := match.ValidAuthority(authority)
	switch {
	case authority == "" && h.request.Protocol == request.HTTP10:
		return h.reply(Denied, 400, "", "missing_host_header", "the request has no :authority")
	case authority == "" && h.request.IsHTTP2():
		return h.close(Denied, "DPE", "http2.violation.of.messaging.rule", "the request has no :authority: the stream is reset")
	case !valid && h.request.IsHTTP2():
		return h.close(Denied, "DPE", "http2.invalid.header.field", "the request's :authority has characters that none may have: the stream is reset")
	case !valid:
		return h.reply(Denied, 400, "DPE", "http.invalid_authority", "the request's :authority has characters that none may have")
	}
	authority = match.Host(authority, match.HostOptionsOf(config, h.attrs.Destination.Port()))
	h.attrs.Headers = h.attrs.Headers.Set(":authority", authority)
	return true
}

// logRoute finds the route that the request would have as it was sent: Envoy does so
// for its access log even where it refuses the path.
func (h *hop) logRoute(sent request.Headers) {
	h.attrs.Headers = sent
	if table, _ := h.routeTable(); table != nil {
		h.route = &chosenRoute{table: table}
		h.findRoute()
	}
}

// connectionHeaders adds what the connection manager knows of the connection, and
// finds the client's address.
func (h *hop) connectionHeaders(config *hcmv3.HttpConnectionManager) {
	scheme := "http"
	if h.attrs.TLS {
		scheme = "https"
	}
	edge := config.GetUseRemoteAddress().GetValue()
	peer := h.attrs.Source.Addr()
	h.singleAddress = edge && !h.attrs.Headers.Has("x-forwarded-for")
	h.attrs.Source = h.trustedAddress(config)
	// Envoy believes no client that says so itself.
	h.attrs.Headers = h.attrs.Headers.Without("x-envoy-internal")
	if h.internalRequest() {
		h.attrs.Headers = h.attrs.Headers.Set("x-envoy-internal", "true")
	}
	if edge && config.GetXffNumTrustedHops() == 0 || !h.attrs.Headers.Has("x-forwarded-proto") {
		h.attrs.Headers = h.attrs.Headers.Set("x-forwarded-proto", scheme)
	}
	if edge && !config.GetSkipXffAppend() && peer.IsValid() {
		forwarded := peer.String()
		if before, ok := h.attrs.Headers.Get("x-forwarded-for"); ok {
			forwarded = before + "," + forwarded
		}
		h.attrs.Headers = h.attrs.Headers.Set("x-forwarded-for", forwarded)
	}
	if overwrite := config.GetSchemeHeaderTransformation().GetSchemeToOverwrite(); overwrite != "" {
		h.attrs.Headers = h.attrs.Headers.Set(":scheme", overwrite).Set("x-forwarded-proto", overwrite)
		return
	}
	if h.attrs.Headers.Has(":scheme") {
		return
	}
	if forwarded := strings.ToLower(h.header("x-forwarded-proto")); forwarded == "http" || forwarded == "https" {
		scheme = forwarded
	}
	h.attrs.Headers = append(h.attrs.Headers, request.Header{Name: ":scheme", Value: scheme})
}

// addrPort reads a header that holds an address.
func addrPort(headers request.Headers, name string) (netip.AddrPort, bool) {
	value, _ := headers.Get(name)
	addr, err := netip.ParseAddrPort(value)
	return addr, err == nil
}

func withPort(a netip.AddrPort, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), port)
}

func decimal(text string) (uint64, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 64)
	return n, err == nil
}
