package proxyconfig

import (
	"fmt"
	"slices"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const matchAll = "ALL"

// applicationProtocols are the ALPN lists that istiod writes, by the name istioctl gives them.
var applicationProtocols = []struct {
	name      string
	protocols []string
}{
	{"HTTP TLS", []string{"http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"}},
	{"Istio HTTP Plain", []string{"istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"}},
	{"TCP TLS", []string{"istio-peer-exchange", "istio"}},
	{"HTTP", []string{"http/1.0", "http/1.1", "h2c"}},
}

// chainMatch describes a filter_chain_match: match is what istioctl prints, source what it leaves
// out.
func chainMatch(m *listenerv3.FilterChainMatch) (match, source string) {
	var parts []string
	if names := m.GetServerNames(); len(names) > 0 {
		parts = append(parts, "SNI: "+strings.Join(names, ","))
	}
	if transport := m.GetTransportProtocol(); transport != "" {
		parts = append(parts, "Trans: "+transport)
	}
	if protocols := m.GetApplicationProtocols(); len(protocols) > 0 {
		parts = append(parts, "App: "+protocolNames(protocols))
	}
	if address := destinationMatch(m); address != "" {
		parts = append(parts, "Addr: "+address)
	}
	if len(parts) == 0 {
		parts = []string{matchAll}
	}
	return strings.Join(parts, "; "), sourceMatch(m)
}

func protocolNames(protocols []string) string {
	for _, known := range applicationProtocols {
		if slices.Equal(protocols, known.protocols) {
			return known.name
		}
	}
	return strings.Join(protocols, ",")
}

func destinationMatch(m *listenerv3.FilterChainMatch) string {
	port := ""
	if p := m.GetDestinationPort(); p != nil {
		port = fmt.Sprintf(":%d", p.GetValue())
	}
	if len(m.GetPrefixRanges()) > 0 {
		return ranges(m.GetPrefixRanges()) + port
	}
	if port != "" {
		return "*" + port
	}
	return ""
}

func sourceMatch(m *listenerv3.FilterChainMatch) string {
	var parts []string
	if t := m.GetSourceType(); t != listenerv3.FilterChainMatch_ANY {
		parts = append(parts, "Source: "+t.String())
	}
	if len(m.GetSourcePrefixRanges()) > 0 {
		parts = append(parts, "Source: "+ranges(m.GetSourcePrefixRanges()))
	}
	if len(m.GetDirectSourcePrefixRanges()) > 0 {
		parts = append(parts, "Direct source: "+ranges(m.GetDirectSourcePrefixRanges()))
	}
	for _, port := range m.GetSourcePorts() {
		parts = append(parts, fmt.Sprintf("Source port: %d", port))
	}
	if suffix := m.GetAddressSuffix(); suffix != "" {
		parts = append(parts, fmt.Sprintf("Suffix: %s/%d", suffix, m.GetSuffixLen().GetValue()))
	}
	return strings.Join(parts, "; ")
}

// cidrRange is a range of IPs in Envoy's own API and in the matchers of xDS.
type cidrRange interface {
	GetAddressPrefix() string
	GetPrefixLen() *wrapperspb.UInt32Value
}

func ranges[R cidrRange](list []R) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("%s/%d", r.GetAddressPrefix(), r.GetPrefixLen().GetValue()))
	}
	return strings.Join(out, ",")
}
