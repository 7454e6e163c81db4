package rules

import (
	"slices"
	"strings"

	"github.com/cncf/xds/go/udpa/annotations"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh"
)

// sensitiveMarks are in the JSON of every resource with a sensitive field or a
// header that may hold a credential; the others need not be decoded.
var sensitiveMarks = [][]byte{
	[]byte("private_key"), []byte("privateKey"), []byte("assword"), []byte("pkcs12"),
	[]byte("session_ticket_keys"), []byte("sessionTicketKeys"), []byte("generic_secret"), []byte("genericSecret"),
	[]byte("secret_data"), []byte("secretData"), []byte("secret_access_key"), []byte("secretAccessKey"),
	[]byte("session_token"), []byte("sessionToken"), []byte("backend_token"), []byte("backendToken"),
	[]byte("basic_auth"), []byte("api_key_auth"),
	[]byte(`uthorization"`), []byte(`api-key"`), []byte(`Api-Key"`), []byte(`API-Key"`), []byte(`ookie"`),
}

// credentialHeaders are headers whose literal value is a credential.
var credentialHeaders = []string{"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"}

// sensitiveFields are the names of fields with a secret in clear, sorted.
type sensitiveFields []string

func findSensitive(r *mesh.Resource) sensitiveFields {
	if !containsAny(r.Raw(), sensitiveMarks) {
		return nil
	}
	m, err := r.Message()
	if err != nil {
		return nil
	}
	s := &sensitiveSearch{}
	s.message(m.ProtoReflect(), 0)
	slices.Sort(s.found)
	return slices.Compact(s.found)
}

// sensitiveSearch walks a message and those within it, packed ones too.
type sensitiveSearch struct {
	found sensitiveFields
}

func (s *sensitiveSearch) message(m protoreflect.Message, depth int) {
	if depth > maxDepth || !m.IsValid() {
		return
	}
	switch v := m.Interface().(type) {
	case *anypb.Any:
		if packed := mesh.Unpack("", v); packed.Config != nil {
			s.message(packed.Config.ProtoReflect(), depth+1)
		}
		return
	case *corev3.HeaderValueOption:
		s.header(v.GetHeader())
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if isSensitive(field) {
			if inClear(field, value, depth) {
				s.found = append(s.found, string(field.Name()))
			}
			return true
		}
		within(field, value, func(m protoreflect.Message) { s.message(m, depth+1) })
		return true
	})
}

// within visits the messages that a field holds.
func within(field protoreflect.FieldDescriptor, value protoreflect.Value, visit func(protoreflect.Message)) {
	switch {
	case field.IsMap():
		if field.MapValue().Message() == nil {
			return
		}
		value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
			visit(v.Message())
			return true
		})
	case field.Message() == nil:
	case field.IsList():
		for i := range value.List().Len() {
			visit(value.List().Get(i).Message())
		}
	default:
		visit(value.Message())
	}
}

func (s *sensitiveSearch) header(h *corev3.HeaderValue) {
	name := strings.ToLower(h.GetKey())
	value := h.GetValue() + string(h.GetRawValue())
	if slices.Contains(credentialHeaders, name) && value != "" && !strings.Contains(value, "%") && !isRedacted(value) {
		s.found = append(s.found, "added header "+name)
	}
}

func isSensitive(field protoreflect.FieldDescriptor) bool {
	// Labels for an external server are a map of plain texts.
	sensitive, _ := proto.GetExtension(field.Options(), annotations.E_Sensitive).(bool)
	return sensitive && !field.IsMap()
}

// inClear reports whether a sensitive field holds a value, not just the way to one.
func inClear(field protoreflect.FieldDescriptor, value protoreflect.Value, depth int) bool {
	if field.Message() == nil {
		if field.IsList() {
			return value.List().Len() > 0 && !redactedValue(field, value.List().Get(0))
		}
		return !redactedValue(field, value)
	}
	clear := false
	within(field, value, func(m protoreflect.Message) { clear = clear || holdsValue(m, depth+1) })
	return clear
}

// holdsValue reports whether a message has a text or bytes of its own. Of a data
// source only what is inline counts.
func holdsValue(m protoreflect.Message, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch v := m.Interface().(type) {
	case *corev3.DataSource:
		text := v.GetInlineString() + string(v.GetInlineBytes())
		return text != "" && !isRedacted(text)
	case *anypb.Any:
		packed := mesh.Unpack("", v)
		return packed.Config != nil && holdsValue(packed.Config.ProtoReflect(), depth+1)
	}
	holds := false
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil {
			holds = !field.IsList() && !field.IsMap() && !redactedValue(field, value)
		} else {
			within(field, value, func(m protoreflect.Message) { holds = holds || holdsValue(m, depth+1) })
		}
		return !holds
	})
	return holds
}

// redactedValue reports whether a value is no secret: Envoy has redacted it, or it
// is no text.
func redactedValue(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
	switch field.Kind() {
	case protoreflect.StringKind:
		return value.String() == "" || isRedacted(value.String())
	case protoreflect.BytesKind:
		return len(value.Bytes()) == 0 || isRedacted(string(value.Bytes()))
	}
	return true
}

// isRedacted recognises Envoy's "[redacted]", as text, in base64, and read as
// base64 by mistake, and the words of other tools.
func isRedacted(text string) bool {
	switch lower := strings.ToLower(text); {
	case strings.Contains(lower, "redacted"), strings.HasPrefix(text, "W3JlZGFjdGVkXQ"), strings.Trim(text, "*x.") == "":
		return true
	}
	return false
}
