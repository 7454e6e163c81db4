package expect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// FileError is a mistake in a test file, or in a file of routes.
type FileError struct {
	File  string // as the reader was told
	Line  int    // from 1; 0 where it is not known
	Doing string // such as "reading routes"; empty for "reading tests"
	Err   error
}

func (e *FileError) Error() string {
	doing := cmp.Or(e.Doing, "reading tests")
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s: %v", e.File, doing, e.Err)
	}
	return fmt.Sprintf("%s:%d: %s: %v", e.File, e.Line, doing, e.Err)
}

func (e *FileError) Unwrap() error { return e.Err }

// The bounds of a test file.
const (
	maxSuite = 16 << 20 // bytes
	// maxNodes bounds what is read, so that aliases of aliases cannot multiply.
	maxNodes = 1 << 20
	maxDepth = 64
)

// parseNodes reads YAML, or JSON in any layout: YAML has no tabs in it. It returns
// the root, nil for an empty file.
func parseNodes(data []byte, file string) (*yaml.Node, error) {
	if len(data) > maxSuite {
		return nil, &FileError{File: file, Err: fmt.Errorf("expected at most %d bytes, got %d", maxSuite, len(data))}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return yamlNodes(data, file)
	}
	root, jsonErr := jsonNodes(data, file)
	if jsonErr == nil {
		return root, nil
	}
	if root, err := yamlNodes(data, file); err == nil {
		return root, nil
	}
	return nil, jsonErr
}

func yamlNodes(data []byte, file string) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, yamlError(err, file)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &FileError{File: file, Err: errors.New("expected one YAML document")}
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

// yamlError takes the line out of an error of the YAML parser, "yaml: line 3: ...".
func yamlError(err error, file string) error {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(reason, "line "); ok {
		number, behind, _ := strings.Cut(rest, ": ")
		if parsed, err := strconv.Atoi(number); err == nil {
			line, reason = parsed, behind
		}
	}
	return &FileError{File: file, Line: line, Err: errors.New(reason)}
}

// reader decodes the nodes of one file strictly.
type reader struct {
	file  string
	nodes int // read so far
}

// fail is an error at a node.
func (r *reader) fail(n *yaml.Node, format string, args ...any) error {
	return &FileError{File: r.file, Line: n.Line, Err: fmt.Errorf(format, args...)}
}

// resolve follows an alias and counts the node.
func (r *reader) resolve(n *yaml.Node) (*yaml.Node, error) {
	r.nodes++
	if r.nodes > maxNodes {
		return nil, r.fail(n, "expected at most %d values, aliases counted each time", maxNodes)
	}
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias, nil
	}
	return n, nil
}

// fields are the readers of an object's members by key.
type fields map[string]func(*yaml.Node) error

// object reads the members of an object; what names it in errors. A key that is
// not known, or stands twice, is an error.
func (r *reader) object(n *yaml.Node, what string, known fields) error {
	return r.members(n, what, func(key *yaml.Node, value *yaml.Node) error {
		read, ok := known[key.Value]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			return r.fail(key, "unknown field %q of %s: expected one of %s", key.Value, what, strings.Join(names, ", "))
		}
		return read(value)
	})
}

// members calls each for the members of an object in their order.
func (r *reader) members(n *yaml.Node, what string, each func(key, value *yaml.Node) error) error {
	node, err := r.resolve(n)
	if err != nil {
		return err
	}
	if node.Kind != yaml.MappingNode {
		return r.fail(n, "expected %s to be an object of names and values", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return r.fail(key, "expected the names in %s to be text", what)
		}
		if seen[key.Value] {
			return r.fail(key, "field %q of %s stands twice", key.Value, what)
		}
		seen[key.Value] = true
		if err := each(key, value); err != nil {
			return err
		}
	}
	return nil
}

// list calls each for the elements of a list.
func (r *reader) list(n *yaml.Node, what string, each func(*yaml.Node) error) error {
	node, err := r.resolve(n)
	if err != nil {
		return err
	}
	if node.Kind != yaml.SequenceNode {
		return r.fail(n, "expected %s to be a list", what)
	}
	for _, element := range node.Content {
		if err := each(element); err != nil {
			return err
		}
	}
	return nil
}
