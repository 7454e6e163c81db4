package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/meshray/meshray/analyze/replay"
)

// Stubs answer for all upstreams: HTTP/1, HTTP/2 without TLS, gRPC, and bytes
// that are none of them, all on one socket.
//
// A request gets status 200 and an [Echo] as JSON. A gRPC call gets an empty
// message and grpc-status 0, which allows where an authorization or rate limit
// service is asked; its Echo, without headers, stands in the header [EchoHeader].
// Other bytes get one line: "meshray stub", a blank, and the stub's name.
// CONNECT opens a tunnel to the stub itself.
type Stubs struct {
	listeners []net.Listener
	open      map[net.Conn]struct{}
	mutex     sync.Mutex // guards open and closed
	closed    bool
	running   sync.WaitGroup
}

// Echo is what a stub says of a request that reached it.
type Echo struct {
	Stub      string              `json:"stub"` // replay.Backend.Name
	Clusters  []string            `json:"clusters,omitempty"`
	Protocol  string              `json:"protocol"`
	Method    string              `json:"method"`
	Path      string              `json:"path"` // as on the wire
	Authority string              `json:"authority"`
	Headers   map[string][]string `json:"headers,omitempty"`
}

// EchoHeader is the response header with an Echo, without its headers.
const EchoHeader = "x-meshray-echo"

const (
	// stubIdle is how long a stub waits for the next bytes.
	stubIdle = 2 * time.Minute
	// maxEchoHeader and maxEchoBody bound what a stub sends back, in bytes.
	maxEchoHeader = 8 << 10
	maxEchoBody   = 32 << 10
	tcpGreeting   = "meshray stub "
)

// StartStubs listens for all backends. They are stopped by Close, or when ctx ends.
func StartStubs(ctx context.Context, backends []replay.Backend) (*Stubs, error) {
	s := &Stubs{open: map[net.Conn]struct{}{}}
	for i := range backends {
		listener, err := net.Listen("tcp", backends[i].Address.String())
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("starting the stub of %s: %w", backends[i].Name(), err)
		}
		s.listeners = append(s.listeners, listener)
		stub := &stub{backend: backends[i]}
		s.running.Go(func() { s.accept(listener, stub) })
	}
	context.AfterFunc(ctx, s.Close)
	return s, nil
}

// Close stops all stubs and waits until their connections are gone.
func (s *Stubs) Close() {
	s.mutex.Lock()
	s.closed = true
	for _, listener := range s.listeners {
		listener.Close()
	}
	for conn := range s.open {
		conn.Close()
	}
	s.mutex.Unlock()
	s.running.Wait()
}

func (s *Stubs) accept(listener net.Listener, stub *stub) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of file descriptors, say
			continue
		}
		if !s.remember(conn) {
			conn.Close()
			return
		}
		s.running.Go(func() {
			defer s.forget(conn)
			stub.serve(conn)
		})
	}
}

func (s *Stubs) remember(conn net.Conn) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.closed {
		s.open[conn] = struct{}{}
	}
	return !s.closed
}

func (s *Stubs) forget(conn net.Conn) {
	conn.Close()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.open, conn)
}

// stub is one of them.
type stub struct{ backend replay.Backend }

// wire is what a stub talks over: a connection, or a tunnel through HTTP/2.
type wire interface {
	io.ReadWriter
	SetDeadline(time.Time) error
}

// serve talks whatever the peer talks.
func (s *stub) serve(conn wire) {
	in := bufio.NewReaderSize(conn, 4<<10)
	_ = conn.SetDeadline(time.Now().Add(stubIdle))
	switch spokenIn(in) {
	case speaksHTTP2:
		newHTTP2Stub(s, conn, in).serve()
	case speaksHTTP1:
		s.serveHTTP1(conn, in)
	case speaksOther:
		s.serveBytes(conn, in)
	}
}

// spoken is what the first bytes of a connection are.
type spoken int

const (
	speaksNothing spoken = iota
	speaksHTTP1
	speaksHTTP2
	speaksOther
)

// spokenIn looks at as many bytes as it takes, and waits for no more.
func spokenIn(in *bufio.Reader) spoken {
	const preface = http2.ClientPreface
	for n := 1; n <= len(preface); n++ {
		start, err := in.Peek(n)
		if len(start) == 0 {
			return speaksNothing
		}
		if err != nil {
			return speaksOther
		}
		last := start[n-1]
		switch {
		case string(start) == preface:
			return speaksHTTP2
		case string(start) == preface[:n]:
		case n > 1 && last == ' ' || string(start[:n-1]) == "PRI ":
			return speaksHTTP1
		case (last < 'A' || last > 'Z') && (last < 'a' || last > 'z') && last != '-' && last != '_':
			return speaksOther
		}
	}
	return speaksOther
}

// serveBytes answers with the stub's name and takes what comes until the end.
func (s *stub) serveBytes(conn wire, in *bufio.Reader) {
	if _, err := io.WriteString(conn, tcpGreeting+s.backend.Name()+"\n"); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, in) // ends with the connection
}

func (s *stub) echo() Echo {
	clusters := s.backend.Clusters
	return Echo{Stub: s.backend.Name(), Clusters: clusters[:min(len(clusters), 10)]}
}

// header writes an Echo for [EchoHeader]; empty where it is too long for one.
func (e Echo) header() string {
	e.Headers, e.Clusters = nil, nil
	text, err := json.Marshal(e) // escapes all that is not ASCII but U+0080 and above
	if err != nil || len(text) > maxEchoHeader {
		return ""
	}
	return string(text)
}

// body writes an Echo for people and programs.
func (e Echo) body() []byte {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return nil
	}
	if out.Len() > maxEchoBody && e.Headers != nil {
		e.Headers = nil
		return e.body()
	}
	return out.Bytes()
}
