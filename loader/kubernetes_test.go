package loader

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

const kubectlList = `apiVersion: v1
items:
- apiVersion: v1
  kind: ConfigMap
  metadata:
    name: a
    namespace: x
  data:
    text: |
      - apiVersion: not-an-item
      # no comment
- apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: b}
  spec:
    hosts:
    - h
kind: List
metadata:
  resourceVersion: ""
`

// identities are the objects as "line apiVersion/kind namespace/name".
func identities(objects []mesh.Object) []string {
	var out []string
	for _, o := range objects {
		out = append(out, fmt.Sprintf("%d %s/%s %s/%s", o.Line, o.APIVersion, o.Kind, o.Namespace, o.Name))
	}
	return out
}

func TestParseObjects(t *testing.T) {
	const virtualService = "networking.istio.io/v1/VirtualService"
	tests := []struct {
		name, text string
		want       []string
		wantErr    string
	}{
		{name: "list of kubectl", text: kubectlList, want: []string{"3 v1/ConfigMap x/a", "12 " + virtualService + " /b"}},
		{name: "CRLF", text: strings.ReplaceAll(kubectlList, "\n", "\r\n"), want: []string{"3 v1/ConfigMap x/a", "12 " + virtualService + " /b"}},
		{
			name: "cut off within an item", text: kubectlList[:strings.Index(kubectlList, "    hosts:")],
			want:    []string{"3 v1/ConfigMap x/a"},
			wantErr: "left out 1 damaged objects of 2; the first begins at line 12: the list is cut off within this object",
		},
		{
			name: "a damaged item", text: strings.Replace(kubectlList, "metadata: {name: b}", "metadata: {name: b", 1),
			want:    []string{"3 v1/ConfigMap x/a"},
			wantErr: "left out 1 damaged objects of 2; the first begins at line 12: yaml: line 2: did not find expected ',' or '}'",
		},
		{
			name: "NUL and invalid UTF-8 in items", text: strings.NewReplacer("name: a", "name: a\x00", "- h", "- \xff").Replace(kubectlList) + "---\nkind: Pod\n",
			want:    []string{"22 /Pod /"},
			wantErr: "left out 2 damaged objects of 3; the first begins at line 3: yaml: control characters are not allowed",
		},
		{
			name: "documents", text: "# first\n---\n# note\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n---\n--- {apiVersion: v1, kind: Service, metadata: {name: b}}\n---\nx: [\n--- # end\n",
			want:    []string{"4 v1/Pod /a", "9 v1/Service /b"},
			wantErr: "left out 1 damaged objects of 3; the first begins at line 11: yaml: line 1: did not find expected node content",
		},
		{
			name: "typed list, indented items", text: "apiVersion: v1\nkind: PodList\nitems:\n  - metadata:\n      name: a\n\n  - metadata:\n      name: b\n",
			want: []string{"4 v1/Pod /a", "7 v1/Pod /b"},
		},
		{
			name: "list in another style", text: "kind: List\nitems: [{kind: Pod, metadata: {name: a}}]\n",
			want: []string{"0 /Pod /a"},
		},
		{name: "sequence", text: "- kind: Pod\n- kind: Service\n", want: []string{"1 /Pod /", "0 /Service /"}},
		{name: "a top-level items of no list", text: "kind: Thing\nitems:\n- kind: Pod\n", want: []string{"1 /Thing /"}},
		{
			name: "JSON list", text: "{\n\"apiVersion\": \"v1\",\n\"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}},\n{\"kind\": bad},\n{\"metadata\": {\"name\": \"c\"}}],\n\"kind\": \"PodList\"}\n",
			want:    []string{"4 v1/Pod /a", "6 v1/Pod /c"},
			wantErr: "left out 1 damaged objects of 3; the first begins at line 5: invalid character 'b' looking for beginning of value",
		},
		{
			name: "JSON list cut off", text: "{\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"Pod\"},\n{\"kind\":\"Ser",
			want:    []string{"1 /Pod /"},
			wantErr: "left out 1 damaged objects of 2; the first begins at line 2: the JSON text is cut off: unexpected EOF",
		},
		{name: "JSON documents", text: "{\"kind\":\"Pod\"}\n{\"kind\":\"Service\",\"items\":1}", want: []string{"1 /Pod /", "2 /Service /"}},
		{
			name: "configz", text: `[{"kind":"Gateway","apiVersion":"networking.istio.io/v1","metadata":{"name":"g","namespace":"n"}}]`,
			want: []string{"1 networking.istio.io/v1/Gateway n/g"},
		},
		{
			name: "configz of old istiods",
			text: "[\n{\"type\":\"virtual-service\",\"group\":\"networking\",\"version\":\"v1alpha3\",\"name\":\"a\",\"namespace\":\"n\",\"Spec\":{\"hosts\":[\"h\"]}},\n" +
				"{\"type\":\"http-api-spec\",\"group\":\"config.istio.io\",\"version\":\"v1alpha2\",\"name\":\"b\"},\n{}]\n",
			want: []string{"2 networking.istio.io/v1alpha3/VirtualService n/a", "3 config.istio.io/v1alpha2/HTTPAPISpec /b"},
		},
		{
			name: "aliases in many items", text: "items:\n" + strings.Repeat("- {kind: a, x: &x [1,1,1,1,1,1,1,1], y: &y [*x,*x,*x,*x,*x,*x,*x,*x], z: &z [*y,*y,*y,*y,*y,*y,*y,*y], u: &u [*z,*z,*z,*z,*z,*z,*z,*z], v: [*u,*u,*u,*u,*u]}\n", 10) + "kind: List\n",
			want:    []string{"2 /a /", "3 /a /", "4 /a /"},
			wantErr: "left out 7 damaged objects of 10; the first begins at line 5: line 1: its aliases stand for too much",
		},
		{name: "text", text: "hello\n", wantErr: "left out 1 damaged objects of 1; the first begins at line 1: expected a Kubernetes object, a mapping with apiVersion and kind"},
		{name: "a mapping without a kind", text: "a: 1\n", wantErr: "left out 1 damaged objects of 1; the first begins at line 1: expected a Kubernetes object, a mapping with apiVersion and kind"},
		{name: "nothing", text: "---\n# empty\n---\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			objects, err := parseObjects([]byte(test.text))
			if got := message(err); got != test.wantErr {
				t.Errorf("got error %q\nwant %q", got, test.wantErr)
			}
			if got := identities(objects); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestParseObjectsFields(t *testing.T) {
	yaml := "apiVersion: v1\nkind: Service\nmetadata:\n  creationTimestamp: 2025-01-01T00:00:00Z\nspec:\n  ports: [{port: 80}]\n"
	json := `{"apiVersion":"v1","kind":"Service","metadata":{"creationTimestamp":"2025-01-01T00:00:00Z"},"spec":{"ports":[{"port":80}]}}`
	ofYAML, err := parseObjects([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	ofJSON, err := parseObjects([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(ofYAML[0].Fields, ofJSON[0].Fields) {
		t.Errorf("got %#v of YAML and %#v of JSON, want the same", ofYAML[0].Fields, ofJSON[0].Fields)
	}
	old, err := parseObjects([]byte(`[{"type":"gateway","version":"v1","group":"g","labels":{"a":"b"},"Spec":{"x":1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "g.istio.io/v1", "kind": "Gateway",
		"metadata": map[string]any{"labels": map[string]any{"a": "b"}}, "spec": map[string]any{"x": 1.0},
	}
	if !reflect.DeepEqual(old[0].Fields, want) {
		t.Errorf("got %#v\nwant %#v", old[0].Fields, want)
	}
}

// TestParseObjectsOfBugReport reads what kubectl saved: nothing may be lost, and lines must be right.
func TestParseObjectsOfBugReport(t *testing.T) {
	capture, err := Load([]string{filepath.Join(fixtures.Shared(t), "corpus", "bug-report-1.25", "bug-report.tar.gz")}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, doc := range capture.Objects {
		objects, err := doc.Get()
		if err != nil {
			t.Errorf("%s: got error %v, want none", doc.Source.File, err)
		}
		lines := strings.Split(string(doc.Raw), "\n")
		for _, o := range objects {
			if line := lines[o.Line-1]; !strings.HasPrefix(line, "- ") && !strings.HasPrefix(line, "[{") {
				t.Errorf("%s:%d: got line %.40q, want the first one of an object", doc.Source.File, o.Line, line)
			}
		}
		got[filepath.Base(doc.Source.File)] = len(objects)
		if want := strings.Count(string(doc.Raw), "\n- "); want > 0 && len(objects) != want {
			t.Errorf("%s: got %d objects, want %d", doc.Source.File, len(objects), want)
		}
	}
	for _, file := range []string{"k8s-resources", "crs", "nodes", "pods"} {
		if got[file] == 0 {
			t.Errorf("got no objects of %s, want some", file)
		}
	}
}

func FuzzParseObjects(f *testing.F) {
	f.Add([]byte(kubectlList))
	f.Add([]byte("---\nkind: Pod\n---\n- kind: a\n...\nitems:\n  - x\n"))
	f.Add([]byte(`{"kind":"List","items":[{"kind":"Pod"},{"type":"gateway","version":"v1","Spec":{}},{}]} [{"kind":"x"}]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		objects, _ := parseObjects(raw)
		for _, o := range objects {
			if o.Kind == "" || o.Line > strings.Count(string(raw), "\n")+1 {
				t.Errorf("got object %+v, want a kind and a line of the file", o)
			}
		}
	})
}

func BenchmarkParseObjects(b *testing.B) {
	items := strings.Split(kubectlList, "- apiVersion: networking")[0]
	raw := []byte(items + strings.Repeat(strings.SplitAfter(items, "items:\n")[1], 15_000) + "kind: List\n")
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := parseObjects(raw); err != nil {
			b.Fatal(err)
		}
	}
}
