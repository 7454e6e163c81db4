package xds

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/fixtures"
)

const (
	clusterURL  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	listenerURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
)

// TestDecode runs testdata/decode/*.txtar: a type, in.json, and want.json, the v3 message it stands for.
func TestDecode(t *testing.T) {
	paths, err := filepath.Glob("testdata/decode/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("finding the cases: got %d (%v), want some", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil || len(archive.Files) != 3 {
				t.Fatalf("reading %s: got %v, want the files type, in.json and want.json", path, err)
			}
			m, err := Decode(strings.TrimSpace(string(archive.Files[0].Data)), archive.Files[1].Data)
			if err != nil {
				t.Fatalf("Decode: got error %v, want none", err)
			}
			got := "// " + string(m.ProtoReflect().Descriptor().FullName()) + "\n" + indented(t, m) + "\n"
			want := &archive.Files[2]
			if fixtures.Update() {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(want.Data) {
				t.Errorf("Decode:\n%s", fixtures.Diff(path, string(want.Data), got))
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	deep := strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1)
	tests := map[string]struct{ typeURL, raw, want string }{
		"nothing":        {clusterURL, ``, "expected JSON: EOF"},
		"not JSON":       {clusterURL, `{"name":`, "expected JSON: unexpected EOF"},
		"not an object":  {clusterURL, `["a"]`, "expected an object, got a list"},
		"more than one":  {clusterURL, `{} {}`, "expected one JSON object, got more after byte"},
		"no type":        {"", `{"name":"c"}`, `expected a type, from the caller or as "@type"`},
		"too deep":       {clusterURL, deep, "expected at most 200 levels of nesting, got more at byte 1000"},
		"scalar":         {clusterURL, `{"load_assignment":{"endpoints":[{},{"priority":"high"}]}}`, `load_assignment.endpoints[1].priority: expected uint32, got "high"`},
		"duration":       {clusterURL, `{"connectTimeout":"soon"}`, `connect_timeout: expected google.protobuf.Duration, got "soon"`},
		"message":        {clusterURL, `{"eds_cluster_config":[1]}`, "eds_cluster_config: expected an object (envoy.config.cluster.v3.Cluster.EdsClusterConfig), got a list"},
		"map":            {clusterURL, `{"metadata":{"filter_metadata":7}}`, "metadata.filter_metadata: expected an object, got 7"},
		"map element":    {clusterURL, `{"metadata":{"filter_metadata":{"a.b":true}}}`, `metadata.filter_metadata["a.b"]: expected google.protobuf.Struct, got true`},
		"any":            {clusterURL, `{"transport_socket":{"typed_config":"tls"}}`, `transport_socket.typed_config: expected an object with an @type, got "tls"`},
		"inside any":     {clusterURL, `{"tls_context":{"sni":1}}`, "transport_socket.typed_config.sni: expected string, got 1"},
		"well-known any": {clusterURL, `{"transport_socket":{"typed_config":{"@type":"x/google.protobuf.StringValue","value":1}}}`, "transport_socket.typed_config.value: expected google.protobuf.StringValue, got 1"},
		"oneof":          {clusterURL, `{"type":"EDS","cluster_type":{"name":"x"}}`, "expected at most one member of each oneof of envoy.config.cluster.v3.Cluster"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Decode(test.typeURL, []byte(test.raw))
			if err == nil {
				t.Fatalf("Decode: got %v, want an error", m)
			}
			if want := "decoding " + test.typeURL + ": " + test.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Decode:\n got error %v\nwant error %s", err, want)
			}
		})
	}
}

// TestDecodeShortWay holds v3 to the way that costs no tree.
func TestDecodeShortWay(t *testing.T) {
	tests := map[string]struct {
		raw  string
		want bool
	}{
		"v3":                   {`{"name":"l"}`, true},
		"unknown type":         {`{"filter_chains":[{"filters":[{"name":"a","typed_config":{"@type":"x/a.B","c":{"@type":"x/d.E"}}}]}]}`, true},
		"typed struct":         {`{"filter_chains":[{"filters":[{"typed_config":{"@type":"x/udpa.type.v1.TypedStruct","value":{"name":"envoy.router"}}}]}]}`, true},
		"v2 type":              {`{"filter_chains":[{"filters":[{"typed_config":{"@type":"x/envoy.config.filter.network.tcp_proxy.v2.TcpProxy"}}]}]}`, false},
		"legacy name":          {`{"listener_filters":[{"name":"envoy.listener.tls_inspector"}]}`, false},
		"v2 field":             {`{"filter_chains":[{"tls_context":{}}]}`, false},
		"deprecated_v1":        {`{"deprecated_v1":{}}`, false},
		"type that comes late": {`{"name":"l","@type":"x/envoy.config.listener.v3.Listener"}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := scan([]byte(test.raw), true)
			if err != nil {
				t.Fatalf("scan: %v", err)
			}
			short := new(Decoder).decodeV3(listenerURL, s)
			if got := short != nil; got != test.want {
				t.Errorf("decodeV3: got %t, want %t", got, test.want)
			}
			long, err := decodeAny(listenerURL, []byte(test.raw))
			if err != nil {
				t.Fatalf("decodeAny: %v", err)
			}
			if short != nil && indented(t, short) != indented(t, long) {
				t.Errorf("the two ways differ:\n%s", fixtures.Diff("short", indented(t, long), indented(t, short)))
			}
		})
	}
}

// TestDecodeWhatLooksPacked: an object with a type is an Any only where the API has one.
func TestDecodeWhatLooksPacked(t *testing.T) {
	const router = `{"@type":"x/envoy.extensions.filters.http.router.v3.Router","start_child_span":true}`
	for name, raw := range map[string]string{
		"in a Struct":         `{"name":"l","metadata":{"filter_metadata":{"a":{"note":` + router + `}}}}`,
		"a placeholder":       `{"filter_chains":[{"filters":[{"name":"a","typed_config":` + placeholder(0) + `},{"name":"b","typed_config":` + router + `}]}]}`,
		"a text":              `{"name":"\"@type\":","stat_prefix":"{\"@type\":\"x/y.Z\"}"}`,
		"a type that is none": `{"name":"l","metadata":{"filter_metadata":{"a":{"note":{"@type":7}}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			want, err := decodeAny(listenerURL, []byte(raw))
			if err != nil {
				t.Fatalf("decodeAny: %v", err)
			}
			got, err := Decode(listenerURL, []byte(raw))
			if err != nil || indented(t, got) != indented(t, want) {
				t.Errorf("Decode: %v\n%s", err, fixtures.Diff("the long way", indented(t, want), indented(t, got)))
			}
		})
	}
}

func TestScanNodeExtensions(t *testing.T) {
	raw := `{"node":{"extensions":[{"name":"envoy.router","category":"envoy.filters.http"}]},"static_resources":{}}`
	if s, err := scan([]byte(raw), true); err != nil || s.legacy {
		t.Errorf("scan: got legacy %t (%v), want the names a node lists ignored", s.legacy, err)
	}
}
