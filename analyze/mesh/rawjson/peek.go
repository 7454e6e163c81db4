package rawjson

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Unquote decodes a JSON string. It reports false for anything else. Invalid
// UTF-8 becomes U+FFFD.
func Unquote(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner), true
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return string(bytes.ToValidUTF8(raw[1:len(raw)-1], []byte("\uFFFD"))), true
	}
	return text, true
}

// Is reports whether key spells the proto field name, given in snake_case, as
// Envoy does (snake_case) or as istiod and istioctl do (camelCase).
func Is(key []byte, name string) bool {
	if string(key) == name {
		return true
	}
	k := 0
	for n := 0; n < len(name); n++ {
		c := name[n]
		if c == '_' && n+1 < len(name) {
			n++
			c = name[n]
			if c >= 'a' && c <= 'z' {
				c -= 'a' - 'A'
			}
		}
		if k >= len(key) || key[k] != c {
			return false
		}
		k++
	}
	return k == len(key)
}

// Get returns the text of the value at path within raw, each step the
// snake_case name of a proto field (camelCase spellings are found too) or the
// key of a map. It returns nil where a step is missing or is no object. Of
// duplicate keys the last one counts, as in JSON decoders.
func Get(raw []byte, path ...string) []byte {
	for _, name := range path {
		raw = member(raw, name)
		if raw == nil {
			return nil
		}
	}
	return raw
}

// GetText is [Get] for a string; "" where there is none.
func GetText(raw []byte, path ...string) string {
	text, _ := Unquote(Get(raw, path...))
	return text
}

func member(raw []byte, name string) []byte {
	s := New(raw, 0)
	if s.Kind() != '{' || !s.Object() {
		return nil
	}
	var found []byte
	for {
		key, ok := s.Key()
		if !ok {
			return found
		}
		value, ok := s.Value()
		if !ok {
			return found
		}
		if Is(key, name) {
			found = value
		}
	}
}

// Elements returns the texts of the elements of the array raw; nil if raw is no
// array. What stands before a cut is returned.
func Elements(raw []byte) [][]byte {
	s := New(raw, 0)
	if s.Kind() != '[' || !s.Array() {
		return nil
	}
	var out [][]byte
	for s.Element() {
		value, ok := s.Value()
		if !ok {
			break
		}
		out = append(out, value)
	}
	return out
}

// StripTrailingCommas returns raw without the commas that stand before a closing
// bracket, which templates leave in bootstraps. It returns raw itself where there
// are none.
func StripTrailingCommas(raw []byte) []byte {
	var out []byte
	kept := 0
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			if i = skipString(raw, i); i < 0 {
				return append(out, raw[kept:]...)
			}
			continue
		case ',':
			next := skipSpace(raw, i+1)
			if next < len(raw) && (raw[next] == '}' || raw[next] == ']') {
				out = append(out, raw[kept:i]...)
				kept = i + 1
			}
		}
		i++
	}
	if out == nil {
		return raw
	}
	return append(out, raw[kept:]...)
}

// Salvage closes a text that is cut off, behind the last complete element of its
// outermost open array or, where no array is open, the last complete member of
// its outermost object. An element that was being written is dropped as a whole:
// half of it might say what was never meant. n counts the elements that were
// kept. It returns nil where nothing is complete.
func Salvage(raw []byte) (saved []byte, n int) {
	var closers []byte // of the objects around the outermost array
	s := New(raw, 0)
	for {
		switch s.Kind() {
		case '[':
			end, n := lastElement(s)
			return closed(raw, end, append([]byte{']'}, closers...), n)
		case '{':
			start := s.Offset()
			end, n, open := lastMember(s)
			closers = append([]byte{'}'}, closers...)
			if !open {
				return closed(raw, max(end, start+1), closers, n)
			}
		default:
			return nil, 0
		}
	}
}

func closed(raw []byte, end int, closers []byte, n int) ([]byte, int) {
	return append(raw[:end:end], closers...), n
}

// lastElement enters the array and returns the end of its last complete element.
func lastElement(s *Scanner) (end, n int) {
	s.Array()
	end = s.Offset()
	for s.Element() && s.Skip() {
		end = s.Offset()
		n++
	}
	return end, n
}

// lastMember enters the object and returns the end of its last complete member.
// Where the member that is cut off is an array or holds one, the scanner is left
// before it and open is true.
func lastMember(s *Scanner) (end, n int, open bool) {
	s.Object()
	end = s.Offset()
	for {
		if _, ok := s.Key(); !ok {
			return end, n, false
		}
		kind, start := s.Kind(), s.Offset()
		if s.Skip() {
			end = s.Offset()
			n++
			continue
		}
		if kind == '[' || kind == '{' && bytes.IndexByte(s.data[start:], '[') >= 0 {
			s.pos, s.err = start, nil
			return end, n, true
		}
		return end, n, false
	}
}
