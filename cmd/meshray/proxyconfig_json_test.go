package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/fixtures"
)

// TestJSONAsCaptured checks on dumps of all ages that -o json has every resource, to the letter. Of
// the EndpointsConfigDump eds has the clusters with endpoints alone, as istioctl; all has the rest.
func TestJSONAsCaptured(t *testing.T) {
	shared := fixtures.Shared(t)
	views := map[string]mesh.ResourceKind{
		"cluster": mesh.Cluster, "listener": mesh.Listener, "route": mesh.Route, "secret": mesh.Secret, "ecds": mesh.Extension,
	}
	paths := []string{
		"corpus/istio-0.8", "corpus/istio-1.1", "corpus/istio-1.4", "corpus/istio-1.5-bookinfo", "corpus/istio-1.8", "corpus/istio-1.18-nack",
		"corpus/consul", "corpus/kuma", "corpus/plain-envoy-1.14", "captures/envoy-real/after/config_dump.json", "captures/waypoint",
	}
	compared := 0
	for _, path := range paths {
		capture := loadCapture(t, filepath.Join(shared, path))
		for _, p := range capture.Proxies {
			for view, kind := range views {
				if !p.Has(kind) {
					continue
				}
				got := runView(capture, view, "-o", "json", p.Key())
				if got.code != exitClean {
					t.Errorf("%s: %s of %s: exit code %d, %s", path, view, p.Key(), got.code, got.stderr)
					continue
				}
				want := compacted(t, p.Resources(kind))
				if !slices.Equal(compactedArray(t, got.stdout), want) {
					t.Errorf("%s: %s of %s: the JSON is not that of the %d captured resources", path, view, p.Key(), len(want))
				}
				compared += len(want)
			}
			checkWholeDump(t, capture, p)
		}
	}
	if compared < 500 {
		t.Errorf("compared %d resources, want more", compared)
	}
	t.Logf("%d resources are printed as captured", compared)
}

// checkWholeDump checks the same of `all`, whose JSON has everything.
func checkWholeDump(t *testing.T, capture *mesh.Capture, p *mesh.Proxy) {
	t.Helper()
	if len(p.Sections) == 0 {
		return
	}
	got := runView(capture, "all", "-o", "json", p.Key())
	var whole struct{ Clusters, Listeners, Routes, ScopedRoutes, Endpoints, Secrets, ECDS []json.RawMessage }
	if err := json.Unmarshal([]byte(got.stdout), &whole); err != nil {
		t.Fatalf("all of %s: %v, %s", p.Key(), err, got.stderr)
	}
	for kind, list := range map[mesh.ResourceKind][]json.RawMessage{
		mesh.Cluster: whole.Clusters, mesh.Listener: whole.Listeners, mesh.Route: whole.Routes, mesh.ScopedRoute: whole.ScopedRoutes,
		mesh.Endpoint: whole.Endpoints, mesh.Secret: whole.Secrets, mesh.Extension: whole.ECDS,
	} {
		var elements []string
		for _, element := range list {
			elements = append(elements, compactJSON(t, element))
		}
		slices.Sort(elements)
		if want := compacted(t, p.Resources(kind)); !slices.Equal(elements, want) {
			t.Errorf("all of %s: got %d of kind %s, want the %d captured ones", p.Key(), len(elements), kind, len(want))
		}
	}
}

func compacted(t *testing.T, resources []*mesh.Resource) []string {
	t.Helper()
	var out []string
	for _, r := range resources {
		if r.Raw() != nil {
			out = append(out, compactJSON(t, rawjson.StripTrailingCommas(r.Raw())))
		}
	}
	slices.Sort(out)
	return out
}

func compactedArray(t *testing.T, text string) []string {
	t.Helper()
	var elements []json.RawMessage
	if err := json.Unmarshal([]byte(text), &elements); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, element := range elements {
		out = append(out, compactJSON(t, element))
	}
	slices.Sort(out)
	return out
}

func compactJSON(t *testing.T, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDocuments(t *testing.T) {
	raw := func(name, text string) configDocument {
		return configDocument{name: name, raw: []byte(text), v3: func() ([]byte, error) { return []byte(`{"v": 3}`), nil }}
	}
	tests := []struct {
		name   string
		docs   documents
		format string
		v3     bool
		want   string
		notes  int
	}{
		{"none", documents{}, jsonFormat, false, "[]\n", 0},
		{"none as YAML", documents{}, yamlFormat, false, "[]\n", 0},
		{
			"numbers and the order of keys stay", documents{list: []configDocument{raw("a", `{"b":1.50,"a":12345678901234567890,}`), raw("b", `{}`)}}, jsonFormat, false,
			"[\n    {\n        \"b\": 1.50,\n        \"a\": 12345678901234567890\n    },\n    {}\n]\n", 0,
		},
		{"API v3", documents{list: []configDocument{raw("a", `{}`)}}, jsonFormat, true, "[\n    {\n        \"v\": 3\n    }\n]\n", 0},
		{"a single one", documents{single: true, list: []configDocument{raw("a", `{"a":[1]}`)}}, jsonFormat, false, "{\n    \"a\": [\n        1\n    ]\n}\n", 0},
		{"a list as YAML", documents{list: []configDocument{raw("a", `{"b":1,"a":"on"}`), raw("b", `{"c":[]}`)}}, yamlFormat, false, "- b: 1\n  a: \"on\"\n- c: []\n", 0},
		{"what is no JSON is left out", documents{list: []configDocument{raw("bad", `{"a":nope}`), {name: "absent"}, raw("b", `{}`)}}, jsonFormat, false, "[\n    {}\n]\n", 2},
		{"control characters are escaped", documents{list: []configDocument{raw("a", "{\"a\":\"\u202e\"}")}}, jsonFormat, false, "[\n    {\n        \"a\": \"\\u202e\"\n    }\n]\n", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			notes, err := test.docs.write(&out, test.format, test.v3)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.String(); got != test.want || len(notes) != test.notes {
				t.Errorf("got  %q with notes %q\nwant %q with %d", got, notes, test.want, test.notes)
			}
		})
	}
}

func TestPodName(t *testing.T) {
	tests := []struct{ argument, want string }{
		{"", ""}, {"shop-1", "shop-1"}, {"pod/shop-1.web", "shop-1.web"}, {"shop-1.web (a/b.json)", "shop-1.web (a/b.json)"},
	}
	for _, test := range tests {
		if got := podName(test.argument); got != test.want {
			t.Errorf("podName(%q): got %q, want %q", test.argument, got, test.want)
		}
	}
}
