package report

import (
	"path"
	"strings"

	"github.com/meshray/meshray/analyze"
)

// Lint is what a run of the rules found, for the formats that CI systems read.
type Lint struct {
	Tool Tool
	// Rules are those that were asked for.
	Rules []*analyze.Rule
	// Findings are new ones, the worst first; Known those that a baseline or an
	// earlier capture has too.
	Findings, Known []Finding
	Suppressed      []SuppressedFinding
	Fixed           []analyze.Past
	Unchecked       []Skip
	// Notes are remarks on the run, such as suppressions that accept nothing.
	Notes []Text
	// Locate turns a file of the capture into a path from where the command ran,
	// with slashes: of a member of an archive, the archive's. It may be nil.
	Locate func(file string) string
}

// SuppressedFinding is a finding that is accepted, and why.
type SuppressedFinding struct {
	Finding Finding
	Reason  Text
	// Place is where the suppression stands.
	Place Text
}

// NewLint returns what a run found.
func NewLint(result *analyze.Result, tool Tool) *Lint {
	l := &Lint{Tool: tool, Rules: result.Rules, Fixed: result.Fixed}
	for _, f := range result.Findings {
		l.Findings = append(l.Findings, newFinding(f, nil))
	}
	for _, f := range result.Known {
		l.Known = append(l.Known, newFinding(f, nil))
	}
	for _, s := range result.Suppressed {
		l.Suppressed = append(l.Suppressed, SuppressedFinding{Finding: newFinding(s.Finding, nil), Reason: Text(s.By.Reason), Place: Text(s.By.Place)})
	}
	for _, s := range result.Skipped {
		l.Unchecked = append(l.Unchecked, newSkip(s))
	}
	for _, s := range result.Expired {
		l.Notes = append(l.Notes, Text(s.Place+": the suppression of "+s.Rule+s.Fingerprint+" has expired"))
	}
	for _, s := range result.Unused {
		l.Notes = append(l.Notes, Text(s.Place+": the suppression of "+s.Rule+s.Fingerprint+" accepts nothing: take it out"))
	}
	return l
}

// located is the file of a place as Locate has it, clean and relative; empty where
// there is none.
func (l *Lint) located(p Place) string {
	file := string(p.File)
	if l.Locate != nil && file != "" {
		file = l.Locate(file)
	}
	if file == "" {
		return ""
	}
	return strings.TrimPrefix(path.Clean("/"+file), "/")
}

// subject is what a finding is about, in one line.
func (f *Finding) subject() string {
	where := f.Where.String()
	if where == "" {
		where = "proxy"
	}
	switch len(f.Proxies) {
	case 0:
		return where
	case 1:
		return where + " on " + f.Proxies[0].String()
	}
	return where + " on " + plural(len(f.Proxies), "proxy", "proxies")
}

// Cases are the findings as cases of a test run: one for each finding, one for each
// rule that found nothing, and one for each that could not judge.
func (l *Lint) Cases() []Case {
	var cases []Case
	found := map[string]bool{}
	for _, f := range l.Findings {
		found[f.Rule] = true
		failure := []Text{f.Message}
		for _, proxy := range f.Proxies {
			failure = append(failure, "on "+proxy)
		}
		if f.Object != "" {
			failure = append(failure, "object: "+f.Object)
		}
		if f.Fix != "" {
			failure = append(failure, "fix: "+f.Fix)
		}
		cases = append(cases, Case{
			Suite: Text(f.Code + " " + f.Rule), Name: Text(f.Severity + ": " + f.subject()),
			File: Text(l.located(f.Place)), Line: f.Place.Line, Failure: failure,
		})
	}
	for _, s := range l.Unchecked {
		found[s.Rule] = true
		cases = append(cases, Case{Suite: Text(l.code(s.Rule) + " " + s.Rule), Name: Text(s.Rule), Skipped: Text("needs " + strings.Join(s.Missing, "; "))})
	}
	for _, r := range l.Rules {
		if !found[r.Name] {
			cases = append(cases, Case{Suite: Text(r.Code + " " + r.Name), Name: Text(r.Doc.Title)})
		}
	}
	return cases
}

func (l *Lint) code(rule string) string {
	if r := analyze.Find(l.Rules, rule); r != nil {
		return r.Code
	}
	return ""
}
