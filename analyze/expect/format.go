package expect

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/request"
)

// Format reads the lines that one access log format writes: a format string, a
// format dictionary, or JSON lines whose keys tell what they hold.
type Format struct {
	// Name says which format it is, or where in a capture it was found.
	Name string
	// Notes say what lines of this format cannot tell, or tell only in part.
	Notes []string

	text *textFormat
	json *jsonFormat // with text nil; nil for JSON lines that are read by their keys
}

// The reasons for which a line gives no request.
var (
	// ErrNotThisFormat is a line that the format did not write.
	ErrNotThisFormat = errors.New("the line is not of this access log format")
	// ErrNoRequest is a line about a connection, or about a request that Envoy
	// could not read: it names no method and no path to follow. Of a TCP connection
	// it names no destination.
	ErrNoRequest = errors.New("the line names no request")
	// ErrCut is a line whose path the format cuts off, as in %REQ(:PATH):64%.
	ErrCut = errors.New("the path may be cut off by the format's length")
)

// The bounds of a format: Envoy has none, and no format in use comes near them.
const (
	maxFormat    = 64 << 10 // bytes
	maxOperators = 256
)

// CompileFormat returns the reader of a format string of command operators, as in
// envoy.config.core.v3.SubstitutionFormatString.text_format.
func CompileFormat(text string) (*Format, error) {
	compiled, err := compileText(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("reading an access log format: %w", err)
	}
	if len(compiled.values) == 0 {
		return nil, errors.New("reading an access log format: expected command operators such as %RESPONSE_CODE%")
	}
	return &Format{Name: "format string", Notes: notesOn(compiled.operators()), text: compiled}, nil
}

// Parse returns the request that a line tells of, with what became of it. Where
// the line is wrapped by a container runtime or by kubectl, what it wraps is read.
//
// Values are those at the end of the request: :authority is the one after a host
// rewrite, and headers that Envoy adds are among the headers. Of a header that
// Envoy appends to, x-forwarded-for, nothing is taken: From is the client.
//
// The error is [ErrNotThisFormat], or [ErrNoRequest] or [ErrCut] along with what
// the line does tell.
func (f *Format) Parse(line string) (request.Line, error) {
	r, ok := f.read(line)
	if !ok {
		return request.Line{}, ErrNotThisFormat
	}
	return r.line()
}

// read returns the values of a line.
func (f *Format) read(line string) (*record, bool) {
	if len(line) > maxLogLine {
		return nil, false
	}
	line = strings.TrimSpace(line)
	if r, ok := f.readBare(line); ok {
		return r, true
	}
	bare := unwrap(line)
	if bare == line {
		return nil, false
	}
	return f.readBare(bare)
}

func (f *Format) readBare(line string) (*record, bool) {
	r := &record{}
	if f.text != nil {
		return r, f.text.read(line, r)
	}
	object, ok := jsonObject(line)
	if !ok {
		return nil, false
	}
	if f.json != nil {
		return r, f.json.read(object, r)
	}
	return r, readKeys(object, r)
}

// textFormat is a format string: a literal, then values each followed by a literal.
type textFormat struct {
	prefix string
	values []value
}

// value is what a command operator writes, and the literal behind it.
type value struct {
	operator operator
	behind   string
}

func (t *textFormat) operators() []operator {
	var out []operator
	for _, v := range t.values {
		out = append(out, v.operator)
	}
	return out
}

func compileText(text string) (*textFormat, error) {
	if len(text) > maxFormat {
		return nil, fmt.Errorf("expected at most %d bytes, got %d", maxFormat, len(text))
	}
	if strings.Contains(text, "\n") {
		return nil, errors.New("expected a format that writes one line for each request: this one writes several")
	}
	t := &textFormat{}
	literal := &t.prefix
	for len(text) > 0 {
		at := strings.IndexByte(text, '%')
		if at < 0 {
			*literal += text
			break
		}
		*literal += text[:at]
		text = text[at:]
		if rest, ok := strings.CutPrefix(text, "%%"); ok {
			*literal += "%"
			text = rest
			continue
		}
		op, rest, err := cutOperator(text)
		if err != nil {
			return nil, err
		}
		text = rest
		if n := len(t.values); n > 0 && t.values[n-1].behind == "" {
			// Nothing stands between the two values: what is whose cannot be told.
			t.values[n-1].operator = operator{name: t.values[n-1].operator.name + op.name, joined: true}
			continue
		}
		if len(t.values) == maxOperators {
			return nil, fmt.Errorf("expected at most %d command operators", maxOperators)
		}
		t.values = append(t.values, value{operator: op})
		literal = &t.values[len(t.values)-1].behind
	}
	return t, nil
}

// operator is a command operator: %NAME(argument):limit%.
type operator struct {
	name     string
	argument string
	// limit is the number of bytes after which the value is cut; 0 for none.
	limit int
	// joined is set where several operators follow each other without a literal.
	joined bool
}

// cutOperator takes the command operator off the front of text, which begins with
// a percent sign.
func cutOperator(text string) (op operator, rest string, err error) {
	rest = strings.TrimLeft(text[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
	op.name = text[1 : len(text)-len(rest)]
	if op.name == "" {
		return operator{}, "", fmt.Errorf("expected a command operator such as %%PROTOCOL%% at %.40q; a percent sign is written %%%%", text)
	}
	if tail, ok := strings.CutPrefix(rest, "("); ok {
		end := argumentEnd(tail)
		if end < 0 {
			return operator{}, "", fmt.Errorf("expected )%% behind the argument of %%%s(", op.name)
		}
		op.argument, rest = tail[:end], tail[end+1:]
	}
	if tail, ok := strings.CutPrefix(rest, ":"); ok {
		digits := strings.TrimLeft(tail, "0123456789")
		op.limit, err = strconv.Atoi(tail[:len(tail)-len(digits)])
		if err != nil {
			return operator{}, "", fmt.Errorf("expected a length behind the colon of %%%s:", op.name)
		}
		rest = digits
	}
	rest, ok := strings.CutPrefix(rest, "%")
	if !ok {
		return operator{}, "", fmt.Errorf("expected a percent sign that ends %%%s", op.name)
	}
	return op, rest, nil
}

// argumentEnd finds the parenthesis that ends an argument: the first that the
// operator can end behind. An argument may hold others: %CEL(size(x))%.
func argumentEnd(text string) int {
	for at := 0; at < len(text); at++ {
		if text[at] != ')' {
			continue
		}
		rest := text[at+1:]
		if tail, ok := strings.CutPrefix(rest, ":"); ok {
			rest = strings.TrimLeft(tail, "0123456789")
		}
		if strings.HasPrefix(rest, "%") {
			return at
		}
	}
	return -1
}
