package live

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// maxFrame is the payload of a DATA frame that every peer takes.
	maxFrame = 16 << 10
	// maxStreams bounds the requests that a stub keeps open on one connection.
	maxStreams = 1000
	// maxHeaderList bounds the headers of a request, in bytes.
	maxHeaderList = 1 << 20
	grpcType      = "application/grpc"
)

// http2Stub is one HTTP/2 connection to a stub. It answers frame by frame with a
// Framer: net/http would refuse paths that Envoy lets through.
type http2Stub struct {
	*stub
	conn    wire
	in      *bufio.Reader
	framer  *http2.Framer
	encoder *hpack.Encoder
	block   bytes.Buffer // what encoder writes
	open    map[uint32]*http2.MetaHeadersFrame
}

func newHTTP2Stub(s *stub, conn wire, in *bufio.Reader) *http2Stub {
	h := &http2Stub{stub: s, conn: conn, in: in, framer: http2.NewFramer(conn, in), open: map[uint32]*http2.MetaHeadersFrame{}}
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.framer.MaxHeaderListSize = maxHeaderList
	h.encoder = hpack.NewEncoder(&h.block)
	return h
}

func (h *http2Stub) serve() {
	if _, err := io.CopyN(io.Discard, h.in, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	settings := []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: maxStreams}, {ID: http2.SettingEnableConnectProtocol, Val: 1}}
	if err := h.framer.WriteSettings(settings...); err != nil {
		return
	}
	for {
		_ = h.conn.SetDeadline(time.Now().Add(stubIdle))
		frame, err := h.framer.ReadFrame()
		if refused, ok := err.(http2.StreamError); ok {
			err = h.framer.WriteRSTStream(refused.StreamID, refused.Code)
		} else if err == nil {
			err = h.frame(frame)
		}
		if err != nil {
			return
		}
	}
}

func (h *http2Stub) frame(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		return h.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return h.framer.WritePing(true, f.Data)
	case *http2.MetaHeadersFrame:
		return h.headers(f)
	case *http2.DataFrame:
		return h.data(f)
	case *http2.RSTStreamFrame:
		delete(h.open, f.StreamID)
	}
	return nil
}

func (h *http2Stub) headers(f *http2.MetaHeadersFrame) error {
	request, ok := h.open[f.StreamID]
	if !ok {
		if len(h.open) >= maxStreams {
			return h.framer.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream)
		}
		request = f
		h.open[f.StreamID] = request
	}
	switch {
	case f.StreamEnded():
		return h.answer(request)
	case request == f && f.PseudoValue("method") == "CONNECT":
		return h.respond(f.StreamID, false, hpack.HeaderField{Name: ":status", Value: "200"})
	}
	return nil
}

// data gives back the window that the bytes took. In a tunnel the first bytes are
// a request to the stub itself.
func (h *http2Stub) data(f *http2.DataFrame) error {
	request, open := h.open[f.StreamID]
	if length := uint32(f.Header().Length); length > 0 {
		if err := h.framer.WriteWindowUpdate(0, length); err != nil {
			return err
		}
		if open && !f.StreamEnded() {
			if err := h.framer.WriteWindowUpdate(f.StreamID, length); err != nil {
				return err
			}
		}
	}
	switch {
	case !open:
		return nil
	case request.PseudoValue("method") == "CONNECT" && len(f.Data()) > 0:
		return h.inner(f.StreamID, f.Data())
	case f.StreamEnded():
		return h.answer(request)
	}
	return nil
}

// inner answers what came through a tunnel in one piece, and ends the tunnel.
func (h *http2Stub) inner(stream uint32, data []byte) error {
	delete(h.open, stream)
	inside := newPiece(data)
	h.stub.serve(inside)
	return h.write(stream, inside.out.Bytes(), true)
}

// piece is a connection of which all bytes are there.
type piece struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func newPiece(data []byte) *piece { return &piece{in: bytes.NewReader(data)} }

func (p *piece) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *piece) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p *piece) SetDeadline(time.Time) error { return nil }

func (h *http2Stub) answer(request *http2.MetaHeadersFrame) error {
	delete(h.open, request.StreamID)
	echo := h.echo()
	echo.Protocol, echo.Headers = "HTTP/2", map[string][]string{}
	echo.Method, echo.Path, echo.Authority = request.PseudoValue("method"), request.PseudoValue("path"), request.PseudoValue("authority")
	for _, field := range request.RegularFields() {
		echo.Headers[field.Name] = append(echo.Headers[field.Name], field.Value)
	}
	status := hpack.HeaderField{Name: ":status", Value: "200"}
	who := hpack.HeaderField{Name: EchoHeader, Value: echo.header()}
	if kind := echo.Headers["content-type"]; len(kind) > 0 && strings.HasPrefix(kind[0], grpcType) {
		return h.answerGRPC(request.StreamID, status, hpack.HeaderField{Name: "content-type", Value: grpcType}, who)
	}
	body := echo.body()
	err := h.respond(request.StreamID, echo.Method == "HEAD", status, who,
		hpack.HeaderField{Name: "content-type", Value: "application/json"},
		hpack.HeaderField{Name: "content-length", Value: strconv.Itoa(len(body))})
	if err != nil || echo.Method == "HEAD" {
		return err
	}
	return h.write(request.StreamID, body, true)
}

// answerGRPC sends one empty message: the default of whatever was asked for.
func (h *http2Stub) answerGRPC(stream uint32, fields ...hpack.HeaderField) error {
	if err := h.respond(stream, false, fields...); err != nil {
		return err
	}
	if err := h.write(stream, make([]byte, 5), false); err != nil {
		return err
	}
	return h.respond(stream, true, hpack.HeaderField{Name: "grpc-status", Value: "0"})
}

func (h *http2Stub) respond(stream uint32, end bool, fields ...hpack.HeaderField) error {
	h.block.Reset()
	for _, field := range fields {
		if err := h.encoder.WriteField(field); err != nil {
			return err
		}
	}
	return h.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: h.block.Bytes(), EndHeaders: true, EndStream: end,
	})
}

func (h *http2Stub) write(stream uint32, data []byte, end bool) error {
	for len(data) > maxFrame {
		if err := h.framer.WriteData(stream, false, data[:maxFrame]); err != nil {
			return err
		}
		data = data[maxFrame:]
	}
	return h.framer.WriteData(stream, end, data)
}
