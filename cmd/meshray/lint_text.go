package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// How much of a finding the text shows; JSON has all of it.
const (
	shownEvidence  = 12
	shownRelated   = 5
	shownInstances = 3
)

// write prints the findings, the worst first, then what could not be judged, then
// the count.
func (l lint) write(w io.Writer, colored bool) error {
	for _, f := range l.shown {
		writeFinding(w, f, colored)
	}
	for _, s := range l.result.Skipped {
		fmt.Fprintf(w, "skipped  %s%s: needs %s\n", s.Rule, ofProxies(s.Proxies), needsText(s.Missing))
	}
	if len(l.result.Skipped) > 0 {
		fmt.Fprintln(w)
	}
	for _, p := range l.result.Fixed {
		fmt.Fprintf(w, "fixed  %s (%s): %s\n", sanitize(p.Rule), sanitize(p.Code), sanitize(p.Message))
	}
	for _, note := range l.ci.Notes {
		fmt.Fprintf(w, "note  %s\n", sanitize(string(note)))
	}
	_, err := fmt.Fprintln(w, l.summary())
	return err
}

func writeFinding(w io.Writer, f analyze.Finding, colored bool) {
	severity := f.Severity.String()
	if colored {
		severity = severityStyle(f.Severity).paint(severity)
	}
	fmt.Fprintf(w, "%s  %s (%s)%s\n", severity, f.Rule, f.Code, ofProxies(instanceKeys(f)))
	fmt.Fprintf(w, "  %s\n", sanitize(f.Message))
	detail := func(name, format string, args ...any) {
		fmt.Fprintf(w, "    %-9s %s\n", name, sanitize(fmt.Sprintf(format, args...)))
	}
	rest := func(name string, all, shown int) {
		if all > shown {
			detail(name, "%d more", all-shown)
		}
	}
	for i, in := range f.Instances {
		if i == 0 {
			detail("at", "%s", place(in))
		} else if i < shownInstances {
			detail("at", "%s", place(analyze.Location{Ref: mesh.Ref{Proxy: in.Ref.Proxy}, Source: in.Source}))
		}
	}
	rest("at", len(f.Instances), shownInstances)
	for i, e := range f.Evidence {
		if i < shownEvidence {
			detail("evidence", "%s: %s", e.Name, e.Value)
		}
	}
	rest("evidence", len(f.Evidence), shownEvidence)
	for i, r := range f.Related {
		if i < shownRelated {
			r.Ref.Proxy = "" // it is the one above
			detail("related", "%s: %s", place(r), r.Message)
		}
	}
	rest("related", len(f.Related), shownRelated)
	if f.Confidence != analyze.Proven {
		detail("sure", "%s", f.Confidence)
	}
	if f.Object != "" {
		detail("object", "%s", f.Object)
	}
	detail("fix", "%s", f.Fix)
	fmt.Fprintln(w)
}

func severityStyle(s analyze.Severity) style {
	switch s {
	case analyze.Error:
		return red
	case analyze.Warning:
		return yellow
	}
	return faint
}

// place is "file:line  ref", so that an editor can open it.
func place(l analyze.Location) string {
	if l.Source == (mesh.Source{}) {
		return l.Ref.String()
	}
	return strings.TrimSpace(l.Source.String() + "  " + l.Ref.String())
}

// instanceKeys are the proxies that have the fault.
func instanceKeys(f analyze.Finding) []string {
	var keys []string
	for _, in := range f.Instances {
		if in.Ref.Proxy != "" {
			keys = append(keys, in.Ref.Proxy)
		}
	}
	return keys
}

func ofProxies(keys []string) string {
	switch len(keys) {
	case 0:
		return ""
	case 1:
		return " on " + sanitize(keys[0])
	}
	return fmt.Sprintf(" on %d proxies", len(keys))
}

func needsText(needs []analyze.Need) string {
	var names []string
	for _, n := range needs {
		names = append(names, string(n))
	}
	return strings.Join(names, "; ")
}

func (l lint) summary() string {
	count := map[analyze.Severity]int{}
	for _, f := range l.result.Findings {
		count[f.Severity]++
	}
	text := fmt.Sprintf("%s, %s, %s in %s by %s",
		plural(count[analyze.Error], "error", "errors"), plural(count[analyze.Warning], "warning", "warnings"), plural(count[analyze.Info], "info", "infos"),
		plural(l.result.Proxies, "proxy", "proxies"), plural(len(l.result.Rules), "rule", "rules"))
	for _, count := range []struct {
		n    int
		what string
	}{{len(l.result.Known), "known"}, {len(l.result.Fixed), "fixed"}, {len(l.result.Suppressed), "suppressed"}} {
		if count.n > 0 {
			text += fmt.Sprintf("; %d %s", count.n, count.what)
		}
	}
	if hidden := len(l.result.Findings) - len(l.shown); hidden > 0 {
		text += fmt.Sprintf("; %d not shown", hidden)
	}
	return text
}
