package expect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/request"
)

// maxLogLine bounds a line of a log in bytes: Envoy refuses longer headers.
const maxLogLine = 1 << 20

// Entry is one line of an access log that tells of a request or of a TCP connection.
type Entry struct {
	Number int // of the line, from 1
	Text   string
	Line   request.Line
	// Time is the start of the request; zero where the line does not tell.
	Time   time.Time
	Format *Format // that the line was read with
}

// Summary counts the lines of a log by what became of them.
type Summary struct {
	Requests int
	// WithoutRequest are lines of the access log that name no request; see
	// [ErrNoRequest] and [ErrCut].
	WithoutRequest int
	// Other are records of the proxy's own log, and empty lines.
	Other int
	// Unread are lines that look like an access log's and that no format fits, and
	// those of more than a mebibyte; FirstUnread is the number of the first, 0 where there is none.
	Unread, FirstUnread int
}

// ReadLog calls each for every request in a log, in order; a line is read with
// the first format that fits it. Without formats the built-in ones are tried. It
// stops at each's first error and returns it.
func ReadLog(r io.Reader, formats []*Format, each func(Entry) error) (Summary, error) {
	if len(formats) == 0 {
		formats = Builtin()
	}
	var summary Summary
	reader := bufio.NewReaderSize(r, maxLogLine)
	for number := 1; ; number++ {
		text, whole, err := readLine(reader)
		if errors.Is(err, io.EOF) {
			return summary, nil
		}
		if err != nil {
			return summary, fmt.Errorf("reading an access log: %w", err)
		}
		entry := Entry{Number: number, Text: text}
		if !whole {
			summary.skip(number)
			continue
		}
		if !entry.read(formats, &summary) {
			continue
		}
		if err := each(entry); err != nil {
			return summary, err
		}
	}
}

// read fills in the entry and counts it; it reports whether there is a request.
func (e *Entry) read(formats []*Format, summary *Summary) bool {
	for _, format := range formats {
		r, ok := format.read(e.Text)
		if !ok {
			continue
		}
		line, err := r.line()
		if err != nil {
			summary.WithoutRequest++
			return false
		}
		summary.Requests++
		e.Line, e.Time, e.Format = line, r.time(), format
		return true
	}
	if !looksLikeAccess(e.Text) {
		summary.Other++
		return false
	}
	summary.skip(e.Number)
	return false
}

func (s *Summary) skip(number int) {
	s.Unread++
	if s.FirstUnread == 0 {
		s.FirstUnread = number
	}
}

// readLine returns the next line without its end; whole is false for one that is
// longer than maxLogLine, of which nothing is kept.
func readLine(reader *bufio.Reader) (text string, whole bool, err error) {
	whole = true
	for {
		part, err := reader.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			whole = false
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(part) == 0 && whole) {
			return "", false, err
		}
		if !whole {
			return "", false, nil
		}
		return strings.TrimRight(string(part), "\r\n"), true, nil
	}
}

// looksLikeAccess tells an access log's line from a record of the proxy's own log.
func looksLikeAccess(line string) bool {
	line = unwrap(strings.TrimSpace(line))
	if object, ok := jsonObject(line); ok {
		return object["level"] == nil && (object["response_flags"] != nil || object["response_code"] != nil)
	}
	stamp, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
	return ok && line[0] == '[' && !parseTime(stamp).IsZero() && !strings.HasPrefix(rest, "[")
}

// unwrap takes off what kubectl, containerd or Docker put around a line of a log.
func unwrap(line string) string {
	if strings.HasPrefix(line, "{") {
		return unwrapDocker(line)
	}
	if strings.HasPrefix(line, "[pod/") { // kubectl logs --prefix
		if _, rest, ok := strings.Cut(line, "] "); ok {
			line = rest
		}
	}
	stamp, rest, ok := strings.Cut(line, " ")
	if _, err := time.Parse(time.RFC3339, stamp); !ok || err != nil {
		return line
	}
	for _, stream := range []string{"stdout ", "stderr "} {
		if tagged, ok := strings.CutPrefix(rest, stream); ok {
			_, rest, _ = strings.Cut(tagged, " ") // the tag: F for a whole line, P for a part
		}
	}
	return rest
}

func unwrapDocker(line string) string {
	if !strings.Contains(line, `"log"`) {
		return line
	}
	object, _ := jsonObject(line)
	inner, ok := object["log"].(string)
	if !ok || object["stream"] == nil {
		return line
	}
	return strings.TrimSpace(inner)
}
