package xds

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Decoder decodes the resources of one capture. Most of what a mesh's listeners hold is the same
// few filters over and over, each packed in an Any: a Decoder decodes each distinct one once. The
// zero Decoder is ready; it may be used by several goroutines.
type Decoder struct {
	packed sync.Map // of digest to *anypb.Any
	// contents are what packed Anys hold, by the first byte of their Value, which all
	// copies of the Any share.
	contents sync.Map  // of *byte to unpacked
	bodies   sync.Pool // of *[]byte, what scan writes to
}

// scan is the package's scan with a body that is used again once it was released.
func (d *Decoder) scan(raw []byte, packs bool) (scanned, error) {
	space, _ := d.bodies.Get().(*[]byte)
	if space == nil {
		space = new([]byte)
	}
	return scanInto(*space, raw, packs)
}

// release is called when the body is decoded.
func (d *Decoder) release(s scanned) {
	if s.space != nil {
		d.bodies.Put(&s.space)
	}
}

type digest = [sha256.Size]byte

// canonical packs a message as protojson packs the content of an Any.
var canonical = proto.MarshalOptions{AllowPartial: true, Deterministic: true}

// placeholderURL is the type of the Anys that stand for others while the message around them is
// decoded. The host part keeps it apart from what Envoy writes.
const placeholderURL = "packed.invalid/google.protobuf.UInt32Value"

// placeholder is the JSON that stands for the Any with index n.
func placeholder(n int) string {
	return `{"@type":"` + placeholderURL + `","value":` + strconv.Itoa(n) + `}`
}

// fill puts the packed Anys in the place of their placeholders. It fails where one of them cannot
// be decoded and where some have no placeholder: an object that looks like an Any may be data.
func (d *Decoder) fill(m proto.Message, packed [][]byte) bool {
	f := filler{decoder: d, packed: packed, left: len(packed)}
	f.visit(m.ProtoReflect())
	return f.left == 0
}

type filler struct {
	decoder *Decoder
	packed  [][]byte
	left    int
}

// visit reports whether there is more to fill.
func (f *filler) visit(m protoreflect.Message) bool {
	if f.left <= 0 {
		return false
	}
	if a, ok := m.Interface().(*anypb.Any); ok {
		return f.replace(a)
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsMap():
			if field.MapValue().Message() == nil {
				break
			}
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { return f.visit(v.Message()) })
		case field.IsList():
			for i := range value.List().Len() {
				if !f.visit(value.List().Get(i).Message()) {
					break
				}
			}
		default:
			f.visit(value.Message())
		}
		return f.left > 0
	})
	return f.left > 0
}

func (f *filler) replace(a *anypb.Any) bool {
	if a.GetTypeUrl() != placeholderURL {
		return true
	}
	var n wrapperspb.UInt32Value
	if proto.Unmarshal(a.GetValue(), &n) != nil || int(n.GetValue()) >= len(f.packed) {
		return false
	}
	found := f.decoder.pack(f.packed[n.GetValue()])
	if found == nil {
		return false
	}
	a.TypeUrl, a.Value = found.GetTypeUrl(), found.GetValue()
	f.left--
	return true
}

// pack decodes the JSON of one Any; nil means that it takes the long way.
func (d *Decoder) pack(text []byte) *anypb.Any {
	key := digest(sha256.Sum256(text))
	if known, ok := d.packed.Load(key); ok {
		return known.(*anypb.Any)
	}
	a, content := d.packNew(text)
	if a == nil {
		return nil
	}
	if known, loaded := d.packed.LoadOrStore(key, a); loaded {
		return known.(*anypb.Any)
	}
	if len(a.GetValue()) > 0 {
		d.contents.Store(unsafe.SliceData(a.GetValue()), content)
	}
	return a
}

// unpacked is what Unpack returns of an Any.
type unpacked struct {
	message proto.Message
	typeURL string
}

func (d *Decoder) packNew(text []byte) (*anypb.Any, unpacked) {
	s, err := d.scan(text, true)
	if err != nil {
		return nil, unpacked{}
	}
	if classOf(typeName(s.typeURL)) != current {
		d.release(s)
		return packStructured(text)
	}
	m := d.decodeV3(s.typeURL, s)
	if m == nil {
		return nil, unpacked{}
	}
	value, err := canonical.Marshal(m)
	if err != nil {
		return nil, unpacked{}
	}
	return &anypb.Any{TypeUrl: s.typeURL, Value: value}, unpacked{m, s.typeURL}
}

// packStructured packs what is free-form or of an unknown type, as the Any of a message
// around it would be.
func packStructured(text []byte) (*anypb.Any, unpacked) {
	s, err := scan(slices.Concat([]byte(`{"typed_config":`), text, []byte("}")), false)
	around := &corev3.TypedExtensionConfig{}
	if err != nil || s.legacy || strict.Unmarshal(s.body, around) != nil {
		return nil, unpacked{}
	}
	m, typeURL, err := Unpack(around.GetTypedConfig())
	if err != nil {
		return nil, unpacked{}
	}
	return around.GetTypedConfig(), unpacked{m, typeURL}
}

// Unpack is the package's Unpack for an Any of a resource that d decoded. Anys that are alike share
// the message, which must not be changed.
func (d *Decoder) Unpack(a *anypb.Any) (m proto.Message, typeURL string, err error) {
	if d != nil && len(a.GetValue()) > 0 {
		if known, ok := d.contents.Load(unsafe.SliceData(a.GetValue())); ok {
			content := known.(unpacked)
			return content.message, content.typeURL, nil
		}
	}
	return Unpack(a)
}
