package request

import (
	"fmt"
	"net/url"
	"strings"
)

// schemes are the URL schemes that Parse knows.
const schemes = "http, https, h2c, h2, grpc, grpcs, tcp or tls"

// Parse reads a target as a person types it: a URL, or a host with an optional
// port and path, which means http. The schemes https, h2, grpcs and tls stand for a
// client that speaks TLS with the host as its SNI; h2 and grpc for HTTP/2; tcp and
// tls for bytes without HTTP.
func Parse(target string) (Request, error) {
	scheme, rest, found := strings.Cut(target, "://")
	if !found {
		scheme, rest = "http", target
	}
	cut := strings.IndexAny(rest, "/?#")
	authority, path := rest, "/"
	if cut >= 0 {
		authority, path = rest[:cut], rest[cut:]
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	// A client keeps the fragment to itself.
	path, _, _ = strings.Cut(path, "#")
	host, err := url.Parse("//" + authority)
	if err != nil || host.Hostname() == "" || host.User != nil {
		return Request{}, fmt.Errorf("target %q: expected a URL such as http://reviews:9080/ratings/7, or tcp://host:port", target)
	}
	r := Request{Method: "GET", Scheme: "http", Authority: authority, Path: path, Protocol: HTTP1}
	return r, r.applyScheme(strings.ToLower(scheme), host.Hostname())
}

func (r *Request) applyScheme(scheme, host string) error {
	switch scheme {
	case "http", "ws":
	case "https", "wss":
		r.secure(host, "http/1.1")
	case "h2c":
		r.Protocol = HTTP2
	case "h2":
		r.Protocol = HTTP2
		r.secure(host, "h2")
	case "grpc":
		r.Protocol, r.Method = GRPC, "POST"
	case "grpcs":
		r.Protocol, r.Method = GRPC, "POST"
		r.secure(host, "h2")
	case "tcp":
		r.bytesOnly()
	case "tls":
		r.bytesOnly()
		r.TLS = &TLS{SNI: host}
	default:
		return fmt.Errorf("target with scheme %q: expected %s", scheme, schemes)
	}
	return nil
}

// secure makes the client speak TLS.
func (r *Request) secure(sni string, alpn ...string) {
	r.Scheme = "https"
	r.TLS = &TLS{SNI: sni, ALPN: alpn}
}

// bytesOnly takes the HTTP fields away; Authority stays to find the destination by.
func (r *Request) bytesOnly() {
	r.Protocol, r.Method, r.Scheme, r.Path = TCP, "", "", ""
}

// String is the request in one line, as a person would type it.
func (r *Request) String() string {
	host := r.Authority
	if host == "" {
		host = r.To
	}
	switch {
	case r.IsTCP() && r.TLS != nil:
		return "tls://" + host
	case r.IsTCP():
		return "tcp://" + host
	}
	scheme := r.Scheme
	if scheme == "" {
		scheme = "http"
		if r.TLS != nil {
			scheme = "https"
		}
	}
	method := r.Method
	if method == "" {
		method = "GET"
	}
	return method + " " + scheme + "://" + host + r.Path
}
