package live

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// maxHeaderLine and maxHeaderLines bound a request that a stub reads.
const (
	maxHeaderLine  = 128 << 10
	maxHeaderLines = 1000
)

// http1Request is a request as it stands on the wire; net/http would refuse paths
// that Envoy lets through.
type http1Request struct {
	method, path, protocol string
	headers                map[string][]string // names in lower case
}

func (r *http1Request) header(name string) string {
	return strings.Join(r.headers[name], ",")
}

func (s *stub) serveHTTP1(conn wire, in *bufio.Reader) {
	for {
		_ = conn.SetDeadline(time.Now().Add(stubIdle))
		request, err := readHTTP1(in)
		if err != nil {
			return
		}
		if _, nested := conn.(tunnel); request.method == "CONNECT" && !nested {
			if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err == nil {
				s.serve(tunnel{in, conn})
			}
			return
		}
		if err := skipBody(in, request); err != nil {
			return
		}
		if _, err := conn.Write(s.answerHTTP1(request)); err != nil || closes(request) {
			return
		}
	}
}

// tunnel is a connection of which some bytes were read ahead.
type tunnel struct {
	io.Reader
	wire
}

func (t tunnel) Read(p []byte) (int, error) { return t.Reader.Read(p) }

func closes(r *http1Request) bool {
	connection := strings.ToLower(r.header("connection"))
	return strings.Contains(connection, "close") || strings.Contains(connection, "upgrade") ||
		r.protocol == "HTTP/1.0" && !strings.Contains(connection, "keep-alive")
}

func readHTTP1(in *bufio.Reader) (*http1Request, error) {
	line, err := readLine(in)
	if err != nil {
		return nil, err
	}
	method, rest, _ := strings.Cut(line, " ")
	at := strings.LastIndexByte(rest, ' ')
	if at < 0 || !strings.HasPrefix(rest[at+1:], "HTTP/1.") {
		return nil, fmt.Errorf("reading a request: expected a request line, got %q", line)
	}
	r := &http1Request{method: method, path: rest[:at], protocol: rest[at+1:], headers: map[string][]string{}}
	for range maxHeaderLines {
		line, err := readLine(in)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return r, nil
		}
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		r.headers[name] = append(r.headers[name], strings.TrimSpace(value))
	}
	return nil, fmt.Errorf("reading a request: expected at most %d header lines", maxHeaderLines)
}

func readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if len(line) > maxHeaderLine {
			return "", fmt.Errorf("reading a request: expected at most %d bytes in a line", maxHeaderLine)
		}
	}
}

func skipBody(in *bufio.Reader, r *http1Request) error {
	if strings.Contains(strings.ToLower(r.header("transfer-encoding")), "chunked") {
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(in)); err != nil {
			return err
		}
		for { // trailers
			if line, err := readLine(in); err != nil || line == "" {
				return err
			}
		}
	}
	length, err := strconv.ParseInt(r.header("content-length"), 10, 64)
	if err != nil || length <= 0 {
		return nil
	}
	_, err = io.CopyN(io.Discard, in, length)
	return err
}

func (s *stub) answerHTTP1(r *http1Request) []byte {
	echo := s.echo()
	echo.Protocol, echo.Method, echo.Path, echo.Authority = r.protocol, r.method, r.path, r.header("host")
	echo.Headers = r.headers
	var out bytes.Buffer
	if upgrade := r.header("upgrade"); upgrade != "" && strings.Contains(strings.ToLower(r.header("connection")), "upgrade") {
		fmt.Fprintf(&out, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: %s\r\n%s: %s\r\n\r\n", upgrade, EchoHeader, echo.header())
		return out.Bytes()
	}
	body := echo.body()
	fmt.Fprintf(&out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s: %s\r\n\r\n", len(body), EchoHeader, echo.header())
	if r.method != "HEAD" {
		out.Write(body)
	}
	return out.Bytes()
}
