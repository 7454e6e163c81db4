package expect

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Record makes what a configuration does today the expectation of a test: the
// values of the fields that it has, or, where it has none, the verdict and where
// the request goes. The test's Expect changes with it.
func (s *Suite) Record(test int, got Prediction) {
	t := &s.Tests[test]
	if !t.Expect.update(&got) {
		return
	}
	s.changed = true
	t.Expect.write(object(child(t.node, "expect")))
}

// Bytes is the file with what was recorded; comments and the order of fields stay.
// A file in which nothing changed is returned as it was read.
func (s *Suite) Bytes() ([]byte, error) {
	if !s.changed {
		return s.data, nil
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(s.document()); err != nil {
		return nil, fmt.Errorf("writing the tests: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("writing the tests: %w", err)
	}
	return s.restoreLayout(out.Bytes()), nil
}

// document is the root with the comments that stand apart from it, at both ends of
// the file.
func (s *Suite) document() *yaml.Node {
	var document yaml.Node
	if err := yaml.Unmarshal(s.data, &document); err != nil || len(document.Content) != 1 {
		return s.root // JSON with tabs, which has no comments
	}
	document.Content[0] = s.root
	return &document
}

// update makes the expectation that of a prediction and reports whether it was
// another one.
func (e *Expectation) update(got *Prediction) bool {
	if e.Empty() {
		e.fill(got)
		return true
	}
	changed := false
	for _, m := range e.members() {
		if want, given := m.want(); given && !m.equal(want, m.got(got)) {
			m.set(m.got(got))
			changed = true
		}
	}
	split := e.Cluster != nil && len(got.Weights) > 0 // one cluster became several
	if (e.Weights != nil || split) && !sameShares(e.Weights, got.shares()) {
		e.Weights = append([]Weight{}, ordered(got.shares())...) // empty: no cluster is expected
		changed = true
	}
	return changed
}

// Empty reports whether nothing is expected: a test that is still to be recorded.
func (e *Expectation) Empty() bool {
	for _, m := range e.members() {
		if _, given := m.want(); given {
			return false
		}
	}
	return e.Weights == nil
}

// fill sets the fields that say where the request goes.
func (e *Expectation) fill(got *Prediction) {
	for _, m := range e.members() {
		switch m.name {
		case "verdict":
			m.set(string(got.Verdict))
		case "virtual_host", "route", "cluster", "flags", "redirect", "denied":
			if value := m.got(got); value != "" {
				m.set(value)
			}
		case "status":
			if got.Status != 0 {
				m.set(m.got(got))
			}
		}
	}
	if len(got.Weights) > 0 {
		e.Weights = ordered(got.Weights)
	}
}

func (m member) set(value string) {
	if m.num == nil {
		*m.text = &value
		return
	}
	if number, err := strconv.Atoi(value); err == nil {
		*m.num = &number
	}
}

// inner reports whether the field stands within "rewrite".
func (m member) inner() bool { return strings.Contains(m.name, ".") }

// write brings the node of the expectation up to date. Fields with the same value
// stay as they are written.
func (e *Expectation) write(expect *yaml.Node) {
	for _, m := range e.members() {
		value, given := m.want()
		if !given {
			continue
		}
		if outer, inner, ok := strings.Cut(m.name, "."); ok {
			setScalar(child(object(child(expect, outer)), inner), value, m.num != nil)
			continue
		}
		setScalar(child(expect, m.name), value, m.num != nil)
	}
	if e.Weights != nil {
		writeWeights(child(expect, "weights"), e.Weights)
	}
}

func setScalar(n *yaml.Node, value string, number bool) {
	current := n
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		current = n.Alias
	}
	if current.Kind == yaml.ScalarNode && current.Value == value && !isNull(current) {
		return
	}
	n.Kind, n.Value, n.Alias, n.Content, n.Anchor = yaml.ScalarNode, value, nil, nil, ""
	n.Tag = "!!str"
	if number {
		n.Tag = "!!int"
	}
}

func writeWeights(n *yaml.Node, weights []Weight) {
	if sameShares(nodeWeights(n), weights) {
		return
	}
	object(n).Content = nil
	for _, w := range weights {
		setScalar(child(n, w.Cluster), strconv.FormatUint(uint64(w.Weight), 10), true)
	}
}

// nodeWeights are the weights that a node holds; what is not one is left out.
func nodeWeights(n *yaml.Node) []Weight {
	var out []Weight
	for i := 0; i+1 < len(n.Content); i += 2 {
		if weight, err := strconv.ParseUint(n.Content[i+1].Value, 10, 32); err == nil {
			out = append(out, Weight{Cluster: n.Content[i].Value, Weight: uint32(weight)})
		}
	}
	return out
}

// child is the value of a member of an object, made where there is none.
func child(object *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == name {
			return object.Content[i+1]
		}
	}
	value := &yaml.Node{}
	object.Content = append(object.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}, value)
	return value
}

// object makes a node an object where it is none; what an alias stands for is
// copied, since others have it too.
func object(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		return n
	}
	var members []*yaml.Node
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		for _, member := range n.Alias.Content {
			clone := *member
			members = append(members, &clone)
		}
	}
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: members, HeadComment: n.HeadComment, LineComment: n.LineComment, FootComment: n.FootComment}
	return n
}
