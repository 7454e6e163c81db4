package live

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

func TestClientTarget(t *testing.T) {
	here := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	}
	sidecar := []replay.Listener{
		{Name: "stats", Captured: "0.0.0.0:15090", Address: here(15090), Direction: "UNSPECIFIED"},
		{Name: "virtualOutbound", Captured: "0.0.0.0:15001", Address: here(15001), ProxyProtocol: true, Direction: "OUTBOUND"},
		{Name: "virtualInbound", Captured: "0.0.0.0:15006", Address: here(15006), ProxyProtocol: true, Direction: "INBOUND"},
	}
	gateway := []replay.Listener{
		{Name: "http", Captured: "0.0.0.0:80", Address: here(10080), Direction: "OUTBOUND"},
		{Name: "https", Captured: "10.0.0.1:8443", Address: here(8443), Direction: "OUTBOUND", TLS: true},
	}
	own := []netip.Addr{netip.MustParseAddr("10.1.0.5")}
	tests := []struct {
		name      string
		listeners []replay.Listener
		line      request.Line
		want      netip.AddrPort
		proxy     bool
	}{
		{"outbound", sidecar, request.Line{Request: request.Request{To: "10.96.0.1:80"}}, here(15001), true},
		{"to the proxy itself", sidecar, request.Line{Request: request.Request{To: "10.1.0.5:8080"}}, here(15006), true},
		{"inbound", sidecar, request.Line{Direction: request.Inbound, Request: request.Request{To: "10.9.9.9:1"}}, here(15006), true},
		{"past the redirection", sidecar, request.Line{Direction: request.AtGateway, Request: request.Request{To: "10.1.0.5:15090"}}, here(15090), false},
		{"captured port", gateway, request.Line{Request: request.Request{To: "192.0.2.1:80"}}, here(10080), false},
		{"replayed port", gateway, request.Line{Request: request.Request{To: "127.0.0.1:10080"}}, here(10080), false},
		{"exact address", gateway, request.Line{Request: request.Request{To: "10.0.0.1:8443"}}, here(8443), false},
		{"by authority", gateway, request.Line{Request: request.Request{Authority: "shop.example.com:8443"}}, here(8443), false},
		{"by scheme", gateway, request.Line{Request: request.Request{Authority: "shop.example.com"}}, here(10080), false},
		{"no listener", gateway, request.Line{Request: request.Request{To: "10.0.0.1:9999"}}, netip.AddrPort{}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := &Client{Listeners: test.listeners, Own: own}
			got, err := client.target(&test.line)
			if got.address != test.want || got.proxy != test.proxy || (err == nil) != test.want.IsValid() {
				t.Errorf("got %s, PROXY %v, error %v; want %s, PROXY %v", got.address, got.proxy, err, test.want, test.proxy)
			}
		})
	}
}

func TestProxyHeader(t *testing.T) {
	tests := []struct{ from, to, want string }{
		{"10.0.0.1:5", "10.0.0.2:80", "PROXY TCP4 10.0.0.1 10.0.0.2 5 80\r\n"},
		{"[::1]:5", "[2001:db8::1]:80", "PROXY TCP6 ::1 2001:db8::1 5 80\r\n"},
		{"10.0.0.1:5", "[::1]:80", "PROXY TCP6 ::ffff:10.0.0.1 ::1 5 80\r\n"},
	}
	for _, test := range tests {
		if got := string(proxyHeader(netip.MustParseAddrPort(test.from), netip.MustParseAddrPort(test.to))); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestHTTP1Bytes(t *testing.T) {
	r := &request.Request{Method: "POST", Authority: "a:1", Path: "/x y", Headers: request.Headers{{Name: "X-One", Value: "1"}, {Name: ":path", Value: "/no"}}}
	want := "POST /x y HTTP/1.1\r\nhost: a:1\r\nX-One: 1\r\ncontent-length: 0\r\nx-meshray-case: 9\r\n\r\n"
	if got := string(http1Bytes(r, "9")); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClientRefused(t *testing.T) {
	got := ask(t, netip.MustParseAddrPort("127.0.0.1:1"), request.Request{})
	if got.failure != ErrorRefused {
		t.Errorf("got %q, want %q", got.failure, ErrorRefused)
	}
}

func TestClientNoListener(t *testing.T) {
	client := &Client{Listeners: []replay.Listener{{Captured: "0.0.0.0:80"}}}
	_, err := client.exchange(t.Context(), &request.Line{Request: request.Request{To: "10.0.0.1:81"}}, "1")
	if err == nil || !strings.Contains(err.Error(), "0.0.0.0:80") {
		t.Errorf("got error %v, want one that names the listeners", err)
	}
}
