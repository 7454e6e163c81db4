package report

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

// hostileText has what a format could stumble over: markup, an escape sequence, a
// new line, a right-to-left mark, the delimiters of workflow commands and tables.
const hostileText = "<b>&amp;\x1b[31m\nname\u202e|`::error::%0A,\"'\x00"

// hostileLint is a run with such texts in every field that a customer controls, and
// with a name of ten kilobytes.
func hostileLint() *Lint {
	rule := &analyze.Rule{
		Name: "cert-expired", Code: "TLS01", Severity: analyze.Error, Confidence: analyze.Proven, Category: analyze.Security,
		Doc: analyze.Doc{Title: "a title", Finds: "Finds.", Hurts: "Hurts.", Example: "x: y", Silent: "Silent.", Fix: "fix it", References: []string{"https://example.org/a"}},
	}
	other := *rule
	other.Name, other.Code, other.Category, other.Severity = "route-shadowed", "RTE02", analyze.Hygiene, analyze.Warning
	at := func(proxy, name string) analyze.Location {
		return analyze.Location{Ref: mesh.Ref{Proxy: proxy, Kind: mesh.Secret, Name: name, Path: hostileText}, Source: mesh.NewSource("a b/config_dump?x#"+hostileText, 7, 0, "/configs", 0, "")}
	}
	finding := func(r *analyze.Rule, name, fingerprint string) analyze.Finding {
		l := at("pod"+hostileText, name)
		return analyze.Finding{
			Rule: r.Name, Code: r.Code, Severity: r.Severity, Confidence: r.Confidence, Category: r.Category, Ref: l.Ref, Source: l.Source,
			Message: hostileText, Evidence: []analyze.Evidence{{Name: "n", Value: hostileText}}, Object: hostileText, Fix: hostileText,
			Related: []analyze.Location{{Ref: l.Ref, Source: l.Source, Message: hostileText}}, Fingerprint: fingerprint,
			Hits:    []analyze.Hit{{Ref: mesh.Ref{Kind: mesh.Route, Name: name, Path: hostileText}, Route: hostileText, As: "mirror", Share: 12.5}},
			AllHits: 1, Instances: []analyze.Location{l, at("other", name)},
		}
	}
	result := &analyze.Result{
		Rules:    []*analyze.Rule{rule, &other},
		Findings: []analyze.Finding{finding(rule, hostileText, "f1"), finding(&other, strings.Repeat("long ", 2048), "f2"), {Rule: rule.Name, Code: rule.Code, Severity: analyze.Info, Message: "of no place", Fingerprint: "f3"}},
		Known:    []analyze.Finding{finding(rule, "known", "f4")},
		Fixed:    []analyze.Past{{Rule: rule.Name, Fingerprint: "f5"}},
		Skipped:  []analyze.Skip{{Rule: "route-shadowed", Code: "RTE02", Missing: []analyze.Need{analyze.NeedListeners}}},
		Unused:   []analyze.Suppression{{Rule: "TLS*", Reason: hostileText, Place: ".meshray.yaml:3"}},
		Suppressed: []analyze.Suppressed{{Finding: finding(rule, "accepted", "f6"), By: analyze.Suppression{
			Rule: "TLS01", Reason: hostileText, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Place: ".meshray.yaml:9"}}},
	}
	l := NewLint(&mesh.Capture{}, result, Tool{Name: "meshray", Version: "v1"})
	l.FailOn = analyze.Warning
	l.Locate = func(file string) string { return "/captures/../captures/" + file }
	return l
}

var lintFormats = map[string]func(io.Writer, *Lint) error{
	"lint.sarif":       SARIF,
	"lint.gitlab.json": GitLab,
	"lint.github.txt":  GitHubFindings,
	"lint.md":          LintMarkdown,
	"lint.junit.xml":   func(w io.Writer, l *Lint) error { return JUnit(w, l.Cases()) },
}

func TestLintFormats(t *testing.T) {
	for name, write := range lintFormats {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write(&out, hostileLint()); err != nil {
				t.Fatal(err)
			}
			for _, r := range out.String() {
				if r == 0x1b || r == 0x202e || r == 0 {
					t.Errorf("got the invisible character %q in the output", r)
				}
			}
			fixtures.Golden(t, filepath.Join(fixtures.Root(t), "fixtures", "lint", name), out.Bytes())
		})
	}
}

func TestSARIFIsValid(t *testing.T) {
	var out bytes.Buffer
	if err := SARIF(&out, hostileLint()); err != nil {
		t.Fatal(err)
	}
	log, err := sarif.FromBytes(out.Bytes())
	if err != nil {
		t.Fatalf("reading it back: %v", err)
	}
	if err := log.Validate(); err != nil {
		t.Errorf("got SARIF that is not valid by the published schema: %v", err)
	}
	for _, r := range log.Runs[0].Results {
		if len(r.Locations) == 0 || r.PartialFingerprints[fingerprintKey] == "" || r.PartialFingerprints["primaryLocationLineHash"] != "" {
			t.Errorf("got the result %v without what GitHub asks for", *r.Message.Text)
		}
		for _, at := range r.Locations {
			if at.PhysicalLocation == nil {
				t.Errorf("got the result %v without a place: GitHub refuses the whole file then", *r.Message.Text)
				continue
			}
			if uri := *at.PhysicalLocation.ArtifactLocation.URI; strings.HasPrefix(uri, "/") || strings.ContainsAny(uri, " ?#\n") {
				t.Errorf("got the URI %q, want a relative one with its characters escaped", uri)
			}
		}
	}
}

// Empty runs are whole documents too.
func TestLintFormatsOfNothing(t *testing.T) {
	empty := NewLint(&mesh.Capture{}, &analyze.Result{}, Tool{Name: "meshray"})
	for name, write := range lintFormats {
		var out bytes.Buffer
		if err := write(&out, empty); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasSuffix(name, "json") || strings.HasSuffix(name, "sarif") {
			if !json.Valid(out.Bytes()) {
				t.Errorf("%s: got %q, want JSON", name, out.String())
			}
		}
	}
}
