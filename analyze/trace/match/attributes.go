package match

import (
	"net/netip"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/request"
)

// Attributes are what Envoy's matchers can ask of a connection and of a request
// on it.
type Attributes struct {
	// Destination is the local address of the connection, after the listener
	// filters have restored the original one.
	Destination netip.AddrPort
	// DirectSource is the address of the peer of the connection; Source is the
	// client's, which differs behind a proxy_protocol filter or a trusted
	// x-forwarded-for.
	DirectSource, Source netip.AddrPort
	// SNI is the server name that a TLS inspector saw, in lower case.
	SNI string
	// TransportProtocol is "tls" or "raw_buffer"; "" is what Envoy has without a
	// TLS inspector, too.
	TransportProtocol string
	// ApplicationProtocols are those that the listener filters found.
	ApplicationProtocols []string

	// TLS reports whether the proxy terminates TLS on this connection.
	TLS bool
	// PeerPresented reports whether the client showed a certificate and
	// PeerValidated whether the proxy's validation context accepted one.
	PeerPresented, PeerValidated bool
	// PeerURISANs are the URI names in the client's certificate.
	PeerURISANs []string

	// Protocol is that of the request as %PROTOCOL% has it, such as "HTTP/1.1"; ""
	// where it is not known.
	Protocol string
	// Headers are those of the request with the pseudo-headers :method, :path,
	// :authority and :scheme; nil for a connection without HTTP.
	Headers request.Headers
	// Metadata is the dynamic metadata that is known, by filter name.
	Metadata map[string]*structpb.Struct
	// FilterState holds the filter state objects that are known.
	FilterState map[string]string
	// Runtime holds the values of /runtime by key; nil where it was not captured,
	// and then every key has its default.
	Runtime map[string]string
	// Random is the value that Envoy draws for fractions and weights; nil where
	// every choice is left open.
	Random *uint64
	// IgnorePathParameters is set where the route configuration of the request leaves
	// path parameters out: RBAC's url_path does so, too.
	IgnorePathParameters bool
}

// Header returns a header or pseudo-header, several lines joined with a comma.
func (a *Attributes) Header(name string) (value string, found bool) { return a.Headers.Get(name) }
