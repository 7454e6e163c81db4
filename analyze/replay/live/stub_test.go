package live

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

// startStub starts one stub at a port that the system chooses.
func startStub(t *testing.T) netip.AddrPort {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().(*net.TCPAddr).AddrPort()
	probe.Close()
	stubs, err := StartStubs(t.Context(), []replay.Backend{{Address: address, Endpoint: "10.0.0.9:8080", Clusters: []string{"cart"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stubs.Close)
	return address
}

// ask sends a request straight to an address.
func ask(t *testing.T, address netip.AddrPort, r request.Request) answer {
	t.Helper()
	client := &Client{}
	r.To = address.String()
	x, err := client.exchange(t.Context(), &request.Line{Request: r}, "17")
	if err != nil {
		t.Fatal(err)
	}
	return x.answer
}

func TestStubEcho(t *testing.T) {
	address := startStub(t)
	tests := []struct {
		name    string
		request request.Request
		want    Echo
	}{
		{"HTTP/1.1", request.Request{Authority: "cart:80", Path: "/a//b/%zz?q=[1]"}, Echo{Method: "GET", Path: "/a//b/%zz?q=[1]", Authority: "cart:80", Protocol: "HTTP/1.1"}},
		{"HTTP/1.0 without a host", request.Request{Protocol: request.HTTP10}, Echo{Method: "GET", Path: "/", Protocol: "HTTP/1.0"}},
		{"HEAD", request.Request{Method: "HEAD", Authority: "cart"}, Echo{Method: "HEAD", Path: "/", Authority: "cart", Protocol: "HTTP/1.1"}},
		{"POST", request.Request{Method: "POST", Authority: "cart", Headers: request.Headers{{Name: "content-length", Value: "9"}}}, Echo{Method: "POST", Path: "/", Authority: "cart", Protocol: "HTTP/1.1"}},
		{"HTTP/2", request.Request{Protocol: request.HTTP2, Authority: "cart", Path: "//x%zz"}, Echo{Method: "GET", Path: "//x%zz", Authority: "cart", Protocol: "HTTP/2"}},
		{"gRPC", request.Request{Protocol: request.GRPC, Authority: "cart", Path: "/p.S/M"}, Echo{Method: "POST", Path: "/p.S/M", Authority: "cart", Protocol: "HTTP/2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := ask(t, address, test.request)
			if got.status != 200 || got.echo == nil {
				t.Fatalf("got status %d, echo %v, failure %q; want 200 with an echo", got.status, got.echo, got.failure)
			}
			got.echo.Headers, got.echo.Clusters = nil, nil
			test.want.Stub = "10.0.0.9:8080"
			gotText, _ := json.Marshal(got.echo)
			wantText, _ := json.Marshal(test.want)
			if string(gotText) != string(wantText) {
				t.Errorf("got  %s\nwant %s", gotText, wantText)
			}
		})
	}
}

func TestStubHeaders(t *testing.T) {
	got := ask(t, startStub(t), request.Request{Authority: "cart", Headers: request.Headers{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}})
	if got.echo == nil || !slices.Equal(got.echo.Headers["x-a"], []string{"1", "2"}) {
		t.Errorf("got %+v, want x-a as 1 and 2", got.echo)
	}
	if !slices.Equal(got.echo.Clusters, []string{"cart"}) {
		t.Errorf("got clusters %q, want cart", got.echo.Clusters)
	}
}

func TestStubBytes(t *testing.T) {
	got := ask(t, startStub(t), request.Request{Protocol: request.TCP})
	if want := "meshray stub 10.0.0.9:8080\n"; string(got.received) != want {
		t.Errorf("got %q, want %q", got.received, want)
	}
}

func TestStubUpgrade(t *testing.T) {
	headers := request.Headers{{Name: "connection", Value: "Upgrade"}, {Name: "upgrade", Value: "websocket"}}
	if got := ask(t, startStub(t), request.Request{Authority: "cart", Headers: headers}); got.status != 101 {
		t.Errorf("got status %d, want 101", got.status)
	}
}

// A tunnel leads to the stub itself.
func TestStubConnect(t *testing.T) {
	conn, err := net.Dial("tcp", startStub(t).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	_, _ = io.WriteString(conn, "CONNECT db:1 HTTP/1.1\r\nhost: db:1\r\n\r\n")
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("got %q, %v; want status 200", line, err)
	}
	_, _ = io.WriteString(conn, "\x01x")
	text, err := in.ReadString('9') // behind an empty line
	if err != nil || !strings.Contains(text, tcpGreeting) {
		t.Errorf("got %q, %v; want the stub's greeting", text, err)
	}
}

func TestStubConnectHTTP2(t *testing.T) {
	got := ask(t, startStub(t), request.Request{Method: "CONNECT", Protocol: request.HTTP2, Authority: "10.0.0.1:80"})
	if got.status != 200 || got.failure != "" {
		t.Errorf("got status %d, failure %q; want 200", got.status, got.failure)
	}
}

func TestSpokenIn(t *testing.T) {
	tests := []struct {
		in   string
		want spoken
	}{
		{"", speaksNothing},
		{"GET / HTTP/1.1\r\n", speaksHTTP1},
		{"PRI / HTTP/1.1\r\n", speaksHTTP1},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", speaksHTTP2},
		{"\x16\x03\x01", speaksOther},
		{" GET", speaksOther},
		{"averylongwordwithoutanyblank", speaksOther},
		{"GE", speaksOther},
	}
	for _, test := range tests {
		// One byte at a time: nothing may be waited for that is not needed.
		if got := spokenIn(bufio.NewReader(iotest.OneByteReader(strings.NewReader(test.in)))); got != test.want {
			t.Errorf("%q: got %d, want %d", test.in, got, test.want)
		}
	}
}

func TestStubsEndWithContext(t *testing.T) {
	address := startStub(t)
	ctx, cancel := context.WithCancel(t.Context())
	other := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0)
	stubs, err := StartStubs(ctx, []replay.Backend{{Address: other}})
	if err != nil {
		t.Fatal(err)
	}
	bound := stubs.listeners[0].Addr().String()
	cancel()
	stubs.Close() // waits, whoever was first
	if conn, err := net.Dial("tcp", bound); err == nil {
		conn.Close()
		t.Errorf("got a connection to %s after the end, want none", bound)
	}
	if got := ask(t, address, request.Request{Authority: "cart"}); got.status != 200 {
		t.Errorf("got status %d of the other stub, want 200", got.status)
	}
}

func FuzzStub(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"CONNECT a:1 HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\x00",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x03\x01\x05\x00\x00\x00\x01\x82\x86\x84",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, in []byte) {
		s := &stub{backend: replay.Backend{Endpoint: "10.0.0.9:80"}}
		s.serve(newPiece(in)) // must end, and not panic
	})
}
