package xds

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/fixtures"
)

// resource is one resource of a captured file, its bytes as they are there.
type resource struct {
	path    string
	typeURL string
	raw     []byte
}

// wrappers are the members of config dumps that hold a resource, in snake_case.
var wrappers = map[string]string{
	"bootstrap":       "envoy.config.bootstrap.v3.Bootstrap",
	"cluster":         "envoy.config.cluster.v3.Cluster",
	"listener":        "envoy.config.listener.v3.Listener",
	"route_config":    "envoy.config.route.v3.RouteConfiguration",
	"endpoint_config": "envoy.config.endpoint.v3.ClusterLoadAssignment",
	"secret":          "envoy.extensions.transport_sockets.tls.v3.Secret",
	"ecds_filter":     "envoy.config.core.v3.TypedExtensionConfig",
}

// lists are the members whose elements are resources: the first two in the dumps of 2018, without a wrapper.
var lists = map[string]string{
	"static_clusters":      "envoy.config.cluster.v3.Cluster",
	"static_route_configs": "envoy.config.route.v3.RouteConfiguration",
	"scoped_route_configs": "envoy.config.route.v3.ScopedRouteConfiguration",
}

// arrays are the files that `istioctl pc -o json` wrote.
var arrays = map[string]string{
	"cds.json": "envoy.config.cluster.v3.Cluster",
	"lds.json": "envoy.config.listener.v3.Listener",
	"rds.json": "envoy.config.route.v3.RouteConfiguration",

	"clusterdump.json":          "envoy.config.cluster.v3.Cluster",
	"clusterdumpfiltered.json":  "envoy.config.cluster.v3.Cluster",
	"listenerdump.json":         "envoy.config.listener.v3.Listener",
	"listenerdumpfiltered.json": "envoy.config.listener.v3.Listener",
	"routedump.json":            "envoy.config.route.v3.RouteConfiguration",
	"routedumpfiltered.json":    "envoy.config.route.v3.RouteConfiguration",
}

// sharedResources finds every resource in the JSON files below folder of the shared captures.
func sharedResources(t testing.TB, folder string) []resource {
	t.Helper()
	root := filepath.Join(fixtures.Shared(t), folder)
	var found []resource
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || !json.Valid(raw) {
			return err
		}
		if element, ok := arrays[filepath.Base(path)]; ok {
			return elements(raw, func(raw json.RawMessage) {
				found = append(found, resource{path, urlOf(protoreflect.FullName(element)), raw})
			})
		}
		found = append(found, findResources(path, raw)...)
		return nil
	})
	if err != nil {
		t.Fatalf("reading the shared captures: %v", err)
	}
	return found
}

func elements(raw json.RawMessage, visit func(json.RawMessage)) error {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for _, element := range list {
		visit(element)
	}
	return nil
}

func findResources(path string, raw json.RawMessage) (found []resource) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		_ = elements(raw, func(element json.RawMessage) { found = append(found, findResources(path, element)...) })
		return found
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(members)) {
		value := members[key]
		if name, ok := wrappers[snake(key)]; ok && isObject(value) && !bytes.Contains(value[:min(len(value), 120)], []byte("ConfigDump")) {
			found = append(found, resource{path, urlOf(protoreflect.FullName(name)), value})
			continue
		}
		if name, ok := lists[snake(key)]; ok {
			_ = elements(value, func(element json.RawMessage) {
				if inner := findResources(path, element); len(inner) > 0 {
					found = append(found, inner...)
					return
				}
				found = append(found, resource{path, urlOf(protoreflect.FullName(name)), element})
			})
			continue
		}
		found = append(found, findResources(path, value)...)
	}
	return found
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
}

func snake(key string) string {
	var b strings.Builder
	for _, r := range key {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestDecodeSharedCaptures(t *testing.T) {
	for folder, least := range map[string]int{"corpus": 1700, "captures": 5000} {
		t.Run(folder, func(t *testing.T) {
			resources := sharedResources(t, folder)
			if len(resources) < least {
				t.Errorf("got %d resources, want at least %d", len(resources), least)
			}
			for _, r := range resources {
				m, err := Decode(r.typeURL, r.raw)
				if err != nil {
					t.Errorf("%s: Decode: %v\n%.300s", r.path, err, r.raw)
					continue
				}
				if _, err := JSON(m, ""); err != nil {
					t.Errorf("%s: JSON: %v", r.path, err)
				}
				anys(m.ProtoReflect(), func(a *anypb.Any) {
					if classOf(typeName(a.GetTypeUrl())) == superseded {
						t.Errorf("%s: got a %s inside, want no v2", r.path, a.GetTypeUrl())
					}
					if _, _, err := Unpack(a); err != nil {
						t.Errorf("%s: Unpack: %v", r.path, err)
					}
				})
			}
		})
	}
}

// TestShortAndLongWayAgree: neither the tree nor what other resources brought may change what the
// short way reads.
func TestShortAndLongWayAgree(t *testing.T) {
	short, packed := 0, 0
	var d Decoder
	for _, r := range sharedResources(t, "corpus") {
		plain, err := scan(r.raw, false)
		if err != nil {
			t.Fatalf("%s: scan: %v", r.path, err)
		}
		if plain.typeURL != "" {
			r.typeURL = plain.typeURL
		}
		want := d.decodeV3(r.typeURL, plain)
		if want == nil {
			continue
		}
		short++
		s, err := scan(r.raw, true)
		if err != nil {
			t.Fatalf("%s: scan: %v", r.path, err)
		}
		packed += len(s.packed)
		whole := d.decodeV3(r.typeURL, s)
		if whole == nil || !proto.Equal(whole, want) {
			t.Errorf("%s: with its Anys packed it is another", r.path)
			continue
		}
		anys(whole.ProtoReflect(), func(a *anypb.Any) {
			m, typeURL, err := Unpack(a)
			shared, sharedURL, sharedErr := d.Unpack(a)
			if typeURL != sharedURL || !proto.Equal(m, shared) || fmt.Sprint(err) != fmt.Sprint(sharedErr) {
				t.Errorf("%s: a packed %s was unpacked as another", r.path, a.GetTypeUrl())
			}
		})
		got, err := decodeAny(r.typeURL, r.raw)
		if err != nil {
			t.Errorf("%s: decodeAny: %v", r.path, err)
			continue
		}
		if indented(t, got) != indented(t, want) {
			t.Errorf("%s:\n%s", r.path, fixtures.Diff("short way", indented(t, want), indented(t, got)))
		}
	}
	if short < 1000 || packed < 1000 {
		t.Errorf("got %d resources with %d Anys that went the short way, want at least 1000 of each", short, packed)
	}
}

// anys visits every Any of a message, those inside of others included.
func anys(m protoreflect.Message, visit func(*anypb.Any)) {
	walk(m, func(m proto.Message) {
		if a, ok := m.(*anypb.Any); ok {
			visit(a)
		}
	})
}

// walk visits every message of a message, itself and the content of each Any included.
func walk(m protoreflect.Message, visit func(proto.Message)) {
	visit(m.Interface())
	if a, ok := m.Interface().(*anypb.Any); ok {
		if inner, err := a.UnmarshalNew(); err == nil {
			walk(inner.ProtoReflect(), visit)
		}
		return
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { walk(v.Message(), visit); return true })
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				walk(v.List().Get(i).Message(), visit)
			}
		case !fd.IsMap() && !fd.IsList() && fd.Message() != nil:
			walk(v.Message(), visit)
		}
		return true
	})
}

func BenchmarkDecode(b *testing.B) {
	resources := sharedResources(b, "captures/bookinfo-allow-any")
	var size int64
	for _, r := range resources {
		size += int64(len(r.raw))
	}
	b.SetBytes(size)
	for b.Loop() {
		var d Decoder
		for _, r := range resources {
			if _, err := d.Decode(r.typeURL, r.raw); err != nil {
				b.Fatal(err)
			}
		}
	}
}
