package live

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

// Client sends requests to an Envoy on loopback as they are, byte by byte.
type Client struct {
	// Authority signs the certificates that clients show.
	Authority *replay.Authority
	// Listeners are the sockets of the Envoy.
	Listeners []replay.Listener
	// Own are the proxy's own IPs: a connection to one of them is inbound.
	Own []netip.Addr
	// Patience bounds one request; 0 means ten seconds.
	Patience time.Duration

	certificates sync.Map // by URI SAN, *tls.Certificate
	ports        atomic.Uint32
}

// The values of request.Observed.Error.
const (
	ErrorTLS     = "tls"     // the handshake failed
	ErrorClosed  = "closed"  // the connection ended without an answer
	ErrorRefused = "refused" // there was no connection
	ErrorTimeout = "timeout" // no answer in time
)

// exchange is one request on its way.
type exchange struct {
	request *request.Request
	id      string // value of replay.CaseHeader
	ends    ends
	answer  answer
}

// answer is what the client got.
type answer struct {
	status   int
	location string
	echo     *Echo // nil where no stub answered
	body     []byte
	received []byte // by a TCP client
	tunnel   bool   // CONNECT: the answer is the head alone
	failure  string // one of the Error constants
}

// exchange sends one request over a connection of its own.
func (c *Client) exchange(ctx context.Context, line *request.Line, id string) (*exchange, error) {
	x := &exchange{request: &line.Request, id: id}
	target, err := c.target(line)
	if err != nil {
		return nil, err
	}
	patience := c.Patience
	if patience <= 0 {
		patience = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := c.dial(ctx, target, x)
	if err != nil {
		x.answer.failure = failureOf(err)
		return x, ctx.Err()
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = c.talk(conn, x)
	switch {
	case err == nil:
	case ctx.Err() != nil: // it closed the connection
		x.answer.failure = ErrorTimeout
	default:
		x.answer.failure = failureOf(err)
	}
	return x, nil
}

// talk sends the request over a connection and reads the answer.
func (c *Client) talk(conn net.Conn, x *exchange) error {
	if x.request.TLS != nil {
		secure, err := c.handshake(conn, x.request.TLS)
		if err != nil {
			return err
		}
		conn = secure
	}
	x.answer.tunnel = x.request.Method == http.MethodConnect
	switch {
	case x.request.IsTCP():
		return talkTCP(conn, x)
	case x.request.IsHTTP2() || negotiated(conn) == "h2":
		return talkHTTP2(conn, x)
	}
	return talkHTTP1(conn, x)
}

func negotiated(conn net.Conn) string {
	if secure, ok := conn.(*tls.Conn); ok {
		return secure.ConnectionState().NegotiatedProtocol
	}
	return ""
}

func (c *Client) handshake(conn net.Conn, hello *request.TLS) (net.Conn, error) {
	config := &tls.Config{
		ServerName: hello.SNI, NextProtos: hello.ALPN,
		InsecureSkipVerify: true, // what the server shows is a test certificate of ours
	}
	if hello.ClientURISAN != "" {
		certificate, err := c.certificate(hello.ClientURISAN)
		if err != nil {
			return nil, err
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
	}
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	return secure, nil
}

// certificate issues what a client shows, once for each name.
func (c *Client) certificate(uri string) (*tls.Certificate, error) {
	if known, ok := c.certificates.Load(uri); ok {
		return known.(*tls.Certificate), nil
	}
	issued, err := c.Authority.Issue(replay.Identity{CommonName: "client", URIs: []string{uri}})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(issued.Chain, issued.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the certificate of %s: %w", uri, err)
	}
	c.certificates.Store(uri, &pair)
	return &pair, nil
}

func talkTCP(conn net.Conn, x *exchange) error {
	// No HTTP method begins with such a byte, and no TLS record.
	if _, err := io.WriteString(conn, "\x01meshray\r\n"); err != nil {
		return err
	}
	buffer := make([]byte, 512)
	n, err := conn.Read(buffer)
	x.answer.received = slices.Clip(buffer[:n])
	if n > 0 {
		return nil
	}
	return err
}

func failureOf(err error) string {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(err, &network) && network.Timeout():
		return ErrorTimeout
	case errors.Is(err, errDial):
		return ErrorRefused
	case errors.As(err, &alert), errors.As(err, &record), strings.Contains(err.Error(), "remote error: tls:"):
		return ErrorTLS
	}
	return ErrorClosed
}
