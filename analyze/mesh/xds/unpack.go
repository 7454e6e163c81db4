package xds

import (
	"fmt"

	udpatype "github.com/cncf/xds/go/udpa/type/v1"
	xdstype "github.com/cncf/xds/go/xds/type/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

const typedStructURL = "type.googleapis.com/xds.type.v3.TypedStruct"

func isTypedStruct(name protoreflect.FullName) bool {
	return name == "xds.type.v3.TypedStruct" || name == "udpa.type.v1.TypedStruct"
}

// Unpack yields the message in an Any of a decoded resource and the type URL it goes by.
//
// A TypedStruct, of either API, becomes the message that it describes if that type is linked in and
// the Struct fits it; otherwise m is an *xds.type.v3.TypedStruct and typeURL the inner one, so that
// a reader sees the same URL either way. An Any without a type yields no message and no error.
func Unpack(a *anypb.Any) (m proto.Message, typeURL string, err error) {
	if a.GetTypeUrl() == "" {
		return nil, "", nil
	}
	m, err = a.UnmarshalNew()
	if err != nil {
		return nil, a.GetTypeUrl(), fmt.Errorf("unpacking %s: %w", a.GetTypeUrl(), err)
	}
	switch t := m.(type) {
	case *udpatype.TypedStruct:
		m, typeURL = unpackStruct(t.GetTypeUrl(), t.GetValue())
		return m, typeURL, nil
	case *xdstype.TypedStruct:
		m, typeURL = unpackStruct(t.GetTypeUrl(), t.GetValue())
		return m, typeURL, nil
	}
	return m, a.GetTypeUrl(), nil
}

func unpackStruct(url string, value *structpb.Struct) (proto.Message, string) {
	kept := &xdstype.TypedStruct{TypeUrl: url, Value: value}
	t, err := messageType(url)
	if err != nil || hasCustomJSON(t.Descriptor().FullName()) || isTypedStruct(t.Descriptor().FullName()) {
		return kept, url
	}
	raw, err := protojson.Marshal(value)
	if err != nil {
		return kept, url
	}
	m, err := Decode(url, raw)
	if err != nil || m.ProtoReflect().Descriptor() != t.Descriptor() {
		return kept, url
	}
	return m, urlOf(t.Descriptor().FullName())
}

// hasCustomJSON reports whether the JSON of the message is not an object of its fields.
func hasCustomJSON(name protoreflect.FullName) bool {
	return name.Parent() == "google.protobuf" && customJSON[name.Name()]
}

var customJSON = map[protoreflect.Name]bool{
	"Any": true, "Duration": true, "FieldMask": true, "ListValue": true, "Struct": true, "Timestamp": true, "Value": true,
	"BoolValue": true, "BytesValue": true, "DoubleValue": true, "FloatValue": true, "Int32Value": true,
	"Int64Value": true, "StringValue": true, "UInt32Value": true, "UInt64Value": true,
}
