package match

import (
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/meshray/meshray/analyze/request"
)

// Mutations are the headers that one level of a route configuration adds and
// removes: of a weighted cluster, a route, a virtual host or the whole. Envoy
// applies them in this order, and all but the first the other way round where the
// route configuration says most_specific_header_mutations_wins.
type Mutations struct {
	add    []mutation
	remove []string
}

type mutation struct {
	name   string
	value  *Format
	action corev3.HeaderValueOption_HeaderAppendAction
	empty  bool // keep_empty_value
}

// CompileMutations prepares request_headers_to_add and request_headers_to_remove.
func CompileMutations(add []*corev3.HeaderValueOption, remove []string) *Mutations {
	m := &Mutations{remove: remove}
	for _, option := range add {
		m.add = append(m.add, mutation{
			name:   strings.ToLower(option.GetHeader().GetKey()),
			value:  CompileFormat(option.GetHeader().GetValue()),
			action: appendAction(option),
			empty:  option.GetKeepEmptyValue(),
		})
	}
	return m
}

func appendAction(option *corev3.HeaderValueOption) corev3.HeaderValueOption_HeaderAppendAction {
	if deprecated := option.GetAppend(); deprecated != nil && !deprecated.GetValue() {
		return corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	}
	return option.GetAppendAction()
}

// Unknown names the commands in values that are not known before a request ran.
func (m *Mutations) Unknown() []string {
	var unknown []string
	for _, mutation := range m.add {
		unknown = append(unknown, mutation.value.Unknown...)
	}
	return unknown
}

// Apply returns the headers of the request after the mutations: first some are
// removed, then existing ones replaced, then others added. What a value or an
// action asks of the headers is asked after the removal and before the rest.
func (m *Mutations) Apply(a *Attributes) request.Headers {
	left := *a
	for _, name := range m.remove {
		left.Headers = left.Headers.Without(name)
	}
	var replace, add request.Headers
	for _, mutation := range m.add {
		value := mutation.value.Apply(&left)
		if value == "" && !mutation.empty {
			continue
		}
		line := request.Header{Name: mutation.name, Value: value}
		switch has := left.Headers.Has(mutation.name); {
		case mutation.action == corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
			mutation.action == corev3.HeaderValueOption_ADD_IF_ABSENT && !has:
			add = append(add, line)
		case mutation.action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			mutation.action == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS && has:
			replace = append(replace, line)
		}
	}
	out := slices.Clone(left.Headers)
	for _, line := range replace {
		out = out.Set(line.Name, line.Value)
	}
	return append(out, add...)
}
