package xds

import (
	"strings"
	"testing"

	udpatype "github.com/cncf/xds/go/udpa/type/v1"
	xdstype "github.com/cncf/xds/go/xds/type/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestUnpack(t *testing.T) {
	const (
		wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
		acme = "type.googleapis.com/acme.Filter"
	)
	structOf := func(fields map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(fields)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	fields := structOf(map[string]any{"a": true})
	tests := map[string]struct {
		packed  proto.Message
		want    string // full name of the message
		wantURL string
	}{
		"message":            {&router.Router{SuppressEnvoyHeaders: true}, "envoy.extensions.filters.http.router.v3.Router", "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
		"inner is unknown":   {&udpatype.TypedStruct{TypeUrl: acme, Value: fields}, "xds.type.v3.TypedStruct", acme},
		"inner is known":     {&udpatype.TypedStruct{TypeUrl: wasm, Value: structOf(map[string]any{"config": map[string]any{"name": "w"}})}, "envoy.extensions.filters.http.wasm.v3.Wasm", wasm},
		"inner is v2":        {&xdstype.TypedStruct{TypeUrl: "x/envoy.config.filter.http.router.v2.Router", Value: structOf(nil)}, "envoy.extensions.filters.http.router.v3.Router", "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
		"inner does not fit": {&xdstype.TypedStruct{TypeUrl: wasm, Value: structOf(map[string]any{"config": 7})}, "xds.type.v3.TypedStruct", wasm},
		"inner is a struct":  {&xdstype.TypedStruct{TypeUrl: typedStructURL, Value: fields}, "xds.type.v3.TypedStruct", typedStructURL},
		"no struct":          {&xdstype.TypedStruct{TypeUrl: acme}, "xds.type.v3.TypedStruct", acme},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			packed, err := anypb.New(test.packed)
			if err != nil {
				t.Fatal(err)
			}
			m, url, err := Unpack(packed)
			if err != nil {
				t.Fatalf("Unpack: %v", err)
			}
			if got := string(m.ProtoReflect().Descriptor().FullName()); got != test.want {
				t.Errorf("Unpack: got message %s, want %s", got, test.want)
			}
			if url != test.wantURL {
				t.Errorf("Unpack: got type URL %s, want %s", url, test.wantURL)
			}
		})
	}
}

func TestUnpackNothing(t *testing.T) {
	for name, packed := range map[string]*anypb.Any{"nil": nil, "empty": {}} {
		if m, url, err := Unpack(packed); m != nil || url != "" || err != nil {
			t.Errorf("Unpack of %s: got %v, %q, %v, want nothing", name, m, url, err)
		}
	}
}

func TestUnpackErrors(t *testing.T) {
	tests := map[string]struct {
		packed *anypb.Any
		want   string
	}{
		"unknown type": {&anypb.Any{TypeUrl: "x/acme.Filter"}, "unpacking x/acme.Filter: "},
		"not the type": {&anypb.Any{TypeUrl: "x/envoy.extensions.filters.http.router.v3.Router", Value: []byte{0xff}}, "unpacking x/envoy.extensions"},
	}
	for name, test := range tests {
		m, _, err := Unpack(test.packed)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("Unpack of %s: got %v, error %v, want error %s", name, m, err, test.want)
		}
	}
}
