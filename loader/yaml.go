package loader

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// yamlToJSON turns the first document of a YAML text, which must be a mapping
// or a sequence, into JSON with sorted keys.
func yamlToJSON(raw []byte) ([]byte, error) {
	value, err := newYAMLReader(raw).decode(raw)
	if err != nil {
		return nil, err
	}
	switch value.(type) {
	case map[string]any, []any:
	default:
		return nil, errors.New("expected a mapping or a sequence at the top")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

const (
	maxYAMLDepth = 200
	// aliasBudget is how many nodes aliases may add to a text.
	aliasBudget = 100_000
)

// yamlReader decodes YAML into the types of encoding/json: dates stay text, and an
// integer that float64 cannot hold becomes its digits. Aliases let a small text
// describe a huge value, or one that holds itself: depth and number are bounded.
type yamlReader struct{ budget int }

// newYAMLReader returns a reader of text or of parts of it. Without aliases no
// text has more nodes than bytes.
func newYAMLReader(text []byte) *yamlReader { return &yamlReader{budget: len(text) + aliasBudget} }

// decode decodes the first document of raw; an empty one is nil.
func (r *yamlReader) decode(raw []byte) (any, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return r.value(document.Content[0], 0)
}

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if depth > maxYAMLDepth {
		return nil, fmt.Errorf("line %d: nested deeper than %d levels", n.Line, maxYAMLDepth)
	}
	if r.budget--; r.budget < 0 {
		return nil, fmt.Errorf("line %d: its aliases stand for too much", n.Line)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, element := range n.Content {
			v, err := r.value(element, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	return scalar(n), nil
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (any, error) {
	fields := make(map[string]any, len(n.Content)/2)
	var merged []any
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: expected a text as the key of a mapping", key.Line)
		}
		v, err := r.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		if key.Value == "<<" && key.Style == 0 {
			merged = append(merged, v)
			continue
		}
		fields[key.Value] = v
	}
	for _, v := range merged {
		mergeKeys(fields, v)
	}
	return fields, nil
}

// mergeKeys adds what a "<<" key refers to, one mapping or a list of them. A key
// that is there already wins.
func mergeKeys(fields map[string]any, merged any) {
	switch from := merged.(type) {
	case map[string]any:
		for key, v := range from {
			if _, ok := fields[key]; !ok {
				fields[key] = v
			}
		}
	case []any:
		for _, v := range from {
			if m, ok := v.(map[string]any); ok {
				mergeKeys(fields, m)
			}
		}
	}
}

func scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		if v, err := strconv.ParseBool(strings.ToLower(n.Value)); err == nil {
			return v
		}
	case "!!int":
		return integer(n.Value)
	case "!!float":
		v, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
		if err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v
		}
	}
	return n.Value
}

// maxExact is the largest integer up to which float64 holds every one.
const maxExact = 1 << 53

func integer(text string) any {
	v, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
	if err != nil || v > maxExact || v < -maxExact {
		return text
	}
	return float64(v)
}
