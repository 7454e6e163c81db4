package expect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// jsonNodes reads JSON into nodes with their lines.
func jsonNodes(data []byte, file string) (*yaml.Node, error) {
	b := &jsonBuilder{decoder: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
	b.decoder.UseNumber()
	root, err := b.value(maxDepth)
	if err != nil {
		return nil, &FileError{File: file, Line: b.here(), Err: err}
	}
	if _, err := b.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, &FileError{File: file, Line: b.here(), Err: errors.New("expected one JSON value")}
	}
	return root, nil
}

type jsonBuilder struct {
	decoder *json.Decoder
	data    []byte
	line    int // of the byte at counted
	counted int
}

func (b *jsonBuilder) value(depth int) (*yaml.Node, error) {
	if depth == 0 {
		return nil, fmt.Errorf("expected at most %d values in each other", maxDepth)
	}
	token, err := b.decoder.Token()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: b.here()}
	switch t := token.(type) {
	case json.Delim:
		return b.collection(node, t, depth)
	case string:
		node.Tag, node.Value, node.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		node.Tag, node.Value = "!!int", t.String()
		if strings.ContainsAny(node.Value, ".eE") {
			node.Tag = "!!float"
		}
	case bool:
		node.Tag, node.Value = "!!bool", fmt.Sprint(t)
	default:
		node.Tag, node.Value = "!!null", "null"
	}
	return node, nil
}

func (b *jsonBuilder) collection(node *yaml.Node, open json.Delim, depth int) (*yaml.Node, error) {
	node.Kind, node.Tag, node.Style = yaml.SequenceNode, "!!seq", yaml.FlowStyle
	if open == '{' {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	for b.decoder.More() {
		child, err := b.value(depth - 1) // keys too: tokens of an object come in pairs
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	_, err := b.decoder.Token()
	return node, err
}

// here is the line of the end of the last token.
func (b *jsonBuilder) here() int {
	offset := int(b.decoder.InputOffset())
	b.line += bytes.Count(b.data[b.counted:offset], []byte("\n"))
	b.counted = offset
	return b.line
}
