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
	if r.Scheme != "" && r.IsHTTP2() {
		headers = append(headers, request.Header{Name: ":scheme", Value: r.Scheme})
	}
	headers = append(headers, r.Headers...)
	if r.Protocol == request.GRPC && !headers.Has("content-type") {
		headers = append(headers, request.Header{Name: "content-type", Value: "application/grpc"})
	}
	return headers
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
	authority := h.header(":authority")
	if authority == "" && h.request.Protocol == request.HTTP10 {
		authority = config.GetHttpProtocolOptions().GetDefaultHostForHttp_10()
	}
	if authority == "" {
		return h.reply(Denied, 400, "", "missing_host_header", "the request has no :authority")
	}
	switch valid := match.ValidAuthority(authority); {
	case !valid && h.request.IsHTTP2():
		return h.close(Denied, "DPE", "http2.invalid.header.field", "the request's :authority has characters that none may have: the stream is reset")
	case !valid:
		return h.reply(Denied, 400, "DPE", "http.invalid_authority", "the request's :authority has characters that none may have")
	}
	authority = match.Host(authority, match.HostOptionsOf(config, h.attrs.Destination.Port()))
	h.attrs.Headers = h.attrs.Headers.Set(":authority", authority)
	h.connectionHeaders(config)
	path := h.header(":path")
	if isConnect(h.header(":method")) && path == "" {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		return h.reply(Denied, 404, "", "absolute_path_rejected", "the path does not begin with a slash")
	}
	normal, action := match.Path(path, match.PathOptionsOf(config))
	switch action {
	case match.PathReject:
		return h.reply(Denied, 400, "", h.rejectDetails(path), fmt.Sprintf("the connection manager does not accept the path %s", quoted(path)))
	case match.PathRedirect:
		if !h.isGRPC() {
			h.out.Outcome.Location = normal
		}
		return h.reply(Redirect, 307, "", "path_normalization_failed", "the path has escaped slashes: redirect to "+normal)
	}
	h.attrs.Headers = h.attrs.Headers.Set(":path", normal)
	return true
}

func (h *hop) rejectDetails(path string) string {
	if strings.Contains(path, "#") {
		return "path_with_fragment_rejected"
	}
	return "path_normalization_failed"
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

// trustedAddress is the client's address: the peer's, or an entry of
// x-forwarded-for where the connection manager trusts it.
func (h *hop) trustedAddress(config *hcmv3.HttpConnectionManager) netip.AddrPort {
	direct := h.attrs.Source
	skip := int(config.GetXffNumTrustedHops())
	if config.GetUseRemoteAddress().GetValue() {
		if skip == 0 {
			return direct
		}
		skip--
	}
	if len(config.GetOriginalIpDetectionExtensions()) > 0 {
		h.unknown("original_ip_detection_extensions", "which address counts as the client's")
	}
	forwarded, _ := h.attrs.Headers.Get("x-forwarded-for")
	entries := strings.Split(forwarded, ",")
	if skip >= len(entries) {
		return direct
	}
	ip, err := netip.ParseAddr(strings.TrimSpace(entries[len(entries)-1-skip]))
	if err != nil {
		return direct
	}
	h.singleAddress = len(entries) == 1 && config.GetXffNumTrustedHops() == 0
	return netip.AddrPortFrom(ip.Unmap(), 0)
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
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}
