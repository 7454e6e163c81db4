package live

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

const (
	// maxAnswer bounds the body that a client keeps, in bytes.
	maxAnswer = 64 << 10
	// maxSent bounds the body that a client sends where a request tells its length.
	maxSent = 1 << 20
)

// talkHTTP1 writes the request as it is: net/http would tidy it up.
func talkHTTP1(conn net.Conn, x *exchange) error {
	if _, err := conn.Write(http1Bytes(x.request, x.id)); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	method := cmp.Or(x.request.Method, http.MethodGet)
	for {
		response, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return err
		}
		if response.StatusCode < 200 && response.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		x.answer.status = response.StatusCode
		x.answer.location = response.Header.Get("Location")
		if !x.answer.tunnel && response.StatusCode != http.StatusSwitchingProtocols {
			x.answer.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		}
		x.answer.readEcho(response.Header.Get(EchoHeader))
		return err
	}
}

func http1Bytes(r *request.Request, id string) []byte {
	var out bytes.Buffer
	version := "HTTP/1.1"
	if r.Protocol == request.HTTP10 {
		version = "HTTP/1.0"
	}
	method := cmp.Or(r.Method, http.MethodGet)
	fmt.Fprintf(&out, "%s %s %s\r\n", method, cmp.Or(r.Path, "/"), version)
	if r.Authority != "" || version == "HTTP/1.1" {
		fmt.Fprintf(&out, "host: %s\r\n", r.Authority)
	}
	for _, header := range r.Headers {
		if !strings.HasPrefix(header.Name, ":") {
			fmt.Fprintf(&out, "%s: %s\r\n", header.Name, header.Value)
		}
	}
	body, stated := bodyOf(r)
	if !stated && mayHaveBody(method) {
		out.WriteString("content-length: 0\r\n")
	}
	fmt.Fprintf(&out, "%s: %s\r\n\r\n", replay.CaseHeader, id)
	out.Write(body)
	return out.Bytes()
}

func mayHaveBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// bodyOf makes a body of the length that the request states, and tells whether it
// states one.
func bodyOf(r *request.Request) (body []byte, stated bool) {
	if r.Headers.Has("transfer-encoding") {
		return []byte("0\r\n\r\n"), true
	}
	text, stated := r.Headers.Get("content-length")
	length, err := strconv.Atoi(text)
	if err != nil || length <= 0 {
		return nil, stated
	}
	return bytes.Repeat([]byte("x"), min(length, maxSent)), true
}

// readEcho finds what a stub said, in the body or in the header.
func (a *answer) readEcho(header string) {
	if header == "" {
		return
	}
	var echo Echo
	if json.Unmarshal(a.body, &echo) == nil && echo.Method != "" || json.Unmarshal([]byte(header), &echo) == nil {
		a.echo = &echo
	}
}
