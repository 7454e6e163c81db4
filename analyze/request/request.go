// Package request holds one request, and what was seen to become of it, in the
// form in which they are written as JSON lines: for trace --requests, for what a
// replayed configuration did, and for access logs.
package request

import (
	"fmt"
	"net/netip"
	"strings"
)

// Direction says on which side of a sidecar a connection enters it.
type Direction string

const (
	// Outbound is a connection of the workload to somewhere else.
	Outbound Direction = "outbound"
	// Inbound is a connection to the workload.
	Inbound Direction = "inbound"
	// AtGateway is a connection to an address that the proxy itself listens on.
	AtGateway Direction = "gateway"
)

// The protocols of a request.
const (
	HTTP10 = "http/1.0"
	HTTP1  = "http/1.1"
	HTTP2  = "h2"
	GRPC   = "grpc" // HTTP/2 with content-type application/grpc
	TCP    = "tcp"  // no HTTP fields
)

// Line is one line of a file of requests.
type Line struct {
	ID string `json:"id,omitempty"`
	// Proxy names the proxy of the capture that gets the request; needed where the
	// capture has several.
	Proxy     string    `json:"proxy,omitempty"`
	Direction Direction `json:"direction,omitempty"`
	Request   Request   `json:"request"`
	// Observed is what happened; nil where nobody looked.
	Observed *Observed `json:"observed,omitempty"`
}

// Request is what a client sends over one connection.
type Request struct {
	// To is the address that the client's connection reaches, "ip:port": the
	// listener's own, or the original destination at a sidecar. Empty: resolved
	// from Authority.
	To string `json:"to,omitempty"`
	// From is the client's IP, with or without a port.
	From string `json:"from,omitempty"`
	// Protocol is one of the constants above; empty means HTTP1.
	Protocol string `json:"protocol,omitempty"`
	Method   string `json:"method,omitempty"` // empty means GET, and POST for gRPC
	// Scheme is :scheme; empty means https with TLS and http without.
	Scheme    string `json:"scheme,omitempty"`
	Authority string `json:"authority,omitempty"` // :authority, the host header
	// Path is :path as on the wire with its query; empty means "/".
	Path    string  `json:"path,omitempty"`
	Headers Headers `json:"headers,omitempty"`
	TLS     *TLS    `json:"tls,omitempty"` // nil for cleartext
	// Random is the value that Envoy would draw to choose among weighted clusters;
	// nil leaves the choice open.
	Random *uint64 `json:"random,omitempty"`
}

// TLS is what a client says in its handshake.
type TLS struct {
	SNI  string   `json:"sni,omitempty"`
	ALPN []string `json:"alpn,omitempty"`
	// ClientURISAN is the SPIFFE id in the client's certificate; empty: the client
	// shows no certificate.
	ClientURISAN string `json:"client_uri_san,omitempty"`
}

// Observed is what became of a request. Empty fields were not seen.
type Observed struct {
	Status int `json:"status,omitempty"`
	// Flags are %RESPONSE_FLAGS%, such as "UH" or "UF,URX".
	Flags string `json:"flags,omitempty"`
	// Details are %RESPONSE_CODE_DETAILS% or the connection's termination details.
	Details           string `json:"details,omitempty"`
	FilterChain       string `json:"filter_chain,omitempty"`
	VirtualHost       string `json:"virtual_host,omitempty"`
	Route             string `json:"route,omitempty"`
	Cluster           string `json:"cluster,omitempty"`
	Upstream          string `json:"upstream,omitempty"` // address of the chosen endpoint
	UpstreamPath      string `json:"upstream_path,omitempty"`
	UpstreamAuthority string `json:"upstream_authority,omitempty"`
	Location          string `json:"location,omitempty"` // of a redirect
	// Protocol is "tcp" where the connection was carried without HTTP.
	Protocol string `json:"protocol,omitempty"`
	Backend  string `json:"backend,omitempty"`  // what answered calls itself
	Body     string `json:"body,omitempty"`     // the start of the response's body
	Received string `json:"received,omitempty"` // what a TCP client got back
	// Error stands for a connection that failed below HTTP.
	Error string `json:"error,omitempty"`
}

// IsTCP reports whether the request is bytes without HTTP.
func (r *Request) IsTCP() bool { return r.Protocol == TCP }

// IsHTTP2 reports whether the request is carried by HTTP/2.
func (r *Request) IsHTTP2() bool { return r.Protocol == HTTP2 || r.Protocol == GRPC }

// Destination is To as an address; the zero AddrPort where To is empty.
func (r *Request) Destination() (netip.AddrPort, error) {
	if r.To == "" {
		return netip.AddrPort{}, nil
	}
	addr, err := netip.ParseAddrPort(r.To)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("destination %q: expected ip:port, such as 10.0.0.1:80 or [::1]:80", r.To)
	}
	return unmap(addr), nil
}

// Source is From as an address, with port 0 where it names none; the zero
// AddrPort where From is empty.
func (r *Request) Source() (netip.AddrPort, error) {
	if r.From == "" {
		return netip.AddrPort{}, nil
	}
	if addr, err := netip.ParseAddrPort(r.From); err == nil {
		return unmap(addr), nil
	}
	ip, err := netip.ParseAddr(strings.Trim(r.From, "[]"))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("source %q: expected an IP address, with or without a port", r.From)
	}
	return netip.AddrPortFrom(ip.Unmap(), 0), nil
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
