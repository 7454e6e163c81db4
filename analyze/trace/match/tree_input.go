package match

import (
	"net/netip"
	"strconv"
	"strings"

	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	networkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	sslv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/ssl/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
)

// input is what a part of a matcher tree asks for.
type input struct {
	name string // "destination port"
	get  func(*Attributes) inputValue
}

// inputValue is the value of an input for a request.
type inputValue struct {
	text    string
	found   bool
	value   *structpb.Value // of dynamic metadata
	unknown string          // why the value cannot be known; "" where it is
	// unavailable is set for an input about TLS on a connection without it, which
	// ends the search.
	unavailable bool
}

func known(text string) inputValue { return inputValue{text: text, found: text != ""} }

func unknownInput(name, why string) *input {
	return &input{name: name, get: func(*Attributes) inputValue { return inputValue{unknown: why} }}
}

func compileInput(config *xdscorev3.TypedExtensionConfig) *input {
	f := mesh.Unpack(config.GetName(), config.GetTypedConfig())
	if in := connectionInput(f.Config); in != nil {
		return in
	}
	switch m := f.Config.(type) {
	case *matcherv3.HttpRequestHeaderMatchInput:
		name := headerName(m.GetHeaderName())
		return &input{name: "header " + m.GetHeaderName(), get: func(a *Attributes) inputValue {
			value, found := a.Headers.Get(name)
			return inputValue{text: value, found: found}
		}}
	case *matcherv3.HttpRequestQueryParamMatchInput:
		return &input{name: "query parameter " + m.GetQueryParam(), get: func(a *Attributes) inputValue {
			return decodedParameter(a, m.GetQueryParam())
		}}
	case *networkv3.FilterStateInput:
		return filterStateInput(m)
	case *networkv3.DynamicMetadataInput:
		return metadataInput(m)
	}
	name := extensionName(f.Name, f.TypeURL)
	return unknownInput("input "+name, "input "+name)
}

// connectionInput is an input about the connection, or nil.
func connectionInput(config proto.Message) *input {
	switch config.(type) {
	case *networkv3.DestinationIPInput:
		return &input{"destination IP", func(a *Attributes) inputValue { return address(a.Destination) }}
	case *networkv3.DestinationPortInput:
		return &input{"destination port", func(a *Attributes) inputValue { return port(a.Destination) }}
	case *networkv3.SourceIPInput:
		return &input{"source IP", func(a *Attributes) inputValue { return address(a.Source) }}
	case *networkv3.SourcePortInput:
		return &input{"source port", func(a *Attributes) inputValue { return port(a.Source) }}
	case *networkv3.DirectSourceIPInput:
		return &input{"direct source IP", func(a *Attributes) inputValue { return address(a.DirectSource) }}
	case *networkv3.SourceTypeInput:
		return &input{"source type", sourceType}
	case *networkv3.ServerNameInput:
		return &input{"server name", func(a *Attributes) inputValue { return known(a.SNI) }}
	case *networkv3.TransportProtocolInput:
		return &input{"transport protocol", transportProtocol}
	case *networkv3.ApplicationProtocolInput:
		return &input{"application protocol", applicationProtocols}
	case *sslv3.UriSanInput:
		return &input{"peer URI SAN", uriSANs}
	case *sslv3.DnsSanInput:
		return &input{"peer DNS SAN", certificateField}
	case *sslv3.SubjectInput:
		return &input{"peer subject", certificateField}
	}
	return nil
}

func address(a netip.AddrPort) inputValue {
	if !a.Addr().IsValid() {
		return inputValue{}
	}
	return known(a.Addr().Unmap().String())
}

func port(a netip.AddrPort) inputValue {
	if !a.Addr().IsValid() {
		return inputValue{}
	}
	return known(strconv.Itoa(int(a.Port())))
}

func sourceType(a *Attributes) inputValue {
	if SameIPOrLoopback(a.Source.Addr(), a.Destination.Addr()) {
		return known("local")
	}
	return inputValue{}
}

// transportProtocol is never empty when filter chains are matched: Envoy fills in
// raw_buffer where no listener filter found another.
func transportProtocol(a *Attributes) inputValue {
	if a.TransportProtocol == "" {
		return known("raw_buffer")
	}
	return known(a.TransportProtocol)
}

func applicationProtocols(a *Attributes) inputValue {
	if len(a.ApplicationProtocols) == 0 {
		return inputValue{}
	}
	return known("'" + strings.Join(a.ApplicationProtocols, "','") + "'")
}

func uriSANs(a *Attributes) inputValue {
	if !a.TLS {
		return inputValue{unavailable: true}
	}
	return known(strings.Join(a.PeerURISANs, ","))
}

func certificateField(a *Attributes) inputValue {
	if !a.TLS || !a.PeerPresented {
		return inputValue{unavailable: !a.TLS}
	}
	return inputValue{unknown: "of the client's certificate only the URI names are known"}
}

// decodedParameter is a query parameter with percent-encoding undone, which Envoy
// does for matcher trees but not for routes.
func decodedParameter(a *Attributes, name string) inputValue {
	path, _ := a.Headers.Get(":path")
	_, query := cutQuery(path)
	for parameter := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		key, value, _ := strings.Cut(parameter, "=")
		if percentDecode(key) == name {
			return inputValue{text: percentDecode(value), found: query != ""}
		}
	}
	return inputValue{}
}

func percentDecode(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if b, ok := unhex(s[i:]); ok {
			out = append(out, b)
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func filterStateInput(m *networkv3.FilterStateInput) *input {
	return &input{name: "filter state " + m.GetKey(), get: func(a *Attributes) inputValue {
		object, ok := a.FilterState[m.GetKey()]
		if !ok || m.GetField() != "" {
			return inputValue{unknown: "what the filters set while the request runs is not in a capture"}
		}
		return inputValue{text: object, found: true}
	}}
}

func metadataInput(m *networkv3.DynamicMetadataInput) *input {
	var path []string
	for _, segment := range m.GetPath() {
		path = append(path, segment.GetKey())
	}
	name := strings.Join(append([]string{"dynamic metadata " + m.GetFilter()}, path...), ".")
	return &input{name: name, get: func(a *Attributes) inputValue {
		fields, ok := a.Metadata[m.GetFilter()]
		if !ok {
			return inputValue{unknown: "what the filters set while the request runs is not in a capture"}
		}
		return inputValue{value: valueAt(fields, path)}
	}}
}
