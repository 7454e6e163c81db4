// Package rawjson walks JSON text by position, without building a tree.
//
// A capture is read once to find where its resources begin and end; their
// contents are decoded only when a command asks. The scanner is therefore
// lenient inside a value that is skipped (it matches brackets and strings, no
// more) and strict about the level that is being walked. Trailing commas are
// accepted, because bootstraps written by templates have them.
package rawjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrTruncated says that the text ended inside a value. It wraps
// [io.ErrUnexpectedEOF].
var ErrTruncated = fmt.Errorf("the JSON text is cut off: %w", io.ErrUnexpectedEOF)

// SyntaxError is text that is not JSON, at byte Offset.
type SyntaxError struct {
	Offset   int
	Expected string
	Found    byte
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("byte %d: expected %s, found %q", e.Offset, e.Expected, e.Found)
}

// Scanner walks one JSON text. The zero value is not usable; see [New].
// After an error every method returns false, and [Scanner.Err] tells why.
type Scanner struct {
	data  []byte
	pos   int
	first bool // nothing has been read yet of the object or array entered last
	// nested is set once an object or array was entered.
	nested bool
	hops   bool
	keyAt  int // of the key returned last; -1 if it had escapes
	err    error
}

// New returns a Scanner over data that starts at byte offset pos.
func New(data []byte, pos int) *Scanner { return &Scanner{data: data, pos: pos} }

// NewHopping returns a Scanner that passes over nested values by their
// indentation, several times faster. It is right for text that a pretty-printer
// set. In other text it may take a value to end too early or too late; brackets
// are then missing or left over, so that the walk ends with an error, or with a
// closing bracket behind it: walk such text again with [New].
func NewHopping(data []byte, pos int) *Scanner { return &Scanner{data: data, pos: pos, hops: true} }

// Hops reports whether the Scanner was made by [NewHopping].
func (s *Scanner) Hops() bool { return s.hops }

// Offset is the position of the next byte to be read.
func (s *Scanner) Offset() int { return s.pos }

// Err is the first error met: nil, [ErrTruncated] or a [*SyntaxError].
func (s *Scanner) Err() error { return s.err }

// Kind returns the first byte of the next value ('{', '[', '"', 't', 'f', 'n',
// '-' or a digit), or 0 at the end of the text.
func (s *Scanner) Kind() byte {
	s.pos = skipSpace(s.data, s.pos)
	if s.err != nil || s.pos >= len(s.data) {
		return 0
	}
	return s.data[s.pos]
}

// Object enters the object that comes next; follow with [Scanner.Key].
func (s *Scanner) Object() bool { return s.enter('{', "an object") }

// Array enters the array that comes next; follow with [Scanner.Element].
func (s *Scanner) Array() bool { return s.enter('[', "an array") }

func (s *Scanner) enter(open byte, expected string) bool {
	switch k := s.Kind(); {
	case s.err != nil:
		return false
	case k == 0:
		s.err = ErrTruncated
		return false
	case k != open:
		s.fail(expected)
		return false
	}
	s.pos++
	s.first, s.nested = true, true
	return true
}

// Key moves to the next member of the current object and returns its key, with
// escapes decoded; the caller then reads the value with Skip, Value, Object or
// Array. It returns false at the closing brace, which it consumes.
func (s *Scanner) Key() ([]byte, bool) {
	if !s.next('}', "a member or '}'") {
		return nil, false
	}
	if s.data[s.pos] != '"' {
		s.fail("a quoted key")
		return nil, false
	}
	start := s.pos
	end := skipString(s.data, start)
	if end < 0 {
		s.err = ErrTruncated
		return nil, false
	}
	s.keyAt = start + 1
	s.pos = skipSpace(s.data, end)
	if s.pos >= len(s.data) {
		s.err = ErrTruncated
		return nil, false
	}
	if s.data[s.pos] != ':' {
		s.fail("':' after a key")
		return nil, false
	}
	s.pos++
	key := s.data[start+1 : end-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		text, _ := Unquote(s.data[start:end])
		key = []byte(text)
		s.keyAt = -1
	}
	return key, true
}

// KeyOffset is the position of the key that [Scanner.Key] returned last, behind
// its quote; -1 where the key has escapes and does not stand there as returned.
func (s *Scanner) KeyOffset() int { return s.keyAt }

// Element moves to the next element of the current array. It returns false at
// the closing bracket, which it consumes.
func (s *Scanner) Element() bool { return s.next(']', "an element or ']'") }

func (s *Scanner) next(closing byte, expected string) bool {
	if s.err != nil {
		return false
	}
	comma := s.first
	for {
		s.pos = skipSpace(s.data, s.pos)
		if s.pos >= len(s.data) {
			s.err = ErrTruncated
			return false
		}
		c := s.data[s.pos]
		if c == closing {
			s.pos++
			s.first = false
			return false
		}
		if c == ',' && !comma {
			comma = true
			s.pos++
			continue
		}
		if !comma || c == ',' || c == '}' || c == ']' || c == ':' {
			s.fail(expected)
			return false
		}
		s.first = false
		return true
	}
}

// Skip passes over the next value.
func (s *Scanner) Skip() bool {
	if s.err != nil {
		return false
	}
	s.pos = skipSpace(s.data, s.pos)
	if s.hops && s.pos < len(s.data) && !isScalar(s.data[s.pos]) && s.data[s.pos] != '"' {
		if end, ok := hopNested(s.data, s.pos); ok {
			s.pos, s.first = end, false
			return true
		}
	}
	end, err := skipValue(s.data, s.pos)
	if err != nil {
		s.err = err
		return false
	}
	if s.nested && end == len(s.data) && isScalar(s.data[s.pos]) {
		s.err = ErrTruncated // it may be half a number
		return false
	}
	s.pos = end
	s.first = false
	return true
}

// Value passes over the next value and returns its text, without copying.
func (s *Scanner) Value() ([]byte, bool) {
	s.pos = skipSpace(s.data, s.pos)
	start := s.pos
	if !s.Skip() {
		return nil, false
	}
	return s.data[start:s.pos], true
}

// Text reads the next value as a string. A value of another kind is passed over
// and gives "".
func (s *Scanner) Text() string {
	raw, _ := s.Value()
	text, _ := Unquote(raw)
	return text
}

func (s *Scanner) fail(expected string) {
	s.err = &SyntaxError{Offset: s.pos, Expected: expected, Found: s.data[s.pos]}
}

// End returns the offset behind the value that starts at or after pos.
func End(data []byte, pos int) (int, error) {
	return skipValue(data, skipSpace(data, pos))
}

// Truncated reports whether err says that the text ended too early.
func Truncated(err error) bool { return errors.Is(err, ErrTruncated) }
