package loader

import (
	"bytes"
	"errors"
	"strings"
)

// yamlBlock is a part of a YAML text: a document, or one item of a list.
type yamlBlock struct {
	raw []byte
	// line is the number of its first line, counted from 1.
	line int
}

// readYAML reads documents that "---" separates. The items of a List are decoded
// one by one, so that a damaged one takes no other with it.
func (r *objectReader) readYAML(raw []byte) {
	reader := newYAMLReader(raw)
	for _, document := range splitDocuments(raw) {
		list, items, ok := splitList(document)
		if !ok {
			r.decode(reader, document, typeMeta{})
			continue
		}
		if list.kind == "" {
			// kubectl writes the kind behind the items: without it, the last item was
			// being written.
			last := len(items) - 1
			r.fail(items[last].line, errCutOff)
			items = items[:last]
		}
		for _, item := range items {
			r.decode(reader, item, list)
		}
	}
}

var errCutOff = errors.New("the list is cut off within this object")

// decode decodes a document, or an item of a list, which is a sequence of one.
func (r *objectReader) decode(reader *yamlReader, block yamlBlock, list typeMeta) {
	value, err := reader.decode(block.raw)
	if err != nil {
		r.fail(block.line, err)
		return
	}
	sequence, ok := value.([]any)
	if !ok {
		sequence = []any{value}
	}
	for _, object := range sequence {
		r.add(object, block.line, list)
		block.line = 0 // of others than the first it is not known
	}
}

// splitDocuments cuts raw at its "---" lines. A document begins at its first line
// that is neither blank nor a comment.
func splitDocuments(raw []byte) []yamlBlock {
	var documents []yamlBlock
	start, startLine, number, at := -1, 0, 0, 0
	flush := func() {
		if start >= 0 {
			documents = append(documents, yamlBlock{raw[start:at], startLine})
		}
		start = -1
	}
	for line := range bytes.Lines(raw) {
		number++
		switch text := bytes.TrimSpace(line); {
		case bytes.HasPrefix(line, []byte("---")) && (len(text) == 3 || text[3] == ' '):
			flush()
			if inline := bytes.TrimSpace(text[3:]); len(inline) > 0 && inline[0] != '#' {
				start, startLine = at, number
			}
		case start < 0 && len(text) > 0 && text[0] != '#' && text[0] != '%':
			start, startLine = at, number
		}
		at += len(line)
	}
	flush()
	return documents
}

// splitList cuts a List into its items. It reports false for any other document.
func splitList(document yamlBlock) (meta typeMeta, items []yamlBlock, ok bool) {
	s := listSplitter{document: document, column: -1, start: -1}
	offset, number := 0, document.line
	for line := range bytes.Lines(document.raw) {
		if !s.read(bytes.TrimRight(line, " \t\r\n"), offset, number) {
			return typeMeta{}, nil, false
		}
		offset += len(line)
		number++
	}
	s.endItem(offset)
	isList := s.meta.kind == "" || strings.HasSuffix(s.meta.kind, "List")
	return s.meta, s.items, isList && len(s.items) > 0
}

// listSplitter finds the items of a List by their indentation: each begins with
// "- " at the column of the first one.
type listSplitter struct {
	document yamlBlock
	meta     typeMeta
	items    []yamlBlock
	inItems  bool
	// column is where items begin; -1 before the first one.
	column int
	// start is the offset of the item that is being read; -1 outside of one.
	start, startLine int
}

// read takes in one line. It reports false where the document is no List as
// kubectl writes it.
func (s *listSplitter) read(line []byte, offset, number int) bool {
	content := bytes.TrimLeft(line, " ")
	if len(content) == 0 || content[0] == '#' {
		return true
	}
	indent := len(line) - len(content)
	isItem := content[0] == '-' && (len(content) == 1 || content[1] == ' ')
	if s.inItems && s.column < 0 && isItem {
		s.column = indent
	}
	switch {
	case s.inItems && isItem && indent == s.column:
		s.endItem(offset)
		s.start, s.startLine = offset, number
		return true
	case s.start >= 0 && indent > s.column:
		return true
	case isItem:
		return false
	}
	s.endItem(offset)
	if indent == 0 {
		s.inItems = string(line) == "items:"
		s.meta.read(string(line))
	}
	return true
}

func (s *listSplitter) endItem(offset int) {
	if s.start >= 0 {
		s.items = append(s.items, yamlBlock{s.document.raw[s.start:offset], s.startLine})
	}
	s.start = -1
}

// read takes in one of the top-level lines of a list.
func (m *typeMeta) read(line string) {
	key, value, _ := strings.Cut(line, ":")
	switch value = strings.Trim(strings.TrimSpace(value), `"'`); key {
	case "apiVersion":
		m.apiVersion = value
	case "kind":
		m.kind = value
	}
}
