package loader

import (
	"encoding/json"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// FuzzSniff holds the classifier to its contract: a kind for everything, an
// offset within the text, and no panic.
func FuzzSniff(f *testing.F) {
	for _, seed := range []struct{ name, data string }{
		{"config_dump.json", `{"configs": []}`},
		{"debug/syncz", "null"},
		{"a.json", "\xef\xbb\xbf200\r\n{\"cluster_statuses\": []}"},
		{"stats", "cluster_manager.cds.update_rejected: 1\n"},
		{"crs", "apiVersion: v1\nitems:\n- x: |\n    {\n"},
		{"x", `[{"proxy": "a.b", "cluster_sent": ""}]`},
		{"x", `{"ns": {"name": {"configs": [1]}}}`},
	} {
		f.Add(seed.name, []byte(seed.data))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		found := sniff(name, data)
		if found.kind == "" || found.at < 0 || found.at > len(data) {
			t.Fatalf("sniff(%q, %q) = %+v, want a kind and an offset within the text", name, data, found)
		}
		identify(name, true)
	})
}

// FuzzIndex holds the structural pass to what it promises of any text: every
// resource lies within it, and carries the bytes that stand at its place; and of
// valid JSON, however it is set, the pass by indentation finds what the exact
// one finds.
func FuzzIndex(f *testing.F) {
	f.Add(benchDump(2))
	f.Add([]byte("{\"configs\": [\n {\"static_clusters\": [\n {\"cluster\": {\n \"name\": \"a\", \"x\": {\n }, \"y\": {\n}}}]}]}"))
	f.Add([]byte("{\"configs\": [{\"static_clusters\": [{\"cluster\": {\"name\": \"a\", \"\\n\xff\xff\xff\xff\xff\xff\xff\": 1}}, {\"cluster\": {\"name\": \"b\", \"t\\u0079pe\": \"EDS\"}}]}]}"))
	f.Add([]byte(`{"configs": {"clusters": {"staticClusters": [{"name": "bare"}], "dynamicActiveClusters": [{"cluster": {}}]}}}`))
	f.Add([]byte(`{"configs": [{"dynamic_listeners": [{"name": "l", "error_state": {"details": "x"}}, {"error_state": {"failed_configuration": {"name": "l"}, "details": "x"}}]}]}`))
	f.Add([]byte(`{"configs": [{"@type": "a.EcdsConfigDump.EcdsFilterConfig", "ecds_filter": {"name": "e"}}, {"@type": "x.v3.Cluster", "name": "c"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		f := &file{input: &mesh.Input{Path: "fuzz"}, buf: data}
		x, err := f.walk(0, func(x *index) error { return x.dump("") })
		if json.Valid(data) {
			exact := newIndex("fuzz", data, 0)
			exact.scan = rawjson.New(data, 0)
			if exactErr := exact.dump(""); (err == nil) != (exactErr == nil) || len(exact.resources) != len(x.resources) {
				t.Fatalf("by indentation %d resources (%v), exactly %d (%v)", len(x.resources), err, len(exact.resources), exactErr)
			}
		}
		if err != nil && x.damage(err) == "" {
			t.Fatal("want damage to be told in words")
		}
		x.bind(newStore())
		for _, kind := range []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener, mesh.Route, mesh.ScopedRoute, mesh.Endpoint, mesh.Secret, mesh.Extension} {
			for _, r := range x.config.Resources(kind) {
				raw, at := r.Raw(), r.Source.Offset
				if at < 0 || at+len(raw) > len(data) || string(data[at:at+len(raw)]) != string(raw) {
					t.Fatalf("%s %q: its place is not where its content stands", kind, r.Name())
				}
				_ = r.Source.Pointer()
				exactly := rawjson.Get(raw, "type")
				if noted := r.PeekRaw("type"); string(noted) != string(exactly) {
					t.Fatalf("%s %q: its noted type is %q, in its text it is %q", kind, r.Name(), noted, exactly)
				}
			}
		}
	})
}
