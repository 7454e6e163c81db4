// Package lintfile reads .meshray.yaml: which findings a team accepts, and rules of
// its own as CEL expressions over the resources of proxies.
package lintfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze"
)

// Name is what the file is called.
const Name = ".meshray.yaml"

// File is a lint file.
type File struct {
	// Profile is the profile to run; empty for the default.
	Profile      string
	Suppressions []analyze.Suppression
	// Rules are the file's own.
	Rules []*analyze.Rule
}

// Error is a lint file that cannot be used, with the line where it is wrong.
type Error struct {
	File string
	Line int // 0 where it is not known
	Err  error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// document is the file as written.
type document struct {
	Profile  string    `yaml:"profile"`
	Suppress yaml.Node `yaml:"suppress"`
	Rules    yaml.Node `yaml:"rules"`
}

// suppression is one entry of suppress.
type suppression struct {
	Rule        string `yaml:"rule"`
	Namespace   string `yaml:"namespace"`
	Proxy       string `yaml:"proxy"`
	Kind        string `yaml:"kind"`
	Name        string `yaml:"name"`
	Object      string `yaml:"object"`
	Fingerprint string `yaml:"fingerprint"`
	Reason      string `yaml:"reason"`
	Until       string `yaml:"until"`
}

// located is a value with the line it stands in.
type located[T any] struct {
	value T
	line  int
}

// list reads a list of mappings, and refuses fields that T does not have.
func list[T any](node *yaml.Node) ([]located[T], error) {
	node = resolved(node)
	if node.IsZero() || node.Tag == "!!null" {
		return nil, nil
	}
	if node.Kind != yaml.SequenceNode {
		return nil, &Error{Line: node.Line, Err: errors.New("expected a list")}
	}
	var out []located[T]
	for _, item := range node.Content {
		l := located[T]{line: item.Line}
		item = resolved(item)
		if item.Kind != yaml.MappingNode {
			return nil, &Error{Line: l.line, Err: errors.New("expected fields such as rule: NAME")}
		}
		for i := 0; i < len(item.Content); i += 2 {
			key := item.Content[i]
			if names := fields[T](); key.Tag != "!!merge" && !slices.Contains(names, key.Value) {
				return nil, &Error{Line: key.Line, Err: fmt.Errorf("field %s not found: expected one of %s", key.Value, strings.Join(names, ", "))}
			}
		}
		if err := item.Decode(&l.value); err != nil {
			return nil, &Error{Line: l.line, Err: err}
		}
		out = append(out, l)
	}
	return out, nil
}

// resolved is what an alias stands for.
func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// fields are the names that T has in YAML.
func fields[T any]() []string {
	var names []string
	for field := range reflect.TypeFor[T]().Fields() {
		names = append(names, field.Tag.Get("yaml"))
	}
	return names
}

// Read reads a lint file; name is for errors and for the places of suppressions.
// Known are the names and codes that are taken.
func Read(data []byte, name string, known []*analyze.Rule) (*File, error) {
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, &Error{File: name, Err: err}
	}
	if err := decoder.Decode(&document{}); !errors.Is(err, io.EOF) {
		return nil, &Error{File: name, Err: errors.New("expected one YAML document, got a second one")}
	}
	rules, err := list[rule](&doc.Rules)
	if err != nil {
		return nil, within(name, "rules", err)
	}
	suppressions, err := list[suppression](&doc.Suppress)
	if err != nil {
		return nil, within(name, "suppress", err)
	}
	file := &File{Profile: doc.Profile}
	if doc.Profile != "" && !slices.Contains(analyze.Profiles(), doc.Profile) {
		return nil, &Error{File: name, Err: fmt.Errorf("profile %q: expected one of %v", doc.Profile, analyze.Profiles())}
	}
	all := slices.Clone(known)
	for _, r := range rules {
		compiled, err := r.value.compile()
		if err != nil {
			return nil, &Error{File: name, Line: r.line, Err: fmt.Errorf("rule %q: %w", r.value.Name, err)}
		}
		all = append(all, compiled)
		if err := analyze.Validate(all); err != nil {
			return nil, &Error{File: name, Line: r.line, Err: err}
		}
		file.Rules = append(file.Rules, compiled)
	}
	for _, s := range suppressions {
		read, err := s.value.read(all)
		if err != nil {
			return nil, &Error{File: name, Line: s.line, Err: fmt.Errorf("suppress: %w", err)}
		}
		read.Place = fmt.Sprintf("%s:%d", name, s.line)
		file.Suppressions = append(file.Suppressions, read)
	}
	return file, nil
}

// within names the file and the list of an error.
func within(file, list string, err error) error {
	located := &Error{Err: err}
	if errors.As(err, &located) {
		err = located.Err
	}
	return &Error{File: file, Line: located.Line, Err: fmt.Errorf("%s: %w", list, err)}
}

func (s *suppression) read(rules []*analyze.Rule) (analyze.Suppression, error) {
	out := analyze.Suppression{
		Rule: s.Rule, Namespace: s.Namespace, Proxy: s.Proxy, Kind: s.Kind, Name: s.Name,
		Object: s.Object, Fingerprint: s.Fingerprint, Reason: s.Reason,
	}
	if strings.TrimSpace(s.Reason) == "" {
		return out, errors.New("expected a reason: say why the finding is accepted")
	}
	if s.Rule == "" && s.Fingerprint == "" {
		return out, errors.New("expected a rule or a fingerprint")
	}
	if s.Rule != "" {
		if _, err := analyze.Select(rules, []string{s.Rule}, nil, ""); err != nil {
			return out, err
		}
	}
	for _, pattern := range []string{s.Namespace, s.Proxy, s.Kind, s.Name, s.Object} {
		if _, err := path.Match(pattern, ""); err != nil {
			return out, fmt.Errorf("pattern %q: expected a glob such as outbound|*: %w", pattern, err)
		}
	}
	if s.Until == "" {
		return out, nil
	}
	until, err := time.Parse(time.DateOnly, s.Until)
	if err != nil {
		return out, fmt.Errorf("until %q: expected a day such as 2026-12-31", s.Until)
	}
	out.Until = until
	return out, nil
}
