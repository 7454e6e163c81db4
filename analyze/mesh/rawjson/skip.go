package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

func skipSpace(d []byte, i int) int {
	for i < len(d) {
		switch d[i] {
		case ' ', '\t', '\r':
			i++
		case '\n':
			i = skipIndent(d, i+1)
		default:
			return i
		}
	}
	return i
}

const eightSpaces = 0x2020202020202020

// skipIndent passes over a run of spaces: a third of a pretty-printed dump is
// indentation.
func skipIndent(d []byte, i int) int {
	for ; i+8 <= len(d); i += 8 {
		if other := binary.LittleEndian.Uint64(d[i:]) ^ eightSpaces; other != 0 {
			return i + bits.TrailingZeros64(other)/8
		}
	}
	for i < len(d) && d[i] == ' ' {
		i++
	}
	return i
}

// skipString returns the offset behind the string that opens at i, or -1 if it
// is not closed.
func skipString(d []byte, i int) int {
	for from := i + 1; ; {
		n := bytes.IndexByte(d[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		if d[end-1] != '\\' || !escaped(d, i+1, end) {
			return end + 1
		}
		from = end + 1
	}
}

// escaped reports whether an odd number of backslashes stands before end.
func escaped(d []byte, start, end int) bool {
	n := 0
	for k := end - 1; k >= start && d[k] == '\\'; k-- {
		n++
	}
	return n%2 == 1
}

func skipValue(d []byte, i int) (int, error) {
	if i >= len(d) {
		return 0, ErrTruncated
	}
	switch c := d[i]; {
	case c == '"':
		if end := skipString(d, i); end >= 0 {
			return end, nil
		}
		return 0, ErrTruncated
	case c == '{' || c == '[':
		return skipNested(d, i)
	case c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == 'N' || c == 'I':
		return skipScalar(d, i)
	default:
		return 0, &SyntaxError{Offset: i, Expected: "a value", Found: c}
	}
}

func isScalar(c byte) bool { return c != '"' && c != '{' && c != '[' }

func skipScalar(d []byte, i int) (int, error) {
	for ; i < len(d); i++ {
		switch c := d[i]; {
		case c == ',' || c == '}' || c == ']' || c <= ' ':
			return i, nil
		case c == '"' || c == '{' || c == '[' || c == ':':
			return 0, &SyntaxError{Offset: i, Expected: "',' or the end of the object", Found: c}
		}
	}
	return i, nil
}

// skipNested matches brackets up to the one that closes the value at i.
func skipNested(d []byte, i int) (int, error) {
	depth := 0
	for i < len(d) {
		switch d[i] {
		case '"':
			end := skipString(d, i)
			if end < 0 {
				return 0, ErrTruncated
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1, nil
			}
		case '\n':
			i = skipIndent(d, i+1)
			continue
		}
		i++
	}
	return 0, ErrTruncated
}

// keyLine bounds the length of a line that opens a nested value: its indentation
// and a key.
const keyLine = 512

// hopNested passes over the nested value at i by its indentation: it ends with
// the first line that has the closing bracket where the opening line has its
// first character. It reports false where the text is not set that way.
func hopNested(d []byte, i int) (end int, ok bool) {
	if i+1 >= len(d) || d[i+1] != '\n' {
		return 0, false
	}
	from := max(0, i-keyLine)
	start := bytes.LastIndexByte(d[from:i], '\n')
	if start < 0 {
		return 0, false
	}
	start += from + 1
	first := skipIndent(d, start)
	if d[first] != '"' && first != i {
		return 0, false
	}
	indent, closing := d[start:first], d[i]+2 // ']' and '}' stand two behind '[' and '{'
	for at := i + 1; ; {
		n := bytes.IndexByte(d[at:], closing)
		if n < 0 {
			return 0, false
		}
		at += n + 1
		line := at - 1 - len(indent)
		if line > i+1 && d[line-1] == '\n' && bytes.Equal(d[line:at-1], indent) {
			return at, true
		}
	}
}
