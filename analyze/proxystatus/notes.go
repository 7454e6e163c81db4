package proxystatus

import (
	"fmt"
	"slices"
	"strings"
)

// Notes are what the cells of the table cannot say, one line each, most urgent
// first: why updates were refused, what is not in the capture, and a summary last.
func (t *Table) Notes() []string {
	var errors, past, late []string
	for i := range t.Rows {
		r := &t.Rows[i]
		for _, ts := range r.Types {
			switch {
			case ts.State == Error:
				errors = append(errors, fmt.Sprintf("%s %s ERROR: %s", r.Proxy(), ts.Type, why(ts)))
			case ts.Evidence == Counter:
				past = append(past, fmt.Sprintf("%s %s: %s; no proof of the state now", r.Proxy(), ts.Type, oneLine(ts.Reason)))
			case ts.State == Stale && ts.Acked == "" && ts.Status == "":
				late = append(late, fmt.Sprintf("%s %s STALE: nothing was ever acknowledged", r.Proxy(), ts.Type))
			}
		}
	}
	notes := slices.Concat(errors, late, past, t.Problems)
	if note := t.unconnectedNote(); note != "" {
		notes = append(notes, note)
	}
	if summary := t.Summary(); summary != "" {
		notes = append(notes, summary)
	}
	return notes
}

// why is the reason of an Error with where it is known from.
func why(ts TypeStatus) string {
	reason := oneLine(ts.Reason)
	if reason == "" {
		reason = "istiod gives no reason"
	}
	switch ts.Evidence {
	case ErrorState:
		return reason + " (error_state in the proxy's config_dump)"
	case Log:
		return reason + " (the proxy's log)"
	case Counter:
		if ts.Reported != Stale {
			return reason
		}
		return reason + ", and the latest update is not acknowledged; the counter alone does not prove that this one was refused"
	}
	return reason
}

// oneLine joins the lines of a reason: Envoy lists several listeners in one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func (t *Table) unconnectedNote() string {
	n := t.count(func(r *Row) bool { return r.Link == NotConnected })
	switch {
	case n == 0:
		return ""
	case len(t.Uncaptured) > 0:
		return fmt.Sprintf("%s connected to no istiod of the capture; it lacks what %s would list", proxies(n), strings.Join(t.Uncaptured, " and "))
	}
	return fmt.Sprintf("%s connected to no istiod of the capture (%s); istiods that were not captured may serve them",
		proxies(n), strings.Join(t.Istiods, ", "))
}

func proxies(n int) string {
	if n == 1 {
		return "1 proxy is"
	}
	return fmt.Sprintf("%d proxies are", n)
}

func (t *Table) count(fits func(*Row) bool) int {
	n := 0
	for i := range t.Rows {
		if fits(&t.Rows[i]) {
			n++
		}
	}
	return n
}

// Counts is how many rows are in each state, each row counted by its worst.
type Counts struct {
	Synced       int `json:"synced"`
	Stale        int `json:"stale"`
	Error        int `json:"error"`
	NotSent      int `json:"notSent"`
	Unknown      int `json:"unknown"`
	NotConnected int `json:"notConnected"`
}

// Counts counts the rows.
func (t *Table) Counts() Counts {
	var c Counts
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Link == NotConnected {
			c.NotConnected++
			continue
		}
		switch r.State() {
		case Synced:
			c.Synced++
		case Stale:
			c.Stale++
		case Error:
			c.Error++
		case NotSent:
			c.NotSent++
		default:
			c.Unknown++
		}
	}
	return c
}

// Summary is Counts in words: "7 rows: 3 synced, 2 stale, 1 with errors, 1 not
// sent"; empty for an empty table.
func (t *Table) Summary() string {
	if len(t.Rows) == 0 {
		return ""
	}
	c := t.Counts()
	var parts []string
	for _, part := range []struct {
		n    int
		word string
	}{
		{c.Synced, "synced"}, {c.Stale, "stale"}, {c.Error, "with errors"}, {c.NotSent, "not sent"},
		{c.Unknown, "unknown"}, {c.NotConnected, "not connected"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.word))
		}
	}
	return fmt.Sprintf("%d %s: %s", len(t.Rows), t.unit(), strings.Join(parts, ", "))
}

// unit is what a row is: a proxy that several istiods list has several.
func (t *Table) unit() string {
	for i := 1; i < len(t.Rows); i++ {
		if t.Rows[i].Proxy() == t.Rows[i-1].Proxy() {
			return "pairs of proxy and istiod"
		}
	}
	if len(t.Rows) == 1 {
		return "proxy"
	}
	return "proxies"
}
