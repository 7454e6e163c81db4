package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/report"
)

// testResult is what came of one test. It passed where it neither differs nor was
// skipped.
type testResult struct {
	file        string
	line        int
	name, proxy string
	differences []expect.Difference
	// unknowns are what could account for the differences.
	unknowns []string
	// skipped says why nothing was compared.
	skipped string
}

func (t *testResult) failed() bool { return len(t.differences) > 0 }

// failure says what is wrong, a line each.
func (t *testResult) failure() []report.Text {
	var out []report.Text
	for _, d := range t.differences {
		out = append(out, report.Text(d.String()))
	}
	if len(t.unknowns) > 0 {
		out = append(out, report.Text("the capture cannot tell: "+strings.Join(t.unknowns, ", ")))
	}
	return out
}

// testReport is all that there is to say about a run.
type testReport struct {
	results  []testResult
	recorded int  // files
	verbose  bool // tests that passed, too
	// coverage is nil where nobody asked for it.
	coverage    *expect.Coverage
	failUnder   float64
	listsMissed bool
}

func (r *testReport) failed() bool {
	return r.tooLow() || slices.ContainsFunc(r.results, func(t testResult) bool { return t.failed() })
}

// tooLow reports whether --fail-under is not met.
func (r *testReport) tooLow() bool { return r.coverage != nil && r.coverage.Percent() < r.failUnder }

func (r *testReport) count() (passed, failed, skipped int) {
	for _, t := range r.results {
		switch {
		case t.failed():
			failed++
		case t.skipped != "":
			skipped++
		default:
			passed++
		}
	}
	return passed, failed, skipped
}

func (r *testReport) summary() string {
	passed, failed, skipped := r.count()
	text := fmt.Sprintf("%s: %d passed, %d failed", plural(len(r.results), "test", "tests"), passed, failed)
	if skipped > 0 {
		text += fmt.Sprintf(", %d skipped", skipped)
	}
	if r.recorded > 0 {
		text += fmt.Sprintf("; %s updated", plural(r.recorded, "file", "files"))
	}
	return text
}

// covered says how much of the routes was tested.
func (r *testReport) covered() string {
	text := fmt.Sprintf("%s of the routes are tested, %d of %d", percentText(r.coverage.Percent()), r.coverage.Covered(), len(r.coverage.Routes()))
	if r.tooLow() {
		text += ": want " + percentText(r.failUnder)
	}
	return text
}

// percentText rounds down: 99.96% is not 100%.
func percentText(percent float64) string {
	return strconv.FormatFloat(math.Floor(percent*10)/10, 'f', -1, 64) + "%"
}

// cases are the results for CI systems; a coverage that is too low is one of them.
func (r *testReport) cases() []report.Case {
	var out []report.Case
	for _, t := range r.results {
		out = append(out, report.Case{
			Suite: report.Text(t.file), Name: report.Text(t.name), File: report.Text(t.file), Line: t.line,
			Failure: t.failure(), Skipped: report.Text(t.skipped),
		})
	}
	if r.coverage == nil || r.failUnder == 0 {
		return out
	}
	coverage := report.Case{Suite: "coverage", Name: "route coverage"}
	if r.tooLow() {
		coverage.Failure = []report.Text{report.Text(r.covered())}
	}
	return append(out, coverage)
}

func (r *testReport) write(w io.Writer, format string, colored bool) error {
	switch format {
	case jsonFormat:
		return writeDocument(w, r.document())
	case junitFormat:
		return report.JUnit(w, r.cases())
	case githubFormat:
		return report.GitHub(w, r.cases())
	}
	return r.text(w, colored)
}
