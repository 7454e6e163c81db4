package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

// documents are the saved documents of fixtures/report by name.
func documents(t *testing.T) map[string]*Document {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(fixtures.Root(t), "fixtures", "report", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got %d documents (%v), want some", len(paths), err)
	}
	out := map[string]*Document{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(path), ".json")] = decode(t, raw)
	}
	return out
}

func decode(t *testing.T, raw []byte) *Document {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	d := &Document{}
	if err := decoder.Decode(d); err != nil {
		t.Fatal(err)
	}
	return d
}

func htmlOf(t *testing.T, d *Document, maxBytes int) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, d, maxBytes); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func markdownOf(t *testing.T, d *Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := Markdown(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var assets = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)|'sha256-[^']*'|&#39;sha256-.*?&#39;`)

// TestGoldens renders every document in every format. Style, script and their
// hashes are left out of the pages: TestPolicy holds them together.
func TestGoldens(t *testing.T) {
	folder := filepath.Join(fixtures.Root(t), "fixtures", "report")
	for name, d := range documents(t) {
		t.Run(name, func(t *testing.T) {
			fixtures.Golden(t, filepath.Join(folder, name+".md"), []byte(markdownOf(t, d)))
			page := assets.ReplaceAllString(htmlOf(t, d, 0), "$1$2")
			fixtures.Golden(t, filepath.Join(folder, name+".html"), []byte(page))
		})
	}
}

func TestDocumentSurvivesJSON(t *testing.T) {
	for name, d := range documents(t) {
		raw, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode(t, raw); !reflect.DeepEqual(got, d) {
			again, _ := json.Marshal(got)
			t.Errorf("%s: got another document after a round trip through JSON\n%s", name, fixtures.Diff(name, string(raw), string(again)))
		}
	}
}

func TestSameBytesTwice(t *testing.T) {
	for name, d := range documents(t) {
		if htmlOf(t, d, 0) != htmlOf(t, d, 0) {
			t.Errorf("%s: got two different pages of one document", name)
		}
		if markdownOf(t, d) != markdownOf(t, d) {
			t.Errorf("%s: got two different Markdown reports of one document", name)
		}
	}
}

func TestHTMLRefusesLimitsThatHoldNothing(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, &Document{}, 1000); err == nil || b.Len() > 0 {
		t.Errorf("got error %v and %d bytes, want an error and nothing written", err, b.Len())
	}
}

// large is a document that fits nowhere.
func large(t *testing.T) *Document {
	t.Helper()
	d := documents(t)["hostile"]
	evil := d.Proxies[0].Key
	for range 3000 {
		d.Findings = append(d.Findings, d.Findings[0])
		d.Capture.Inputs = append(d.Capture.Inputs, d.Capture.Inputs[1])
		d.Capture.Problems = append(d.Capture.Problems, d.Capture.Problems[0])
		d.Capture.Missing = append(d.Capture.Missing, d.Capture.Missing[0])
		d.Unchecked = append(d.Unchecked, d.Unchecked[0])
		d.Sync.Notes = append(d.Sync.Notes, evil)
		d.Sync.Rows = append(d.Sync.Rows, d.Sync.Rows[0])
		d.Proxies = append(d.Proxies, d.Proxies[0])
	}
	return d
}

func TestMarkdownFitsIntoATicket(t *testing.T) {
	got := markdownOf(t, large(t))
	if len(got) > MarkdownBytes {
		t.Errorf("got %d bytes, want %d at most", len(got), MarkdownBytes)
	}
	for _, want := range []string{
		"findings are left out here; `meshray lint CAPTURE` prints them", "more rows; `meshray proxy-status",
		"more proxies; `meshray info", "more entries; `meshray info", "tables are left out",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got no note %q on what was left out", want)
		}
	}
}

func TestHTMLKeepsItsLimit(t *testing.T) {
	d := large(t)
	for _, limit := range []int{512 << 10, 2 << 20} {
		got := htmlOf(t, d, limit)
		if len(got) > limit || len(got) < limit*8/10 {
			t.Errorf("got %d bytes, want %d at most and no fifth of it unused", len(got), limit)
		}
		for _, want := range []string{"<code>meshray lint CAPTURE</code> prints them", "proxies are left out to keep the page small", "more notes are left out"} {
			if !strings.Contains(got, want) {
				t.Errorf("limit %d: got no note %q", limit, want)
			}
		}
		if !strings.HasSuffix(got, "</html>\n") {
			t.Errorf("limit %d: got a page without its end", limit)
		}
	}
}
