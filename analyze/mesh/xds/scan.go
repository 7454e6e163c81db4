package xds

import (
	"bytes"
	"fmt"
)

// scanned is what one pass over the bytes of a resource found.
type scanned struct {
	body    []byte   // raw without its own "@type", unknown types wrapped in TypedStructs
	space   []byte   // body where it is not raw
	packed  [][]byte // the Anys, as in raw, that body has placeholders for
	typeURL string   // the "@type" of raw itself; empty if it has none or does not begin with it
	legacy  bool     // something that v3 defines too but Envoy wrote differently in v2
}

// scanner walks JSON byte by byte: many times faster than decoding it, which is the point.
type scanner struct {
	scanned
	raw   []byte
	out   []byte
	last  int // raw[:last] is in out
	depth int

	verbatim int  // depth of the object or list that is kept as it is; 0 outside of one
	wrapped  bool // it needs the closing brace of its TypedStruct

	packs     bool // outermost Anys become placeholders
	packDepth int  // depth of the Any that does; 0 outside of one
	packStart int  // where it starts in raw
}

// scan fails on nesting beyond maxDepth only; malformed JSON is left to the decoders.
func scan(raw []byte, packs bool) (scanned, error) { return scanInto(nil, raw, packs) }

// scanInto is scan with the space for a body that differs from raw.
func scanInto(space, raw []byte, packs bool) (scanned, error) {
	s := scanner{raw: raw, out: space[:0], packs: packs}
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '"':
			i = s.text(i)
		case '{', '[':
			if s.depth++; s.depth > maxDepth {
				return scanned{}, fmt.Errorf("expected at most %d levels of nesting, got more at byte %d", maxDepth, i)
			}
			i++
		case '}', ']':
			s.close(i)
			i++
		default:
			i++
		}
	}
	s.body = raw
	if s.last > 0 {
		s.body = append(s.out, raw[s.last:]...)
		s.space = s.body
	}
	return s.scanned, nil
}

// text handles the string that starts at i and returns the offset behind it.
func (s *scanner) text(i int) int {
	word, next := quoted(s.raw, i)
	if s.verbatim != 0 {
		return next
	}
	switch {
	case string(word) == "@type":
		return s.typeMember(i, next)
	case string(word) == "extensions":
		s.extensions(next)
	case isLegacyWord(word):
		s.legacy = true
	}
	return next
}

// extensions leaves the list of that name alone: a node lists there all names its Envoy knows, the legacy ones too.
func (s *scanner) extensions(i int) {
	colon := skipSpace(s.raw, i)
	if colon == len(s.raw) || s.raw[colon] != ':' {
		return
	}
	if start := skipSpace(s.raw, colon+1); start < len(s.raw) && s.raw[start] == '[' {
		s.verbatim = s.depth + 1
	}
}

// typeMember handles the "@type" that starts at i and whose text ends before next.
func (s *scanner) typeMember(i, next int) int {
	colon := skipSpace(s.raw, next)
	if colon == len(s.raw) || s.raw[colon] != ':' {
		return next
	}
	value := skipSpace(s.raw, colon+1)
	if value == len(s.raw) || s.raw[value] != '"' {
		return next
	}
	url, end := quoted(s.raw, value)
	start := before(s.raw, i)
	if start < 0 || s.raw[start] != '{' || bytes.IndexByte(url, '\\') >= 0 || string(url) == placeholderURL {
		s.legacy = true // a place or spelling only the tree can handle
		return end
	}
	rest := skipSpace(s.raw, end)
	if rest < len(s.raw) && s.raw[rest] == ',' {
		rest++
	}
	if s.depth == 1 {
		s.typeURL = string(url)
		s.replace(i, rest, "")
		return rest
	}
	name := typeName(string(url))
	kind := classOf(name)
	if s.packs && s.packDepth == 0 && kind != superseded && !hasCustomJSON(name) {
		s.packDepth, s.packStart = s.depth, start
	}
	switch kind {
	case superseded:
		s.legacy = true
	case structured:
		s.verbatim = s.depth
	case unknown:
		if s.packDepth > 0 {
			s.verbatim = s.depth // it is wrapped when the Any is decoded, itself or the one around it
			break
		}
		s.replace(i, rest, `"@type":"`+typedStructURL+`","typeUrl":"`+string(url)+`","value":{`)
		s.verbatim, s.wrapped = s.depth, true
	}
	return rest
}

func (s *scanner) close(i int) {
	if s.verbatim == s.depth {
		if s.wrapped {
			s.replace(i, i, "}")
		}
		s.verbatim, s.wrapped = 0, false
	}
	if s.packDepth == s.depth && s.packDepth > 0 {
		s.replace(s.packStart, i+1, placeholder(len(s.packed)))
		s.packed = append(s.packed, s.raw[s.packStart:i+1])
		s.packDepth = 0
	}
	s.depth--
}

// replace puts text in the place of raw[from:to].
func (s *scanner) replace(from, to int, text string) {
	s.out = append(s.out, s.raw[s.last:from]...)
	s.out = append(s.out, text...)
	s.last = to
}

// quoted returns the text, escapes as written, of the string that starts at i, and the offset behind it.
func quoted(raw []byte, i int) (text []byte, end int) {
	for j := i + 1; j < len(raw); j++ {
		switch raw[j] {
		case '\\':
			j++
		case '"':
			return raw[i+1 : j], j + 1
		}
	}
	return nil, len(raw)
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// before returns the offset of the last byte ahead of i that is no blank, or -1.
func before(raw []byte, i int) int {
	return len(bytes.TrimRight(raw[:i], " \n\t\r")) - 1
}
