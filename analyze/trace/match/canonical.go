package match

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// canonicalPath normalises a :path as Envoy's normalize_path does, which is what
// Chromium does to the path of a URL: segments of dots are resolved, also in
// percent-encoding, backslashes become slashes, unreserved characters are
// unescaped, and those that a path cannot have are escaped. The query stays. It
// reports false for a path that cannot be normalised, one with a NUL or with
// bytes that are not UTF-8.
func canonicalPath(path string) (string, bool) {
	path, query := cutQuery(path)
	path = withoutDotParameters(path)
	c := canonicalizer{in: path, out: make([]byte, 0, len(path)+1), percent: -3}
	if path == "" || !isSlash(path[0]) {
		c.out = append(c.out, '/')
	}
	for i := 0; i < len(c.in); {
		size, ok := c.next(i)
		if !ok {
			return "", false
		}
		i += size
	}
	return string(c.out) + query, true
}

// withoutDotParameters removes what follows the semicolon in segments such as "..;x",
// which servers behind Envoy take for "..".
func withoutDotParameters(path string) string {
	if !strings.Contains(path, "/.;") && !strings.Contains(path, "/..;") {
		return path
	}
	var out strings.Builder
	for segment := range strings.SplitAfterSeq(path, "/") {
		dots, rest, ok := strings.Cut(segment, ";")
		if ok && (dots == "." || dots == "..") && out.Len() > 0 {
			segment = dots
			if strings.HasSuffix(rest, "/") {
				segment += "/"
			}
		}
		out.WriteString(segment)
	}
	return out.String()
}

type canonicalizer struct {
	in  string
	out []byte
	// percent is where in out the last percent sign stands that escapes nothing.
	percent int
}

// next carries over what stands at i and returns how much of the input that is.
func (c *canonicalizer) next(i int) (size int, ok bool) {
	b := c.in[i]
	if dot := dotAt(c.in[i:]); dot > 0 {
		return c.dot(i, dot), true
	}
	switch {
	case b >= utf8.RuneSelf:
		return c.rune(i)
	case b == '\\':
		c.out = append(c.out, '/')
	case b == '%':
		return c.escaped(i)
	case b == 0:
		return 0, false
	case needsEscape(b):
		c.escape(b)
	default:
		c.out = append(c.out, b)
	}
	return 1, true
}

func (c *canonicalizer) rune(i int) (size int, ok bool) {
	r, size := utf8.DecodeRuneInString(c.in[i:])
	if r == utf8.RuneError && size <= 1 {
		return 0, false
	}
	for _, b := range []byte(c.in[i : i+size]) {
		c.escape(b)
	}
	return size, true
}

func (c *canonicalizer) escape(b byte) {
	const hex = "0123456789ABCDEF"
	c.out = append(c.out, '%', hex[b>>4], hex[b&0xf])
}

// escaped carries over a percent sign with what it escapes. One that escapes
// nothing stays as it is, and so does the case of the digits.
func (c *canonicalizer) escaped(i int) (size int, ok bool) {
	b, valid := unhex(c.in[i:])
	switch {
	case !valid:
		c.percent = len(c.out)
		c.out = append(c.out, '%')
		return 1, true
	case b == 0:
		return 0, false
	case isUnreserved(b):
		c.out = append(c.out, b)
		c.keepLiteral(i + 3)
	default:
		c.out = append(c.out, c.in[i:i+3]...)
	}
	return 3, true
}

// keepLiteral escapes a percent sign that escaped nothing and would do so now, by
// the character that was just unescaped: "%4%41" is no "%4A". Input goes on at next.
func (c *canonicalizer) keepLiteral(next int) {
	behind := len(c.out) - c.percent
	var sequence [3]byte
	switch {
	case behind == 3:
		sequence = [3]byte(c.out[c.percent:])
	case behind == 2 && next < len(c.in):
		sequence = [3]byte{c.out[c.percent], c.out[c.percent+1], c.in[next]}
	default:
		return
	}
	if _, escapes := unhex(string(sequence[:])); escapes {
		c.out = slices.Insert(c.out, c.percent+1, '2', '5')
	}
}

// dot resolves a dot of size bytes at i, which means something at the start of a
// segment only.
func (c *canonicalizer) dot(i, size int) int {
	after := i + size
	if len(c.out) == 0 || c.out[len(c.out)-1] != '/' {
		c.out = append(c.out, '.')
		return size
	}
	if end, ok := c.segmentEnd(after); ok {
		return end - i
	}
	second := dotAt(c.in[after:])
	if end, ok := c.segmentEnd(after + second); ok && second > 0 {
		c.up()
		return end - i
	}
	c.out = append(c.out, '.')
	return size
}

// segmentEnd returns where the next segment starts if one ends at i.
func (c *canonicalizer) segmentEnd(i int) (next int, ok bool) {
	switch {
	case i == len(c.in):
		return i, true
	case isSlash(c.in[i]):
		return i + 1, true
	}
	return 0, false
}

// up removes the last segment of what was written, which ends with a slash.
func (c *canonicalizer) up() {
	i := len(c.out) - 1
	for i > 0 {
		i--
		if c.out[i] == '/' {
			break
		}
	}
	c.out = c.out[:i+1]
}

// dotAt is the length of the dot, plain or percent-encoded, that a string starts
// with, or 0.
func dotAt(s string) int {
	if strings.HasPrefix(s, ".") {
		return 1
	}
	if b, ok := unhex(s); ok && b == '.' {
		return 3
	}
	return 0
}

// unhex decodes the percent-encoded byte that a string starts with.
func unhex(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok1 := hexDigit(s[1])
	low, ok2 := hexDigit(s[2])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(b byte) (byte, bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

func isSlash(b byte) bool { return b == '/' || b == '\\' }

// isUnreserved reports whether RFC 3986 has a byte need no escape anywhere.
func isUnreserved(b byte) bool {
	return isAlphanumeric(rune(b)) || b == '-' || b == '.' || b == '_' || b == '~'
}

// needsEscape reports whether a byte of ASCII must not stand in a path as it is.
func needsEscape(b byte) bool {
	switch b {
	case '"', '#', '<', '>', '?', '^', '`', '{', '|', '}':
		return true
	}
	return b <= ' ' || b == 0x7f
}
