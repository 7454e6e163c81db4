package expect

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"
)

// restoreLayout gives encoded tests the layout that the file had and that the YAML
// encoder does not know: lists that are not indented, and the blank lines above tests
// and above the fields of the file.
func (s *Suite) restoreLayout(encoded []byte) []byte {
	root, err := yamlNodes(encoded, "")
	if err != nil || root == nil || root.Style&yaml.FlowStyle != 0 {
		return encoded
	}
	before, after := testsOf(s.root), testsOf(root)
	if before == nil || after == nil || len(before.Content) != len(after.Content) {
		return encoded
	}
	old, lines := strings.Split(string(s.data), "\n"), strings.Split(string(encoded), "\n")
	blank := map[int]bool{} // before these lines of the encoded text, from 0
	for _, nodes := range [][2][]*yaml.Node{{s.root.Content, root.Content}, {before.Content, after.Content}} {
		for i := range min(len(nodes[0]), len(nodes[1])) {
			if at := firstLine(lines, nodes[1][i].Line-1); isBlank(old, firstLine(old, nodes[0][i].Line-1)-1) && !isBlank(lines, at-1) {
				blank[at] = true
			}
		}
	}
	dedent := before.Column == 1
	inside := false
	var out bytes.Buffer
	for i, line := range lines {
		if blank[i] {
			out.WriteByte('\n')
		}
		if line != "" && line[0] != ' ' {
			inside = strings.HasPrefix(line, "tests:")
		}
		if dedent && inside {
			line = strings.TrimPrefix(line, "  ")
		}
		out.WriteString(line)
		if i < len(lines)-1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

func isBlank(lines []string, at int) bool { return at >= 0 && strings.TrimSpace(lines[at]) == "" }

// testsOf is the list of tests of a file; nil where it is not a block list.
func testsOf(root *yaml.Node) *yaml.Node {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if list := root.Content[i+1]; root.Content[i].Value == "tests" && list.Kind == yaml.SequenceNode && list.Style&yaml.FlowStyle == 0 {
			return list
		}
	}
	return nil
}

// firstLine goes up from a line to the first of the comments right above it.
func firstLine(lines []string, at int) int {
	at = min(at, len(lines))
	for at > 0 && strings.HasPrefix(strings.TrimSpace(lines[at-1]), "#") {
		at--
	}
	return at
}
