package rules

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh"
)

// maxViolations bounds what is listed of one message.
const maxViolations = 10

// violations tells where a message breaks the constraints of Envoy's API, by the
// validation that comes with its protos. Envoy refuses such a message; what is packed
// in it counts as well.
func violations(m proto.Message) []string {
	v := &constraintCheck{}
	v.check(m)
	v.packed(m.ProtoReflect(), 0)
	return v.found
}

type constraintCheck struct {
	found []string
}

func (v *constraintCheck) check(m proto.Message) {
	validated, ok := m.(interface{ ValidateAll() error })
	if !ok {
		return
	}
	err := validated.ValidateAll()
	if several, ok := err.(interface{ AllErrors() []error }); ok {
		for _, err := range several.AllErrors() {
			v.add(err)
		}
		return
	}
	v.add(err)
}

func (v *constraintCheck) add(err error) {
	if err != nil && len(v.found) < maxViolations {
		v.found = append(v.found, err.Error())
	}
}

// packed checks the messages in Anys: the validation of the message around stops there.
func (v *constraintCheck) packed(m protoreflect.Message, depth int) {
	if depth > maxDepth || !m.IsValid() {
		return
	}
	if a, ok := m.Interface().(*anypb.Any); ok {
		if config := mesh.Unpack("", a).Config; config != nil {
			v.check(config)
			v.packed(config.ProtoReflect(), depth+1)
		}
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		within(field, value, func(m protoreflect.Message) { v.packed(m, depth+1) })
		return true
	})
}

// refusedViolations tells what the constraints have against what a proxy refused: in
// its own dump, where that shows it, else in what its istiod would send.
func refusedViolations(p *mesh.Proxy, kind mesh.ResourceKind, name string) []string {
	resources := p.Resources(kind)
	if p.Pilot != nil {
		resources = append(resources[:len(resources):len(resources)], p.Pilot.Resources(kind)...)
	}
	for _, r := range resources {
		own := r.State == mesh.Rejected || r.State == mesh.Warming
		if r.Name() != name || r.Content == nil || !own && p.Active(kind, name) == r {
			continue
		}
		message, err := r.Message()
		if err != nil {
			continue
		}
		if found := violations(message); len(found) > 0 {
			return found
		}
	}
	return nil
}
