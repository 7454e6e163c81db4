package report

import (
	"fmt"
	"strconv"
	"strings"
)

// countColumns are the kinds with a column of their own in the table of proxies.
func countColumns() []string { return []string{"cluster", "listener", "route", "endpoint", "secret"} }

// active is the number of active resources of a kind, "-" where it was not
// captured.
func (p Proxy) active(kind string) string {
	for _, c := range p.Counts {
		if c.Kind == kind {
			return strconv.Itoa(c.Active)
		}
	}
	return "-"
}

// notActive is like "1 listener rejected, 2 clusters warming"; empty if all are
// active.
func (p Proxy) notActive() string {
	var parts []string
	add := func(n int, kind, state string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", plural(n, kind, kind+"s"), state))
		}
	}
	for _, c := range p.Counts {
		add(c.Rejected, c.Kind, "rejected")
		add(c.Warming, c.Kind, "warming")
		add(c.Draining, c.Kind, "draining")
	}
	return strings.Join(parts, ", ")
}

// judgedAs says by which moment ages and validity are judged.
func (c Capture) judgedAs() string {
	switch {
	case c.AsOf == "":
		return "The capture knows of no moment: ages and validity are not judged."
	case c.AsOfAsked:
		return "Judged as of " + c.AsOf + ", the time that was asked for."
	}
	return "Judged as of " + c.AsOf + ", the newest moment that the capture knows of."
}
