package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// How much of a finding the text shows; JSON has all of it.
const (
	shownEvidence  = 12
	shownRelated   = 5
	shownInstances = 3
	shownHits      = 3
)

// write prints the findings, the worst first, then what could not be judged, then
// the count.
func (l lint) write(w io.Writer, colored bool) error {
	for _, f := range l.shown.Findings {
		writeFinding(w, f, colored)
	}
	for _, s := range skips(l.result.Skipped) {
		fmt.Fprintf(w, "skipped  %s%s: needs %s\n", strings.Join(s.rules, ", "), ofProxies(s.proxies), needsText(s.missing))
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
	if len(l.shown.Findings) > 0 {
		_, err = fmt.Fprintln(w, "`meshray rules explain NAME` tells more of a rule")
	}
	return err
}

// skipped are the rules that lack the same inputs of the same proxies.
type skipped struct {
	rules   []string
	proxies []string
	missing []analyze.Need
}

// skips groups what could not be judged, so that one missing file is one line.
func skips(all []analyze.Skip) []skipped {
	var out []skipped
	for _, s := range all {
		same := func(other skipped) bool {
			return slices.Equal(other.missing, s.Missing) && slices.Equal(other.proxies, s.Proxies)
		}
		if i := slices.IndexFunc(out, same); i >= 0 {
			out[i].rules = append(out[i].rules, s.Rule)
			continue
		}
		out = append(out, skipped{[]string{s.Rule}, s.Proxies, s.Missing})
	}
	return out
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
	for i, h := range f.Hits {
		if i < shownHits {
			detail("hits", "%s", h)
		}
	}
	rest("hits", f.AllHits, shownHits)
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
	if hidden := len(l.result.Findings) - len(l.shown.Findings); hidden > 0 {
		text += fmt.Sprintf("; %d not shown", hidden)
	}
	return text
}
