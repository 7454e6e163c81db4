package loader_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
	"github.com/meshray/meshray/loader/archive"
)

// TestLoad opens the files of each case in fixtures/loader as one folder and
// compares what became of them with its section "want".
func TestLoad(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(fixtures.Root(t), "fixtures", "loader", "*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("want cases in fixtures/loader, got %d (%v)", len(cases), err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			files, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			capture := loadFolder(t, files)
			got := summary(capture)
			want := &files.Files[len(files.Files)-1]
			if want.Name != "want" {
				t.Fatalf("%s: want the last section to be called want", name)
			}
			if fixtures.Update() {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(files), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

func loadFolder(t *testing.T, files *txtar.Archive) *mesh.Capture {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files.Files {
		if f.Name == "want" {
			continue
		}
		writeFile(t, filepath.Join(dir, filepath.FromSlash(f.Name)), string(f.Data))
	}
	return loadPath(t, dir)
}

// summary is a capture in a form that a person can check.
func summary(c *mesh.Capture) string {
	var b strings.Builder
	for _, in := range c.Inputs {
		fmt.Fprintf(&b, "input %s: %s, %s", in.Path, in.Kind, in.Fate)
		if in.Owner != "" {
			fmt.Fprintf(&b, ", of %s", in.Owner)
		}
		if in.Reason != "" {
			fmt.Fprintf(&b, ": %s", in.Reason)
		}
		b.WriteByte('\n')
	}
	for _, cp := range c.ControlPlanes {
		fmt.Fprintf(&b, "istiod %s revision %q version %q\n", cp.Key(), cp.Revision, cp.Version)
	}
	for _, p := range c.Proxies {
		fmt.Fprintf(&b, "proxy %s: %s, istio %q, envoy %q, addresses %v\n", p.Key(), p.Kind, p.IstioVersion, p.EnvoyVersion, p.Addresses)
		writeConfig(&b, "", &p.Config)
		if p.Pilot != nil {
			writeConfig(&b, "pilot ", p.Pilot)
		}
	}
	for _, p := range c.Problems {
		fmt.Fprintf(&b, "problem %s\n", p)
	}
	return b.String()
}

func writeConfig(b *strings.Builder, prefix string, c *mesh.Config) {
	for _, s := range c.Sections {
		if s.Kind == "" {
			fmt.Fprintf(b, "  %ssection %s unknown, %d bytes\n", prefix, s.TypeURL, len(s.Raw))
		}
	}
	for _, kind := range []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener, mesh.Route, mesh.ScopedRoute, mesh.Endpoint, mesh.Secret, mesh.Extension} {
		for _, r := range c.Resources(kind) {
			fmt.Fprintf(b, "  %s%s %q %s %s", prefix, kind, r.Name(), r.Origin, r.State)
			if r.Version != "" {
				fmt.Fprintf(b, " version %s", r.Version)
			}
			if !r.Updated.IsZero() {
				fmt.Fprintf(b, " updated %s", r.Updated.Format("15:04:05"))
			}
			for _, w := range r.WaitsFor {
				fmt.Fprintf(b, " waits for %s", w)
			}
			if r.Error != nil {
				fmt.Fprintf(b, " because %q", r.Error.Details)
			}
			fmt.Fprintf(b, " at %s %s\n", r.Source, r.Source.Pointer())
		}
	}
}

const smallDump = `{
 "configs": [
  {
   "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
   "bootstrap": {"node": {"id": "sidecar~10.0.0.1~a-1.ns~ns.svc.cluster.local"}},
   "last_updated": "2026-01-02T03:04:05Z"
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
   "version_info": "v1",
   "dynamic_active_clusters": [
    {"version_info": "v1", "cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "one", "type": "EDS"}, "last_updated": "2026-01-02T03:04:06Z"},
    {"version_info": "v1", "cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "two \"}{", "type": "STATIC"}, "last_updated": "2026-01-02T03:04:07Z"}
   ]
  },
  {
   "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
   "dynamic_listeners": [
    {"name": "l", "active_state": {"version_info": "v1", "listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "l"}}}
   ]
  }
 ]
}
`

func loadBytes(t *testing.T, data []byte) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{"-"}, bytes.NewReader(data), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// resourceNames lists what a capture has, whatever the file around it.
func resourceNames(c *mesh.Capture) []string {
	var names []string
	for _, p := range c.Proxies {
		for _, kind := range []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener} {
			for _, r := range p.Resources(kind) {
				names = append(names, string(kind)+" "+r.Name())
			}
		}
	}
	return names
}

func TestTolerance(t *testing.T) {
	want := fmt.Sprint(resourceNames(loadBytes(t, []byte(smallDump))))
	if n := len(resourceNames(loadBytes(t, []byte(smallDump)))); n != 4 {
		t.Fatalf("the dump itself gives %d resources, want 4", n)
	}
	for _, tc := range []struct {
		name string
		text string
		fate mesh.Fate
		said string // part of a problem; "" for none
	}{
		{"byte order mark", "\xef\xbb\xbf" + smallDump, mesh.FateRead, ""},
		{"UTF-16", utf16Text(binary.LittleEndian, smallDump), mesh.FateRead, "UTF-16"},
		{"UTF-16, big endian", utf16Text(binary.BigEndian, smallDump), mesh.FateRead, "UTF-16"},
		{"CRLF", strings.ReplaceAll(smallDump, "\n", "\r\n"), mesh.FateRead, ""},
		{"one line", strings.ReplaceAll(smallDump, "\n", ""), mesh.FateRead, ""},
		{"HTTP status line", "200\n" + smallDump, mesh.FateRead, "before the JSON"},
		{"HTTP headers", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + smallDump, mesh.FateRead, "before the JSON"},
		{"kubectl first", "Defaulted container \"istio-proxy\" out of: istio-proxy, app\n" + smallDump, mesh.FateRead, "before the JSON"},
		{"log line first", "2026-01-02T03:04:05.123Z\tinfo\tsomething\n" + smallDump, mesh.FateRead, "before the JSON"},
		{"JSON log first", `{"level":"warn","time":"2026-01-02T03:04:05.123Z","msg":"x"}` + "\n" + `{"level":"info","time":"2026-01-02T03:04:05.124Z","msg":"{"}` + "\n" + smallDump, mesh.FateRead, "before the JSON"},
		{"text behind", smallDump + "command terminated with exit code 1\n", mesh.FateRead, "behind the JSON"},
		{"trailing commas", strings.ReplaceAll(smallDump, "]", ", ]"), mesh.FateRead, ""},
		{"camelCase", camel(smallDump), mesh.FateRead, ""},
		{"mixed case", strings.Replace(smallDump, "dynamic_active_clusters", "dynamicActiveClusters", 1), mesh.FateRead, ""},
		{"no indentation", strings.ReplaceAll(oddLines(smallDump, "  "), "\n  ", "\n"), mesh.FateRead, ""},
		{"closing brackets too far left", oddLines(smallDump, ""), mesh.FateRead, ""},
		{"closing brackets too far right", oddLines(smallDump, "       "), mesh.FateRead, ""},
		{"closing brackets on the line before", strings.NewReplacer("\n   }", "}", "\n  }", "}", "\n ]", "]").Replace(oddLines(smallDump, "  ")), mesh.FateRead, ""},
		{"a member before, set oddly", "{\n\"first\": {\n \"x\": {\n}\n}," + smallDump[1:], mesh.FateRead, ""},
		{"tabs", strings.ReplaceAll(oddLines(smallDump, "  "), "\n  ", "\n\t"), mesh.FateRead, ""},
		{"NULs behind", smallDump + strings.Repeat("\x00", 100), mesh.FateRead, ""},
		{"last brace cut", strings.TrimSuffix(smallDump, "}\n"), mesh.FateDamaged, "cut off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			capture := loadBytes(t, []byte(tc.text))
			if got := fmt.Sprint(resourceNames(capture)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := capture.Inputs[0].Fate; got != tc.fate {
				t.Errorf("fate %s, want %s", got, tc.fate)
			}
			if got := fmt.Sprint(capture.Problems); tc.said == "" && len(capture.Problems) > 0 || !strings.Contains(got, tc.said) {
				t.Errorf("problems %s, want %q", got, tc.said)
			}
		})
	}
}

// utf16Text is what PowerShell's ">" makes of a text.
func utf16Text(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// oddLines sets every bracket on a line of its own, closing ones after indent.
// The dump has none of these characters but in its structure, and in one name,
// which is left alone.
func oddLines(text, indent string) string {
	const name = `two \"}{`
	text = strings.ReplaceAll(text, name, "NAME")
	text = strings.NewReplacer("{", "{\n   ", "}", "\n"+indent+"}", "]", "\n"+indent+"]").Replace(text)
	return strings.ReplaceAll(text, "NAME", name)
}

func camel(text string) string {
	return strings.NewReplacer("dynamic_active_clusters", "dynamicActiveClusters", "version_info", "versionInfo",
		"last_updated", "lastUpdated", "dynamic_listeners", "dynamicListeners", "active_state", "activeState").Replace(text)
}

// TestCutAnywhere cuts a dump at every byte: exactly what is complete before
// the cut is there, and the cut is reported with its place.
func TestCutAnywhere(t *testing.T) {
	whole := loadBytes(t, []byte(smallDump)).Proxies[0]
	var ends []int
	for _, kind := range []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener} {
		for _, r := range whole.Resources(kind) {
			ends = append(ends, r.Source.Offset+len(r.Raw()))
		}
	}
	for cut := 1; cut < len(strings.TrimRight(smallDump, "\n")); cut++ {
		capture := loadBytes(t, []byte(smallDump[:cut]))
		in := capture.Inputs[0]
		if in.Kind != mesh.KindConfigDump {
			if cut > 20 {
				t.Fatalf("cut at %d: the dump was taken for %s", cut, in.Kind)
			}
			continue // too little is left to see what it was
		}
		if in.Fate != mesh.FateDamaged || !strings.Contains(in.Reason, fmt.Sprintf("byte %d", cut)) {
			t.Fatalf("cut at %d: fate %s because %q, want damaged with the place", cut, in.Fate, in.Reason)
		}
		want := 0
		for _, end := range ends {
			if end <= cut {
				want++
			}
		}
		if got := len(resourceNames(capture)); got != want {
			t.Fatalf("cut at %d: got %d resources, want %d", cut, got, want)
		}
	}
}

// TestLimit reads a dump that is longer than one file may be: what was read is
// used, and the report names the flag that raises the limit.
func TestLimit(t *testing.T) {
	opts := loader.Options{Limits: archive.Limits{FileBytes: 600}}
	capture, err := loader.Load([]string{"-"}, strings.NewReader(smallDump), opts)
	if err != nil {
		t.Fatal(err)
	}
	in := capture.Inputs[0]
	if in.Fate != mesh.FateDamaged || !strings.Contains(in.Reason, "--max-file-bytes") {
		t.Errorf("fate %s because %q, want damaged and the flag --max-file-bytes", in.Fate, in.Reason)
	}
	if got := resourceNames(capture); len(got) != 2 {
		t.Errorf("got %v, want the bootstrap and the first cluster", got)
	}
}

// TestManyDocuments has a file of a million documents whose kinds alternate.
func TestManyDocuments(t *testing.T) {
	capture := loadBytes(t, []byte(strings.Repeat(`{"configs": []} {"a": 1} `, 1_000_000)))
	if last := capture.Problems[len(capture.Problems)-1]; !strings.Contains(last.Message, "passed over: the kind of document changed 100 times") {
		t.Errorf("got %s, want it to say where reading ended", last)
	}
}

func TestSharedContent(t *testing.T) {
	dir := t.TempDir()
	for _, pod := range []string{"a-1", "a-2"} {
		text := strings.ReplaceAll(smallDump, "a-1.ns", pod+".ns")
		if err := os.WriteFile(filepath.Join(dir, pod+".json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	capture, err := loader.Load([]string{dir}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(capture.Proxies) != 2 {
		t.Fatalf("got %d proxies, want 2", len(capture.Proxies))
	}
	a, b := capture.Proxies[0], capture.Proxies[1]
	if !a.Clusters[0].Same(b.Clusters[0]) || a.Clusters[0].Same(b.Clusters[1]) || a.Bootstrap.Same(b.Bootstrap) {
		t.Error("want equal clusters to share one content, and different ones not")
	}
	first, err := a.Clusters[0].Cluster()
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := b.Clusters[0].Cluster(); first != second {
		t.Error("want one decoded message for one content")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(smallDump))
	f.Add([]byte(`[{"proxy":"a.b","cluster_sent":"1"}]`))
	f.Add([]byte("apiVersion: v1\nitems:\n- kind: Pod\n"))
	f.Add([]byte(`{"ns":{"name":{"configs":[{"@type":"x"}]}}}`))
	f.Add([]byte(`{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster","cluster":{"name":"x"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		capture, err := loader.Load([]string{"-"}, bytes.NewReader(data), loader.Options{})
		if err != nil {
			t.Fatalf("damage must not stop a load: %v", err)
		}
		for _, p := range capture.Proxies {
			for _, kind := range []mesh.ResourceKind{mesh.Bootstrap, mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret} {
				for _, r := range p.Resources(kind) {
					_, _ = r.Message()
				}
			}
		}
		_ = summary(capture)
		_ = capture.Gaps()
	})
}
