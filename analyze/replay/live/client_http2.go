package live

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

// http2Stream is the one stream that a client uses on a connection.
const http2Stream = 1

// talkHTTP2 sends the request in frames of its own making, so that it goes out as
// it is.
func talkHTTP2(conn net.Conn, x *exchange) error {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.MaxHeaderListSize = maxHeaderList
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	if err := sendHTTP2(framer, x); err != nil {
		return err
	}
	header := ""
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		if f, ok := frame.(*http2.MetaHeadersFrame); ok && header == "" {
			header = fieldOf(f, EchoHeader)
		}
		ended, err := x.answer.frame(framer, frame)
		if err != nil {
			return err
		}
		if ended {
			x.answer.readEcho(header)
			return nil
		}
	}
}

func sendHTTP2(framer *http2.Framer, x *exchange) error {
	r := x.request
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range http2Fields(r, x.id) {
		if err := encoder.WriteField(field); err != nil {
			return err
		}
	}
	body, _ := bodyOf(r)
	if r.Protocol == request.GRPC {
		body = make([]byte, 5) // an empty message
	}
	first := block.Next(maxFrame)
	ends := len(body) == 0 && r.Method != http.MethodConnect
	err := framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: http2Stream, BlockFragment: first, EndStream: ends, EndHeaders: block.Len() == 0,
	})
	for err == nil && block.Len() > 0 {
		next := block.Next(maxFrame)
		err = framer.WriteContinuation(http2Stream, block.Len() == 0, next)
	}
	if err != nil || len(body) == 0 {
		return err
	}
	// More would need the window that the server has not given yet.
	return framer.WriteData(http2Stream, true, body[:min(len(body), maxFrame)])
}

func http2Fields(r *request.Request, id string) []hpack.HeaderField {
	scheme := cmp.Or(r.Scheme, "http")
	if r.Scheme == "" && r.TLS != nil {
		scheme = "https"
	}
	method := cmp.Or(r.Method, http.MethodGet)
	if r.Protocol == request.GRPC {
		method = cmp.Or(r.Method, http.MethodPost)
	}
	fields := []hpack.HeaderField{{Name: ":method", Value: method}, {Name: ":scheme", Value: scheme}}
	if method == http.MethodConnect {
		fields = fields[:1]
	} else {
		fields = append(fields, hpack.HeaderField{Name: ":path", Value: cmp.Or(r.Path, "/")})
	}
	if r.Authority != "" {
		fields = append(fields, hpack.HeaderField{Name: ":authority", Value: r.Authority})
	}
	for _, header := range r.Headers {
		if name := strings.ToLower(header.Name); !strings.HasPrefix(name, ":") {
			fields = append(fields, hpack.HeaderField{Name: name, Value: header.Value})
		}
	}
	if r.Protocol == request.GRPC && !r.Headers.Has("content-type") {
		fields = append(fields, hpack.HeaderField{Name: "content-type", Value: grpcType})
	}
	if r.Protocol == request.GRPC && !r.Headers.Has("te") {
		fields = append(fields, hpack.HeaderField{Name: "te", Value: "trailers"})
	}
	return append(fields, hpack.HeaderField{Name: replay.CaseHeader, Value: id})
}

// frame takes one frame of the answer and reports whether it was the last.
func (a *answer) frame(framer *http2.Framer, frame http2.Frame) (ended bool, err error) {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			err = framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			err = framer.WritePing(true, f.Data)
		}
	case *http2.MetaHeadersFrame:
		if status, _ := strconv.Atoi(f.PseudoValue("status")); status >= 200 {
			a.status, a.location = status, fieldOf(f, "location")
		}
		return f.StreamEnded() || a.tunnel && a.status != 0, nil
	case *http2.DataFrame:
		a.body = append(a.body, f.Data()[:min(len(f.Data()), maxAnswer-len(a.body))]...)
		return f.StreamEnded(), nil
	case *http2.RSTStreamFrame:
		if a.status != 0 {
			return true, nil
		}
		return false, fmt.Errorf("reading an answer: the stream was reset: %s", f.ErrCode)
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo && a.status == 0 {
			return false, fmt.Errorf("reading an answer: the connection was given up: %s", f.ErrCode)
		}
	}
	return false, err
}

func fieldOf(f *http2.MetaHeadersFrame, name string) string {
	for _, field := range f.RegularFields() {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}
