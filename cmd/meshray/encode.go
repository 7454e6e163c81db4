package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// schemaVersion is the version of every JSON document that meshray defines. It rises when a field
// changes its meaning or goes away; new fields do not raise it.
const schemaVersion = 1

// document returns the JSON of v, an object, with "schemaVersion" as its first key.
func document(v any) (json.RawMessage, error) {
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	body, isObject := bytes.CutPrefix(raw, []byte("{"))
	if !isObject {
		return nil, fmt.Errorf("marking %T with a schema version: want a JSON object", v)
	}
	head := fmt.Sprintf(`{"schemaVersion":%d`, schemaVersion)
	if !bytes.HasPrefix(body, []byte("}")) {
		head += ","
	}
	return append([]byte(head), body...), nil
}

// writeJSON writes v with two spaces of indentation. Keys stand in the order of the Go fields, or
// of the raw JSON; maps are sorted.
func writeJSON(w io.Writer, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err = w.Write(escapeInvisible(indented.Bytes(), jsonEscape))
	return err
}

// marshal leaves <, > and & as they are: the output is for people and programs, not for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// writeYAML writes the JSON form of v as YAML, with its keys in the same order.
func writeYAML(w io.Writer, v any) error {
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	node, err := yamlNode(decoder, 0)
	if err != nil {
		return err
	}
	var encoded bytes.Buffer
	encoder := yaml.NewEncoder(&encoded)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(node), encoder.Close()); err != nil {
		return err
	}
	_, err = w.Write(escapeInvisible(encoded.Bytes(), yamlEscape))
	return err
}

// escapeInvisible writes the runes that a terminal would obey or hide as escapes. In JSON they
// occur in strings only, in our YAML in double-quoted scalars only, so that nothing changes for
// programs.
func escapeInvisible(text []byte, escape func(rune) string) []byte {
	visible := func(r rune) bool { return r == '\n' || strconv.IsPrint(r) }
	if utf8.Valid(text) && bytes.IndexFunc(text, func(r rune) bool { return !visible(r) }) < 0 {
		return text
	}
	var b bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if visible(r) && !(r == utf8.RuneError && size == 1) {
			b.Write(text[:size])
		} else {
			b.WriteString(escape(r))
		}
		text = text[size:]
	}
	return b.Bytes()
}

func jsonEscape(r rune) string {
	if high, low := utf16.EncodeRune(r); r > 0xffff {
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

func yamlEscape(r rune) string {
	if r > 0xffff {
		return fmt.Sprintf(`\U%08x`, r)
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// yamlNode reads the next JSON value as YAML.
func yamlNode(decoder *json.Decoder, depth int) (*yaml.Node, error) {
	// Far deeper than any configuration; the YAML encoder is recursive and indents.
	const maxDepth = 500
	if depth > maxDepth {
		return nil, fmt.Errorf("writing YAML: the value is nested more than %d deep; use JSON", maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		return yamlCollection(decoder, token, depth)
	case string:
		return yamlString(token), nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case bool, json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}, nil
	}
	return nil, errors.New("writing YAML: want a JSON value")
}

func yamlCollection(decoder *json.Decoder, open json.Delim, depth int) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if open == '{' {
		node.Kind = yaml.MappingNode
	}
	// A JSON decoder hands out keys as strings, one before each value.
	for decoder.More() {
		child, err := yamlNode(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	_, err := decoder.Token()
	return node, err
}

func yamlString(text string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if mustQuote(text) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// mustQuote finds strings that a YAML 1.1 reader takes for something else (booleans, numbers to
// base 60), and those that a block or plain scalar does not carry unchanged.
func mustQuote(text string) bool {
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "", "<<", "=":
		return true
	}
	if strings.Contains(text, "\n") {
		line := strings.TrimSuffix(text, "\n")
		return !printable(strings.ReplaceAll(line, "\n", "")) || line == "" || strings.TrimSpace(line) != line
	}
	return !printable(text) || looksBase60(text)
}

// looksBase60 reports digits joined by colons, such as 12:30.
func looksBase60(text string) bool {
	return strings.Contains(text, ":") && strings.Trim(text, "+-0123456789_:.") == ""
}
