package request

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds one line in bytes: a path and headers, with room to spare.
const maxLine = 4 << 20

// LineError is a line that is not a request.
type LineError struct {
	File string // as Read was told
	Line int    // from 1
	Err  error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: reading a request: %v", e.File, e.Line, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// Read calls each for every line of in that holds a request, with the number of
// the line; empty lines are passed over. It stops at the first line that is not
// one JSON object of the known fields with a [LineError], or at each's first error.
func Read(in io.Reader, file string, each func(number int, line Line) error) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	number := 0
	for scanner.Scan() {
		number++
		text := bytes.TrimSpace(bytes.TrimPrefix(scanner.Bytes(), []byte("\xef\xbb\xbf")))
		if len(text) == 0 {
			continue
		}
		line, err := decode(text)
		if err != nil {
			return &LineError{File: file, Line: number, Err: err}
		}
		if err := each(number, line); err != nil {
			return err
		}
	}
	err := scanner.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return &LineError{File: file, Line: number + 1, Err: fmt.Errorf("expected at most %d bytes in a line", maxLine)}
	}
	if err != nil {
		return fmt.Errorf("reading requests from %s: %w", file, err)
	}
	return nil
}

func decode(text []byte) (Line, error) {
	var line Line
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&line); err != nil {
		return Line{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Line{}, errors.New("expected one JSON object in a line")
	}
	return line, line.check()
}

// check says what is wrong with the values of a line.
func (l *Line) check() error {
	switch l.Direction {
	case "", Outbound, Inbound, AtGateway:
	default:
		return fmt.Errorf("direction %q: expected outbound, inbound or gateway", l.Direction)
	}
	return l.Request.Check()
}

// Check says what is wrong with the values of a request.
func (r *Request) Check() error {
	switch r.Protocol {
	case "", HTTP10, HTTP1, HTTP2, GRPC, TCP:
	default:
		return fmt.Errorf("protocol %q: expected http/1.0, http/1.1, h2, grpc or tcp", r.Protocol)
	}
	if _, err := r.Destination(); err != nil {
		return err
	}
	_, err := r.Source()
	return err
}

// Append writes a line with its end after out.
func (l *Line) Append(out []byte) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		return out, err
	}
	return append(out, buffer.Bytes()...), nil
}
