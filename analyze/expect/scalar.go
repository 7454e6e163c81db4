package expect

import (
	"strconv"

	"gopkg.in/yaml.v3"
)

// scalar returns the node of a single value, be it text, a number or a boolean.
func (r *reader) scalar(n *yaml.Node, what string) (*yaml.Node, error) {
	node, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return nil, r.fail(n, "expected %s to be a single value", what)
	}
	return node, nil
}

// text reads a value into at. Numbers and booleans are taken as they are written:
// a header's value may be 1.
func (r *reader) text(at *string, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		node, err := r.scalar(n, what)
		if err != nil {
			return err
		}
		*at = node.Value
		return nil
	}
}

// optionalText is text for a value that may be absent; null is absent.
func (r *reader) optionalText(at **string, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if isNull(n) {
			return nil
		}
		*at = new(string)
		return r.text(*at, what)(n)
	}
}

func (r *reader) flag(at *bool, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		node, err := r.scalar(n, what)
		if err != nil {
			return err
		}
		value, err := strconv.ParseBool(node.Value)
		if err != nil || node.Tag != "!!bool" {
			return r.fail(n, "expected %s to be true or false, got %q", what, node.Value)
		}
		*at = value
		return nil
	}
}

// optionalInt reads a whole number that is not negative.
func (r *reader) optionalInt(at **int, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if isNull(n) {
			return nil
		}
		var value uint64
		if err := r.unsigned(&value, what)(n); err != nil {
			return err
		}
		if value > 1<<31-1 {
			return r.fail(n, "expected %s to be below 2147483648, got %d", what, value)
		}
		number := int(value)
		*at = &number
		return nil
	}
}

// unsigned reads a whole number, or one in quotes, as JSON writes 64 bits.
func (r *reader) unsigned(at *uint64, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		node, err := r.scalar(n, what)
		if err != nil {
			return err
		}
		value, err := strconv.ParseUint(node.Value, 10, 64)
		if err != nil {
			return r.fail(n, "expected %s to be a whole number from 0, got %q", what, node.Value)
		}
		*at = value
		return nil
	}
}

// texts reads a list of values.
func (r *reader) texts(at *[]string, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		return r.list(n, what, func(element *yaml.Node) error {
			var value string
			if err := r.text(&value, what)(element); err != nil {
				return err
			}
			*at = append(*at, value)
			return nil
		})
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// plain returns a node as the value that encoding/json would have made of it.
func (r *reader) plain(n *yaml.Node, depth int) (any, error) {
	if depth == 0 {
		return nil, r.fail(n, "expected at most %d values in each other", maxDepth)
	}
	node, err := r.resolve(n)
	if err != nil {
		return nil, err
	}
	switch node.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		return out, r.members(n, "the value", func(key, value *yaml.Node) (err error) {
			out[key.Value], err = r.plain(value, depth-1)
			return err
		})
	case yaml.SequenceNode:
		out := []any{}
		return out, r.list(n, "the value", func(element *yaml.Node) error {
			value, err := r.plain(element, depth-1)
			out = append(out, value)
			return err
		})
	}
	return r.plainScalar(node), nil
}

func (r *reader) plainScalar(node *yaml.Node) any {
	switch node.Tag {
	case "!!null":
		return nil
	case "!!bool":
		if value, err := strconv.ParseBool(node.Value); err == nil {
			return value
		}
	case "!!int", "!!float":
		if value, err := strconv.ParseFloat(node.Value, 64); err == nil {
			return value
		}
	}
	return node.Value
}
