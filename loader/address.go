package loader

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

const (
	nameSeparator  = "::"
	internalScheme = "envoy://"
)

// parseAddress reads an address as Envoy's admin pages print it: "10.0.0.1:80",
// "[::1]:80", "./run/app.sock", "@abstract", "envoy://listener/endpoint". It
// returns nil for anything else.
func parseAddress(text []byte) *corev3.Address {
	if internal, ok := bytes.CutPrefix(text, []byte(internalScheme)); ok && len(internal) > 0 {
		return internalAddress(validText(internal))
	}
	if isPipe(text) {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: validText(text)}}}
	}
	host, port, ok := cutPort(string(text))
	if !ok {
		return nil
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}

// cutPort splits an IP address or a DNS name from its port.
func cutPort(text string) (host string, port uint16, ok bool) {
	if addr, err := netip.ParseAddrPort(text); err == nil {
		return addr.Addr().String(), addr.Port(), true
	}
	host, digits, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(digits, 10, 16)
	return host, uint16(number), err == nil && host != "" && strings.Trim(host, hostCharacters) == ""
}

const hostCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// isPipe tells the path of a Unix socket, which Istio writes relative to the
// proxy's folder, and an abstract one.
func isPipe(text []byte) bool {
	for _, prefix := range []string{"/", "./", "../", "@"} {
		if bytes.HasPrefix(text, []byte(prefix)) && len(text) > len(prefix) {
			return true
		}
	}
	return false
}

// internalAddress reads "listener/endpoint", either of which may be missing.
func internalAddress(text string) *corev3.Address {
	listener, endpoint, _ := strings.Cut(text, "/")
	return &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
		AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: listener},
		EndpointId:           endpoint,
	}}}
}

// cutAddress splits "name::address". Names of clusters and listeners and IPv6
// addresses hold "::" themselves, so the first split that leaves an address counts.
func cutAddress(text []byte) (name []byte, address *corev3.Address, ok bool) {
	for _, at := range []int{
		bytes.LastIndex(text, []byte("::[")),
		bytes.LastIndex(text, []byte(nameSeparator)),
		bytes.Index(text, []byte(nameSeparator+internalScheme)),
		bytes.Index(text, []byte("::/")),
		bytes.Index(text, []byte("::.")),
		bytes.Index(text, []byte("::@")),
	} {
		if at <= 0 {
			continue
		}
		if address = parseAddress(text[at+len(nameSeparator):]); address != nil {
			return text[:at], address, true
		}
	}
	return nil, nil, false
}

// validText copies text; protobuf strings must be valid UTF-8.
func validText(text []byte) string { return strings.ToValidUTF8(string(text), "\uFFFD") }
