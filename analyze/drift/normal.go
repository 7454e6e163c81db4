package drift

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	xdstype "github.com/cncf/xds/go/xds/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

// Normalize returns the normal form of a resource: its v3 message as JSON in
// camelCase, on one line. Two resources that Envoy takes for the same have the
// same normal form, whatever the API version, the spelling, the fields that are
// written out with their defaults, and the order of what has no order. Order is
// kept where Envoy goes by it: routes, filters, filter chains, weighted clusters.
func Normalize(r *mesh.Resource) ([]byte, error) {
	m, err := r.Message()
	if err != nil {
		return nil, fmt.Errorf("normalizing: %w", err)
	}
	m = proto.Clone(m) // the message is shared
	if err := normalize(m.ProtoReflect(), 0); err != nil {
		return nil, fmt.Errorf("normalizing %s %q: %w", r.Kind, r.Name(), err)
	}
	return xds.JSON(m, "")
}

// maxNesting bounds messages inside messages; the loader's own bound is lower,
// but each Any in a message starts it anew.
const maxNesting = 1000

func normalize(m protoreflect.Message, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested more than %d deep", maxNesting)
	}
	if a, ok := m.Interface().(*anypb.Any); ok {
		return normalizeAny(a, depth)
	}
	dropDefaults(m.Interface())
	var failure error
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		failure = normalizeField(field, value, depth)
		return failure == nil
	})
	if failure != nil {
		return failure
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if key, ok := unordered[field.FullName()]; ok && field.IsList() {
			sortList(value.List(), field, key)
		}
		return true
	})
	return nil
}

func normalizeField(field protoreflect.FieldDescriptor, value protoreflect.Value, depth int) error {
	switch {
	case field.IsMap():
		if field.MapValue().Message() == nil {
			return nil
		}
		var failure error
		value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
			failure = normalize(v.Message(), depth+1)
			return failure == nil
		})
		return failure
	case field.Message() == nil:
		return nil
	case field.IsList():
		for i := range value.List().Len() {
			if err := normalize(value.List().Get(i).Message(), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return normalize(value.Message(), depth+1)
}

// normalizeAny normalizes the content: a TypedStruct becomes the message that it
// describes.
func normalizeAny(a *anypb.Any, depth int) error {
	m, _, err := xds.Unpack(a)
	if err != nil || m == nil {
		return err
	}
	if unknown, ok := m.(*xdstype.TypedStruct); ok {
		camelKeys(unknown.GetValue())
	} else if err := normalize(m.ProtoReflect(), depth+1); err != nil {
		return err
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err
	}
	a.TypeUrl, a.Value = "type.googleapis.com/"+string(m.ProtoReflect().Descriptor().FullName()), value
	return nil
}

// sortKey names the fields, as a path, that an element is sorted by; elements
// with equal keys keep their order. With no path the whole element is its key.
type sortKey []protoreflect.Name

// unordered are the lists whose order Envoy does not go by: it looks elements up
// by name or by the best match, or needs all of them, or any of them.
var unordered = map[protoreflect.FullName]sortKey{
	"envoy.config.route.v3.RouteConfiguration.virtual_hosts": {"name"},
	"envoy.config.route.v3.VirtualHost.domains":              {},
	"envoy.config.route.v3.RouteMatch.headers":               {},
	"envoy.config.route.v3.RouteMatch.query_parameters":      {},
	// Headers of one name are set in order; different names do not meet.
	"envoy.config.route.v3.RouteConfiguration.request_headers_to_add":                {"header", "key"},
	"envoy.config.route.v3.RouteConfiguration.response_headers_to_add":               {"header", "key"},
	"envoy.config.route.v3.RouteConfiguration.request_headers_to_remove":             {},
	"envoy.config.route.v3.RouteConfiguration.response_headers_to_remove":            {},
	"envoy.config.route.v3.RouteConfiguration.internal_only_headers":                 {},
	"envoy.config.route.v3.VirtualHost.request_headers_to_add":                       {"header", "key"},
	"envoy.config.route.v3.VirtualHost.response_headers_to_add":                      {"header", "key"},
	"envoy.config.route.v3.VirtualHost.request_headers_to_remove":                    {},
	"envoy.config.route.v3.VirtualHost.response_headers_to_remove":                   {},
	"envoy.config.route.v3.Route.request_headers_to_add":                             {"header", "key"},
	"envoy.config.route.v3.Route.response_headers_to_add":                            {"header", "key"},
	"envoy.config.route.v3.Route.request_headers_to_remove":                          {},
	"envoy.config.route.v3.Route.response_headers_to_remove":                         {},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.request_headers_to_add":     {"header", "key"},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.response_headers_to_add":    {"header", "key"},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.request_headers_to_remove":  {},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight.response_headers_to_remove": {},
	"envoy.config.route.v3.RetryPolicy.retriable_status_codes":                       {},
	"envoy.config.route.v3.CorsPolicy.allow_origin_string_match":                     {},
	"envoy.extensions.filters.http.cors.v3.CorsPolicy.allow_origin_string_match":     {},
	"envoy.config.listener.v3.FilterChainMatch.server_names":                         {},
	"envoy.config.listener.v3.FilterChainMatch.application_protocols":                {},
	"envoy.config.listener.v3.FilterChainMatch.prefix_ranges":                        {},
	"envoy.config.listener.v3.FilterChainMatch.direct_source_prefix_ranges":          {},
	"envoy.config.listener.v3.FilterChainMatch.source_prefix_ranges":                 {},
	"envoy.config.listener.v3.FilterChainMatch.source_ports":                         {},
	"envoy.config.endpoint.v3.ClusterLoadAssignment.endpoints":                       {},
	"envoy.config.endpoint.v3.LocalityLbEndpoints.lb_endpoints":                      {},
	"envoy.config.rbac.v3.Policy.permissions":                                        {},
	"envoy.config.rbac.v3.Policy.principals":                                         {},
	"envoy.config.rbac.v3.Permission.Set.rules":                                      {},
	"envoy.config.rbac.v3.Principal.Set.ids":                                         {},
	tlsValidation + "match_typed_subject_alt_names":                                  {},
	tlsValidation + "match_subject_alt_names":                                        {},
	tlsValidation + "verify_certificate_hash":                                        {},
	tlsValidation + "verify_certificate_spki":                                        {},
}

const tlsValidation = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext."

func sortList(list protoreflect.List, field protoreflect.FieldDescriptor, key sortKey) {
	type element struct {
		value protoreflect.Value
		key   []byte
	}
	elements := make([]element, list.Len())
	for i := range elements {
		v := list.Get(i)
		elements[i] = element{v, keyOf(v, field, key)}
	}
	slices.SortStableFunc(elements, func(a, b element) int { return bytes.Compare(a.key, b.key) })
	for i, e := range elements {
		list.Set(i, e.value)
	}
}

func keyOf(v protoreflect.Value, field protoreflect.FieldDescriptor, key sortKey) []byte {
	if field.Message() == nil {
		return []byte(v.String())
	}
	m := v.Message()
	for _, name := range key {
		field := m.Descriptor().Fields().ByName(name)
		if field.Message() == nil {
			return []byte(m.Get(field).String())
		}
		m = m.Get(field).Message()
	}
	text, err := xds.JSON(m.Interface(), "")
	if err != nil {
		return nil
	}
	return text
}

// byName orders resources by name, then by normal form.
func byName(a, b item) int {
	return cmp.Or(strings.Compare(a.name, b.name), bytes.Compare(a.text, b.text))
}
