package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/meshray/meshray/analyze/expect"
)

// text writes a line for every test that failed, and what is known of all.
func (r *testReport) text(w io.Writer, colored bool) error {
	out := bufio.NewWriter(w)
	paint := func(s style, text string) string {
		if !colored {
			return text
		}
		return s.paint(text)
	}
	for _, t := range r.results {
		place := sanitize(fmt.Sprintf("%s:%d: %s", t.file, t.line, t.name))
		switch {
		case t.failed():
			fmt.Fprintf(out, "%s %s: %s\n", paint(red, "FAIL"), place, failureLine(&t))
		case !r.verbose:
		case t.skipped != "":
			fmt.Fprintf(out, "%s %s: %s\n", paint(yellow, "skip"), place, t.skipped)
		default:
			fmt.Fprintf(out, "%s   %s\n", paint(green, "ok"), place)
		}
	}
	if r.coverage != nil {
		r.writeCoverage(out)
	}
	fmt.Fprintln(out, r.summary())
	return out.Flush()
}

func failureLine(t *testResult) string {
	line := ""
	for i, text := range t.failure() {
		if i > 0 {
			line += "; "
		}
		line += text.String()
	}
	return line
}

func (r *testReport) writeCoverage(w io.Writer) {
	if r.listsMissed {
		for _, u := range r.coverage.Unreached() {
			fmt.Fprintf(w, "not reached, not counted: %s %s\n", sanitize(u.Proxy), sanitize(strings.Join(u.Names, ", ")))
		}
		for _, route := range r.coverage.Routes() {
			if !route.Tested {
				fmt.Fprintf(w, "not tested: %s\n", sanitize(routePlace(&route)))
			}
		}
	}
	fmt.Fprintln(w, r.covered())
}

// routePlace says where a route stands: "proxy 9080 / host / route (prefix / match)".
func routePlace(r *expect.CoveredRoute) string {
	place := r.RouteConfig
	if r.Proxy != "" {
		place = r.Proxy + " " + r.RouteConfig
	}
	if place != "" {
		place += " / "
	}
	place += r.VirtualHost + " / " + r.Route
	if r.Match != "" {
		place += " (" + r.Match + ")"
	}
	if r.Cluster != "" {
		place += " to " + r.Cluster
	}
	return place
}
