package loader

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// readJSON reads documents that follow each other.
func (r *objectReader) readJSON(raw []byte) {
	at := lineCounter{raw: raw, line: 1}
	for start := 0; len(bytes.TrimSpace(raw[start:])) > 0; {
		s := rawjson.New(raw, start)
		switch s.Kind() {
		case '[':
			r.unmarshalAll(readElements(s, &at), typeMeta{})
		case '{':
			r.readDocument(s, raw, &at)
		default:
			r.fail(at.lineOf(start), errNoObject)
			return
		}
		if s.Err() != nil {
			r.fail(at.lineOf(s.Offset()), s.Err())
			return
		}
		start = s.Offset()
	}
}

// jsonItem is an element of an array, not yet decoded.
type jsonItem struct {
	raw  []byte
	line int
}

// readDocument reads one JSON object, or the items of a List one by one. The kind
// stands behind the items; where it is cut off, items tell a List.
func (r *objectReader) readDocument(s *rawjson.Scanner, raw []byte, at *lineCounter) {
	start := s.Offset()
	line := at.lineOf(start)
	var items []jsonItem
	var list typeMeta
	for s.Object(); ; {
		key, ok := s.Key()
		if !ok {
			break
		}
		switch {
		case string(key) == "items" && s.Kind() == '[':
			items = readElements(s, at)
		case string(key) == "apiVersion":
			list.apiVersion = s.Text()
		case string(key) == "kind":
			list.kind = s.Text()
		default:
			s.Skip()
		}
	}
	if items != nil && (list.kind == "" || strings.HasSuffix(list.kind, "List")) {
		r.unmarshalAll(items, list)
		return
	}
	if s.Err() == nil {
		r.unmarshal(raw[start:s.Offset()], line, typeMeta{})
	}
}

// readElements returns the elements of the array that comes next, up to damage.
func readElements(s *rawjson.Scanner, at *lineCounter) []jsonItem {
	items := []jsonItem{}
	for s.Array(); s.Element(); {
		line := at.lineOf(s.Offset())
		value, ok := s.Value()
		if !ok {
			break
		}
		items = append(items, jsonItem{value, line})
	}
	return items
}

func (r *objectReader) unmarshalAll(items []jsonItem, list typeMeta) {
	for _, item := range items {
		r.unmarshal(item.raw, item.line, list)
	}
}

func (r *objectReader) unmarshal(raw []byte, line int, list typeMeta) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		r.fail(line, err)
		return
	}
	r.add(value, line, list)
}

// lineCounter counts the lines up to offsets that only grow.
type lineCounter struct {
	raw          []byte
	offset, line int
}

func (c *lineCounter) lineOf(offset int) int {
	if offset > c.offset {
		c.line += bytes.Count(c.raw[c.offset:offset], []byte("\n"))
		c.offset = offset
	}
	return c.line
}
