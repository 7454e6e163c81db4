package loader

import (
	"bytes"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// source returns the place at offset. Offsets must not go back by more than one
// element, or its line is counted from the start.
func (x *index) source(offset int, base string, i int, tail string) mesh.Source {
	if offset < x.lineAt {
		x.line, x.lineAt = 1, 0
	}
	x.line += bytes.Count(x.buf[x.lineAt:offset], []byte{'\n'})
	x.lineAt = offset
	return mesh.NewSource(x.file, x.line, offset, base, i, tail)
}

// text reads the next value as a string that is likely to recur.
func (x *index) text() string {
	raw, _ := x.scan.Value()
	if text, ok := x.texts[string(raw)]; ok {
		return text
	}
	text, _ := rawjson.Unquote(raw)
	if len(x.texts) < textsHeld {
		x.texts[string(raw)] = text
	}
	return text
}

// step is "/" and the key, for a JSON pointer.
func (x *index) step(key []byte) string {
	if text, ok := x.texts[string(key)]; ok {
		return text
	}
	text := "/" + string(key)
	if len(x.texts) < textsHeld {
		x.texts[string(key)] = text
	}
	return text
}

// timestamp reads last_updated; a text that is none gives the zero time.
func (x *index) timestamp() time.Time {
	raw, _ := x.scan.Value()
	var t time.Time
	if len(raw) < 2 || t.UnmarshalText(raw[1:len(raw)-1]) != nil {
		return time.Time{}
	}
	if t.After(x.newest) {
		x.newest = t
	}
	return t
}
