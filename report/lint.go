package report

import (
	"path"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
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
	// FailOn is the severity from which on a finding is a failed case; zero is all.
	FailOn analyze.Severity
	// Notes are remarks on the run, such as suppressions that accept nothing.
	Notes []Text
	// Locate turns a file of the capture into a path from where the command ran,
	// with slashes: of a member of an archive, the archive's; of "", the capture's, for
	// what GitHub and GitLab show needs a place. It may be nil.
	Locate func(file string) string
}

// SuppressedFinding is a finding that is accepted, and why.
type SuppressedFinding struct {
	Finding Finding
	Reason  Text
	// Place is where the suppression stands.
	Place Text
}

// NewLint returns what a run found in a capture.
func NewLint(c *mesh.Capture, result *analyze.Result, tool Tool) *Lint {
	l := &Lint{Tool: tool, Rules: result.Rules, Fixed: result.Fixed}
	commands := captureCommands(c)
	for _, f := range result.Findings {
		l.Findings = append(l.Findings, newFinding(f, commands))
	}
	for _, f := range result.Known {
		l.Known = append(l.Known, newFinding(f, commands))
	}
	for _, s := range result.Suppressed {
		l.Suppressed = append(l.Suppressed, SuppressedFinding{Finding: newFinding(s.Finding, commands), Reason: Text(s.By.Reason), Place: Text(s.By.Place)})
	}
	for _, s := range result.Skipped {
		l.unchecked(newSkip(s))
	}
	for _, s := range result.Expired {
		l.Notes = append(l.Notes, Text(s.Place+": the suppression of "+s.Rule+s.Fingerprint+" has expired"))
	}
	for _, s := range result.Unused {
		l.Notes = append(l.Notes, Text(s.Place+": the suppression of "+s.Rule+s.Fingerprint+" accepts nothing: take it out"))
	}
	return l
}

// unchecked adds what a rule could not judge; a rule that lacks several things is there
// once.
func (l *Lint) unchecked(s Skip) {
	i := slices.IndexFunc(l.Unchecked, func(known Skip) bool { return known.Rule == s.Rule })
	if i < 0 {
		l.Unchecked = append(l.Unchecked, s)
		return
	}
	known := &l.Unchecked[i]
	for _, need := range s.Missing {
		if !slices.Contains(known.Missing, need) {
			known.Missing = append(known.Missing, need)
		}
	}
	known.Proxies = append(known.Proxies, s.Proxies...)
}

// repair is what a finding says to do, in a line. A command is whole, or it is not there.
func (f *Finding) repair() Text {
	switch {
	case f.Command == "":
		return f.Fix
	case len(f.Command) > maxText:
		return longCommand
	}
	return Text(f.Command)
}

// located is the file of a place as Locate has it, clean and relative; empty without
// Locate where there is none.
func (l *Lint) located(p Place) string {
	file := string(p.File)
	if l.Locate != nil {
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
		text := []Text{f.Message}
		for _, proxy := range f.Proxies {
			text = append(text, "on "+proxy)
		}
		if f.Object != "" {
			text = append(text, "object: "+f.Object)
		}
		if fix := f.repair(); fix != "" {
			text = append(text, "fix: "+fix)
		}
		c := Case{
			Suite: Text(f.Code + " " + f.Rule), Name: Text(f.Severity + ": " + f.subject()),
			File: Text(l.located(f.Place)), Line: f.Place.Line, Failure: text,
		}
		if severity, err := analyze.ParseSeverity(f.Severity); err == nil && severity < l.FailOn {
			c.Failure, c.Output = nil, text
		}
		cases = append(cases, c)
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
