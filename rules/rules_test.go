package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

func TestAllValid(t *testing.T) {
	if err := analyze.Validate(All()); err != nil {
		t.Error(err)
	}
	byName := func(a, b *analyze.Rule) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(All(), byName) {
		t.Error("the list of rules is not sorted by name")
	}
}

// cases are the cases of a rule.
type cases struct {
	firing, silent int
	files          []string
}

const wantedCases = 2

// findCases lists fixtures/rules: a folder for each rule, a txtar file for each
// case. A case without a want file, or with an empty one, is silent.
func findCases(t *testing.T) map[string]*cases {
	t.Helper()
	found := map[string]*cases{}
	root := filepath.Join(fixtures.Root(t), "fixtures", "rules")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s: %v", root, err)
	}
	for _, file := range files {
		rule := filepath.Base(filepath.Dir(file))
		if found[rule] == nil {
			found[rule] = &cases{}
		}
		found[rule].files = append(found[rule].files, file)
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if fires(archive) {
			found[rule].firing++
		} else {
			found[rule].silent++
		}
	}
	return found
}

// fires reports whether a case wants a finding; a skipped rule is silent.
func fires(archive *txtar.Archive) bool {
	return slices.ContainsFunc(wanted(archive), func(line string) bool { return !strings.HasPrefix(line, "skipped") })
}

func wanted(archive *txtar.Archive) []string {
	var lines []string
	for _, file := range archive.Files {
		if file.Name != "want" {
			continue
		}
		for line := range strings.Lines(string(file.Data)) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// TestCases runs each rule alone on its cases. The files of a case are a
// capture; its want file has a line for each finding, in their order:
//
//	severity  ref  regexp on the message, with the object behind it in braces
//	hits  ref  regexp on what the finding before hits
//	skipped  proxies  regexp on what is missing
//
// The lines with hits are for cases that want one.
func TestCases(t *testing.T) {
	found := findCases(t)
	for _, rule := range All() {
		c := found[rule.Name]
		if c == nil || c.firing < wantedCases || c.silent < wantedCases {
			t.Errorf("fixtures/rules/%s: got %+v, want at least %d firing and %d silent cases", rule.Name, c, wantedCases, wantedCases)
			continue
		}
		for _, file := range c.files {
			t.Run(rule.Name+"/"+strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCase(t, rule, file) })
		}
		delete(found, rule.Name)
	}
	for name := range found {
		t.Errorf("fixtures/rules/%s: there is no rule of that name", name)
	}
}

func runCase(t *testing.T, rule *analyze.Rule, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	intent, _, _ := strings.Cut(string(archive.Comment), "\n")
	if !strings.HasSuffix(intent, ".") {
		t.Errorf("want the case to begin with a sentence that says what it shows, got %q", intent)
	}
	folder := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(folder, filepath.FromSlash(f.Name))
		if f.Name == "want" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result := analyze.Run(load(t, folder), []*analyze.Rule{rule}, analyze.Options{Hits: Hits})
	want := wanted(archive)
	withHits := slices.ContainsFunc(want, func(line string) bool { return strings.HasPrefix(line, "hits") })
	compare(t, intent, lines(result, withHits), want)
}

// line is a finding or a skip in the three columns of a want file.
type line struct{ severity, ref, text string }

func lines(result *analyze.Result, withHits bool) []line {
	var got []line
	for _, f := range result.Findings {
		text := f.Message
		if f.Object != "" {
			text += " {" + f.Object + "}"
		}
		got = append(got, line{f.Severity.String(), f.Ref.String(), text})
		if withHits {
			got = append(got, line{"hits", f.Ref.String(), fmt.Sprint(f.AllHits, f.Hits)})
		}
	}
	for _, s := range result.Skipped {
		got = append(got, line{"skipped", strings.Join(s.Proxies, ","), fmt.Sprint(s.Missing)})
	}
	return got
}

// compare matches the findings with the lines of a want file, one by one.
func compare(t *testing.T, intent string, got []line, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("%s\ngot more than wanted: %s", intent, got[i])
		case i >= len(got):
			t.Errorf("%s\ngot nothing for the line: %s", intent, want[i])
		default:
			severity, rest, _ := strings.Cut(want[i], "  ")
			ref, pattern, _ := strings.Cut(rest, "  ")
			if got[i].severity != severity || got[i].ref != ref || !regexp.MustCompile(pattern).MatchString(got[i].text) {
				t.Errorf("%s\ngot  %s\nwant %s", intent, got[i], want[i])
			}
		}
	}
}

func (l line) String() string { return l.severity + "  " + l.ref + "  " + l.text }

func load(t testing.TB, paths ...string) *mesh.Capture {
	t.Helper()
	c, err := loader.Load(paths, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
