package xds

import (
	"strings"
	"sync"

	udpa "github.com/cncf/xds/go/udpa/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// class is what has to be done with the content of an Any.
type class int

const (
	current    class = iota // registered and not superseded: decode it
	superseded              // a v2 type with a v3 successor: upgrade it
	structured              // its content is free-form: leave it alone
	unknown                 // not linked in: keep it as a TypedStruct
)

func classOf(name protoreflect.FullName) class {
	if isTypedStruct(name) || name == "google.protobuf.Struct" {
		return structured
	}
	if successor(name) != nil {
		return superseded
	}
	if _, err := protoregistry.GlobalTypes.FindMessageByName(name); err != nil {
		return unknown
	}
	return current
}

// typeName is the full name in a type URL.
func typeName(url string) protoreflect.FullName {
	return protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:])
}

// urlOf is the URL under which Envoy knows the type.
func urlOf(name protoreflect.FullName) string {
	return "type.googleapis.com/" + string(name)
}

// messageType finds the v3 type that a v2 or v3 URL stands for.
func messageType(url string) (protoreflect.MessageType, error) {
	name := typeName(url)
	if next := successor(name); next != nil {
		name = next.FullName()
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

// generations relates the two generations of Envoy's messages, both ways.
type generations struct {
	next, previous map[protoreflect.FullName]protoreflect.MessageDescriptor
}

// loadGenerations reads the versioning annotations of all messages, once: some 30 ms that v3 captures never spend.
var loadGenerations = sync.OnceValue(func() generations {
	g := generations{
		next:     map[protoreflect.FullName]protoreflect.MessageDescriptor{},
		previous: map[protoreflect.FullName]protoreflect.MessageDescriptor{},
	}
	protoregistry.GlobalTypes.RangeMessages(func(t protoreflect.MessageType) bool {
		name := previousName(t.Descriptor())
		if name == "" {
			return true
		}
		previous, err := protoregistry.GlobalTypes.FindMessageByName(name)
		if err != nil {
			return true
		}
		g.next[name] = t.Descriptor()
		g.previous[t.Descriptor().FullName()] = previous.Descriptor()
		return true
	})
	return g
})

// previousName is the name that the message had in v2; empty for messages that are new in v3.
func previousName(md protoreflect.MessageDescriptor) protoreflect.FullName {
	options := md.Options()
	if !proto.HasExtension(options, udpa.E_Versioning) {
		return ""
	}
	annotation, _ := proto.GetExtension(options, udpa.E_Versioning).(*udpa.VersioningAnnotation)
	switch name := annotation.GetPreviousMessageType(); name {
	case "envoy.config.filter.http.ext_authz.v3.ExtAuthz": // a slip in Envoy's annotation
		return "envoy.config.filter.http.ext_authz.v2.ExtAuthz"
	case "envoy.config.cluster.v3.LbSubsetConfig": // v3 on both sides
		return ""
	default:
		return protoreflect.FullName(name)
	}
}

// successor is the v3 descriptor of a v2 message; nil for anything else.
func successor(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if !strings.Contains(string(name), ".v2") {
		return nil
	}
	return loadGenerations().next[name]
}

// predecessor is the v2 descriptor of a v3 message; nil where v2 had none.
func predecessor(name protoreflect.FullName) protoreflect.MessageDescriptor {
	return loadGenerations().previous[name]
}
