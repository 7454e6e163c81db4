package proxyconfig

import (
	"net"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// EndpointAddress is where an endpoint is: a socket, a pipe, or an internal listener.
type EndpointAddress struct {
	// Host is an IP or a name; empty for the other kinds.
	Host string
	Port int
	// Pipe is the path of a Unix domain socket.
	Pipe string
	// Internal is "LISTENER/ENDPOINT-ID" of an internal listener.
	Internal string
}

func addressOf(a *corev3.Address) EndpointAddress {
	internal := a.GetEnvoyInternalAddress()
	switch {
	case a.GetSocketAddress() != nil:
		return EndpointAddress{Host: a.GetSocketAddress().GetAddress(), Port: int(a.GetSocketAddress().GetPortValue())}
	case a.GetPipe() != nil:
		return EndpointAddress{Pipe: a.GetPipe().GetPath()}
	case internal != nil:
		return EndpointAddress{Internal: internal.GetServerListenerName() + "/" + internal.GetEndpointId()}
	}
	return EndpointAddress{}
}

// Text is the address without its port, in the form of istioctl's endpoint table.
func (a EndpointAddress) Text() string {
	switch {
	case a.Host != "":
		return a.Host
	case a.Pipe != "":
		return "unix://" + a.Pipe
	case a.Internal != "":
		return "envoy://" + a.Internal
	}
	return "unknown"
}

// String is the address with its port, in the form of istioctl's endpoint table.
func (a EndpointAddress) String() string {
	if a.Port == 0 {
		return a.Text()
	}
	return net.JoinHostPort(a.Text(), strconv.Itoa(a.Port))
}

// localityText is "region/zone/subzone", cut before the first part that is empty.
func localityText(l *corev3.Locality) string {
	text := l.GetRegion()
	for _, part := range []string{l.GetZone(), l.GetSubZone()} {
		if part == "" {
			break
		}
		text += "/" + part
	}
	return text
}
