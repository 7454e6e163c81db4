package replay

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	xdstype "github.com/cncf/xds/go/xds/type/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// scrubber takes out of a message what cannot run here: it goes through all that
// is below it, packed or not, and changes it in place.
type scrubber struct {
	b *builder
	// where names the resource in changes.
	where string
	// virtualHost is the one whose routes are being visited.
	virtualHost string
}

func (b *builder) scrub(where string, m proto.Message) {
	s := &scrubber{b: b, where: where}
	s.message(m.ProtoReflect())
}

// message scrubs m and reports whether it is to stay. A message around a
// configuration that went goes with it.
func (s *scrubber) message(m protoreflect.Message) (keep bool) {
	keep, whole := s.before(m.Interface())
	if !keep || whole {
		return keep
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message() == nil || !m.Has(field) {
			continue
		}
		switch {
		case field.IsMap():
			s.entries(field, m.Mutable(field).Map())
		case field.IsList():
			s.elements(m.Mutable(field).List())
		case s.child(m.Mutable(field).Message()):
		case isAny(field):
			return false
		default:
			m.Clear(field)
		}
	}
	s.after(m.Interface())
	return true
}

func isAny(field protoreflect.FieldDescriptor) bool {
	return field.Message().FullName() == "google.protobuf.Any"
}

func (s *scrubber) child(m protoreflect.Message) (keep bool) {
	if packed, ok := m.Interface().(*anypb.Any); ok {
		return s.packed(packed)
	}
	return s.message(m)
}

func (s *scrubber) elements(list protoreflect.List) {
	kept := 0
	for i := range list.Len() {
		if s.child(list.Get(i).Message()) {
			list.Set(kept, list.Get(i))
			kept++
		}
	}
	list.Truncate(kept)
}

// entries goes through a map, in the order of its keys: changes name the first place.
func (s *scrubber) entries(field protoreflect.FieldDescriptor, m protoreflect.Map) {
	if field.MapValue().Message() == nil {
		return
	}
	var keys []protoreflect.MapKey
	m.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, key)
		return true
	})
	slices.SortFunc(keys, func(x, y protoreflect.MapKey) int { return cmp.Compare(x.String(), y.String()) })
	for _, key := range keys {
		if !s.child(m.Get(key).Message()) {
			m.Clear(key)
		}
	}
}

// packed scrubs what is in an Any. A type that this build does not know is one
// that Envoy's API does not have.
func (s *scrubber) packed(a *anypb.Any) (keep bool) {
	if a.GetTypeUrl() == "" {
		return true
	}
	filter := mesh.Unpack("", a)
	name := typeName(filter.TypeURL)
	if _, unknown := filter.Config.(*xdstype.TypedStruct); unknown || filter.Config == nil {
		s.leaveOut(name, noSuchType)
		return false
	}
	if why := s.b.unrunnable(filter.Config); why != "" {
		s.leaveOut(name, why)
		return false
	}
	config := proto.Clone(filter.Config)
	if !s.message(config.ProtoReflect()) {
		return false
	}
	repacked, err := anypb.New(config)
	if err != nil {
		s.leaveOut(name, err.Error())
		return false
	}
	a.TypeUrl, a.Value = repacked.TypeUrl, repacked.Value
	return true
}

func (s *scrubber) leaveOut(what, why string) { s.b.changes.add("left out: "+what, why, s.where) }
func (s *scrubber) replace(what, why string)  { s.b.changes.add("replaced: "+what, why, s.where) }

func typeName(typeURL string) string {
	return typeURL[strings.LastIndexByte(typeURL, '/')+1:]
}
