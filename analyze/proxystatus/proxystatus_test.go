package proxystatus_test

import (
	"bytes"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

func load(t *testing.T, path string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{path}, strings.NewReader(""), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// render sets a table as istioctl does, with line ends trimmed.
func render(t *testing.T, cells [][]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 5, ' ', 0)
	for _, row := range cells {
		if _, err := io.WriteString(w, strings.Join(row, "\t")+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return trimmed(b.String())
}

// trimmed removes blanks at line ends and empty lines at the end.
func trimmed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \r\n"))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// TestCases runs fixtures/proxystatus/*.txtar: files below capture/ are the capture; each
// "want STYLE" is the table in that style, "want wide" the wide one, and "want
// notes" what stands below it.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(fixtures.Root(t), "fixtures/proxystatus/*.txtar"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("got no cases (%v), want fixtures/proxystatus/*.txtar", err)
	}
	for _, name := range cases {
		t.Run(filepath.Base(name), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(t.TempDir(), "capture")
			for _, f := range archive.Files {
				if inside, ok := strings.CutPrefix(f.Name, "capture/"); ok {
					writeFile(t, filepath.Join(folder, filepath.FromSlash(inside)), f.Data)
				}
			}
			table := proxystatus.Of(load(t, folder), "")
			for i, f := range archive.Files {
				style, ok := strings.CutPrefix(f.Name, "want ")
				if !ok {
					continue
				}
				got := output(t, table, style)
				if want := trimmed(string(f.Data)); got != want {
					archive.Files[i].Data = []byte(got)
					if !fixtures.Update() {
						t.Errorf("%s; go test -update accepts it\n%s", f.Name, fixtures.Diff(f.Name, want, got))
					}
				}
			}
			if fixtures.Update() {
				writeFile(t, name, txtar.Format(archive))
			}
		})
	}
}

func output(t *testing.T, table *proxystatus.Table, style string) string {
	t.Helper()
	switch style {
	case "notes":
		return trimmed(strings.Join(table.Notes(), "\n"))
	case "wide":
		return render(t, table.Wide())
	}
	return render(t, table.Cells(proxystatus.Style(style)))
}

func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPeerTables compares with what istioctl 1.0 prints for statuses like these.
func TestPeerTables(t *testing.T) {
	goldens := filepath.Join(fixtures.Shared(t), "corpus/peer-goldens/istioctl-1.0/pilot/testdata")
	own := filepath.Join(fixtures.Root(t), "fixtures/proxystatus")
	for capture, golden := range map[string]string{
		"single":                          "multiStatusSinglePilot.txt",
		"multi":                           "multiStatusMultiPilot.txt",
		"multi/istio/istio-system/pilot2": "singleStatus.txt",
	} {
		want, err := os.ReadFile(filepath.Join(goldens, golden))
		if err != nil {
			t.Fatal(err)
		}
		// A replica's name stands in its path.
		c := load(t, filepath.Join(own, filepath.FromSlash(capture)))
		if path.Base(capture) == "pilot2" {
			c.ControlPlanes[0].Name = "pilot2"
		}
		if got := render(t, proxystatus.Of(c, "").Cells("1.0")); got != trimmed(string(want)) {
			t.Errorf("%s:\n%s", golden, fixtures.Diff(golden, trimmed(string(want)), got))
		}
	}
}

func TestSharedCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	tests := []struct{ capture, want string }{
		{"captures/bookinfo-allow-any", "7 proxies: 7 synced"},
		{"captures/bookinfo-drift", "7 proxies: 3 synced, 2 stale, 1 with errors, 1 not sent"},
		{"captures/large/bug-report-100.tar.gz", "100 proxies: 77 synced, 10 stale, 7 with errors, 6 not sent"},
		{"corpus/istiod-1.14-syncz", "34 proxies: 33 synced, 1 not sent"},
		{"corpus/bug-report-1.25", "2 proxies: 2 synced"},
		{"corpus/istio-1.18-nack", "1 proxy: 1 with errors"},
		{"corpus/istio-1.5-pair", "1 proxy: 1 unknown"},
	}
	for _, test := range tests {
		if got := proxystatus.Of(load(t, filepath.Join(shared, filepath.FromSlash(test.capture))), "").Summary(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.capture, got, test.want)
		}
	}
}

func TestSharedDrift(t *testing.T) {
	table := proxystatus.Of(load(t, filepath.Join(fixtures.Shared(t), "captures/bookinfo-drift")), "default")
	want := map[string]string{
		"details-v1":     "SYNCED SYNCED SYNCED SYNCED IGNORED",
		"productpage-v1": "SYNCED SYNCED SYNCED SYNCED IGNORED",
		"ratings-v1":     "STALE STALE SYNCED STALE IGNORED",
		"reviews-v1":     "SYNCED ERROR SYNCED SYNCED IGNORED",
		"reviews-v2":     "SYNCED NOT SENT NOT SENT NOT SENT IGNORED",
		"reviews-v3":     "STALE STALE SYNCED STALE IGNORED",
	}
	if len(table.Rows) != len(want) {
		t.Fatalf("got %d rows, want %d", len(table.Rows), len(want))
	}
	for _, row := range table.Rows {
		var states []string
		for _, ts := range row.Types {
			states = append(states, string(ts.State))
		}
		workload := strings.Join(strings.Split(row.Name, "-")[:2], "-")
		if got := strings.Join(states, " "); got != want[workload] {
			t.Errorf("%s: got %s, want %s", workload, got, want[workload])
		}
	}
	reviews := table.Rows[3].Type("LDS")
	if !strings.Contains(reviews.Reason, "Didn't find a registered implementation") || reviews.Evidence != proxystatus.LastError {
		t.Errorf("got reason %q from %s, want istiod's lastError", reviews.Reason, reviews.Evidence)
	}
}

func TestAge(t *testing.T) {
	tests := map[time.Duration]string{
		0: "0s", 1900 * time.Millisecond: "1s", 119 * time.Second: "119s", 2 * time.Minute: "2m", 125 * time.Second: "2m5s",
		10 * time.Minute: "10m", 179 * time.Minute: "179m", 3 * time.Hour: "3h", 3*time.Hour + 5*time.Minute: "3h5m", 9*time.Hour + time.Minute: "9h",
		48 * time.Hour: "2d", 52 * time.Hour: "2d4h", 24 * 30 * time.Hour: "30d", 24 * 800 * time.Hour: "2y70d", 24 * 365 * 9 * time.Hour: "9y",
	}
	for d, want := range tests {
		if got := proxystatus.Age(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}
