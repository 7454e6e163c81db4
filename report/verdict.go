package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The severities, states and fates that a report counts, as they stand in a
// Document.
const (
	severityError   = "error"
	severityWarning = "warning"
	stateError      = "ERROR"
	stateStale      = "STALE"
	fateDamaged     = "damaged"
	fateUnknown     = "unknown"
)

// countFindings tells every proxy how many errors and warnings it has.
func (d *Document) countFindings() {
	at := map[Text]*Proxy{}
	for i := range d.Proxies {
		at[d.Proxies[i].Key] = &d.Proxies[i]
	}
	for _, f := range d.Findings {
		for _, key := range f.Proxies {
			p := at[key]
			switch {
			case p == nil:
			case f.Severity == severityError:
				p.Errors++
			case f.Severity == severityWarning:
				p.Warnings++
			}
		}
	}
}

// priority are the indexes of the proxies, those with the most to say first: it
// decides whose tables are shown where not all can be.
func (d *Document) priority() []int {
	order := make([]int, len(d.Proxies))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		p, q := d.Proxies[a], d.Proxies[b]
		return cmp.Or(cmp.Compare(q.Errors, p.Errors), cmp.Compare(q.Warnings, p.Warnings))
	})
	return order
}

func (d *Document) summarize() Summary {
	s := Summary{Proxies: len(d.Proxies), Files: len(d.Capture.Inputs)}
	affected := map[Text]bool{}
	for _, f := range d.Findings {
		switch f.Severity {
		case severityError:
			s.Errors++
		case severityWarning:
			s.Warnings++
		default:
			s.Infos++
			continue
		}
		for _, key := range f.Proxies {
			affected[key] = true
		}
	}
	s.Affected = len(affected)
	late := map[Text]bool{}
	for _, r := range d.Sync.Rows {
		if r.State == stateError || r.State == stateStale {
			late[r.Proxy] = true
		}
	}
	s.NotSynced = len(late)
	for _, in := range d.Capture.Inputs {
		switch in.Fate {
		case fateDamaged:
			s.Damaged++
		case fateUnknown:
			s.Unknown++
		}
	}
	unchecked := map[string]bool{}
	for _, skip := range d.Unchecked {
		unchecked[skip.Rule] = true
	}
	s.Unchecked = len(unchecked)
	return s
}

// judge is the verdict in one sentence: what is wrong, the worst of it, and
// whether silence can be trusted.
func (d *Document) judge() Text {
	if len(d.Proxies) == 0 && len(d.Sync.Rows) == 0 && len(d.Findings) == 0 {
		return "There is no proxy in this capture, so nothing can be said about the mesh."
	}
	s := d.Summary
	var text strings.Builder
	switch {
	case s.Errors+s.Warnings == 0 && len(d.Rules) == s.Unchecked:
		fmt.Fprintf(&text, "Nothing could be checked on %s", plural(s.Proxies, "proxy", "proxies"))
	case s.Errors+s.Warnings == 0:
		fmt.Fprintf(&text, "No error and no warning on %s", plural(s.Proxies, "proxy", "proxies"))
	default:
		text.WriteString(s.faults())
		if s.Affected > 0 {
			fmt.Fprintf(&text, " on %s", plural(s.Affected, "proxy", "proxies"))
		}
	}
	if s.NotSynced > 0 {
		fmt.Fprintf(&text, "; %s not in sync with the control plane", plural(s.NotSynced, "proxy is", "proxies are"))
	}
	if doubt := s.doubt(); doubt != "" {
		fmt.Fprintf(&text, "; but %s", doubt)
	}
	return Text(text.String() + ".")
}

// faults are the errors and warnings, without those that there are none of.
func (s Summary) faults() string {
	var parts []string
	if s.Errors > 0 {
		parts = append(parts, plural(s.Errors, "error", "errors"))
	}
	if s.Warnings > 0 {
		parts = append(parts, plural(s.Warnings, "warning", "warnings"))
	}
	return strings.Join(parts, " and ")
}

// doubt says why silence is no proof, empty if nothing stood in the way.
func (s Summary) doubt() string {
	var parts []string
	if s.Unchecked > 0 {
		parts = append(parts, plural(s.Unchecked, "rule has", "rules have")+" no input from some proxies or at all")
	}
	if n := s.Damaged + s.Unknown; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s could not be read whole", n, plural(s.Files, "file", "files")))
	}
	return strings.Join(parts, " and ")
}

// top are the findings of the first screen: the worst ones, no mere notes.
func (d *Document) top() []Finding {
	const most = 3
	n := 0
	for n < min(most, len(d.Findings)) && (d.Findings[n].Severity == severityError || d.Findings[n].Severity == severityWarning) {
		n++
	}
	return d.Findings[:n]
}

// urgentFirst returns the rows with those in front that are not as they should
// be: refused, then stale, then not connected.
func (s Sync) urgentFirst() []SyncRow {
	urgency := func(r SyncRow) int {
		switch {
		case r.State == stateError:
			return 0
		case r.State == stateStale:
			return 1
		case r.Link != linkKnown:
			return 2
		}
		return 3
	}
	rows := slices.Clone(s.Rows)
	slices.SortStableFunc(rows, func(a, b SyncRow) int { return cmp.Compare(urgency(a), urgency(b)) })
	return rows
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
