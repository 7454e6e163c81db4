package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Failure   *junitFailure `xml:"failure"`
	Skipped   *junitSkipped `xml:"skipped"`
	Output    string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// JUnit writes cases as JUnit XML: one testsuite for each Suite, in the order in
// which they first occur. Times are left out: they would differ from run to run.
func JUnit(w io.Writer, cases []Case) error {
	var all junitSuites
	for _, c := range cases {
		all.add(c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	encoder := xml.NewEncoder(w)
	encoder.Indent("", "  ")
	if err := encoder.Encode(all); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("writing JUnit XML: %w", err)
	}
	return nil
}

func (s *junitSuites) add(c Case) {
	name := c.Suite.String()
	at := slices.IndexFunc(s.Suites, func(suite junitSuite) bool { return suite.Name == name })
	if at < 0 {
		at = len(s.Suites)
		s.Suites = append(s.Suites, junitSuite{Name: name})
	}
	suite := &s.Suites[at]
	result := junitCase{Name: c.Name.String(), ClassName: name, File: c.File.String(), Line: c.Line, Output: lines(c.Output)}
	s.Tests++
	suite.Tests++
	switch {
	case c.failed():
		s.Failures++
		suite.Failures++
		result.Failure = &junitFailure{Message: c.message(), Text: lines(c.Failure)}
	case c.Skipped != "":
		s.Skipped++
		suite.Skipped++
		result.Skipped = &junitSkipped{Message: c.Skipped.String()}
	}
	suite.Cases = append(suite.Cases, result)
}

func lines(texts []Text) string {
	var out []string
	for _, text := range texts {
		out = append(out, text.String())
	}
	return strings.Join(out, "\n")
}
