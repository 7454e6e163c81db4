package main

import "github.com/meshray/meshray/analyze/expect"

// testDocument is what test prints as JSON.
type testDocument struct {
	Summary  testSummary   `json:"summary"`
	Tests    []testOutcome `json:"tests"`
	Coverage *testCoverage `json:"coverage,omitempty"`
}

type testSummary struct {
	Tests   int `json:"tests"`
	Passed  int `json:"passed"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

type testOutcome struct {
	File        string           `json:"file"`
	Line        int              `json:"line"`
	Name        string           `json:"name"`
	Proxy       string           `json:"proxy,omitempty"`
	Result      string           `json:"result"` // passed, failed or skipped
	Differences []testDifference `json:"differences,omitempty"`
	Unknowns    []string         `json:"unknowns,omitempty"`
	Skipped     string           `json:"skipped,omitempty"` // why
}

type testDifference struct {
	Field string `json:"field"`
	Want  string `json:"want"`
	Got   string `json:"got"`
}

type testCoverage struct {
	Routes    int           `json:"routes"`
	Tested    int           `json:"tested"`
	Percent   float64       `json:"percent"`
	FailUnder float64       `json:"failUnder,omitempty"`
	NotTested []testedRoute `json:"notTested,omitempty"`
	// NotReached are route configurations whose routes are not counted.
	NotReached []unreachedTables `json:"notReached,omitempty"`
}

type unreachedTables struct {
	Proxy        string   `json:"proxy"`
	RouteConfigs []string `json:"routeConfigs"`
}

type testedRoute struct {
	Proxy       string `json:"proxy,omitempty"`
	RouteConfig string `json:"routeConfig"`
	VirtualHost string `json:"virtualHost"`
	Route       string `json:"route"`
	Match       string `json:"match,omitempty"`
	Cluster     string `json:"cluster,omitempty"` // of a route with weighted clusters
}

func (r *testReport) document() testDocument {
	doc := testDocument{Tests: []testOutcome{}}
	doc.Summary.Tests = len(r.results)
	doc.Summary.Passed, doc.Summary.Failed, doc.Summary.Skipped = r.count()
	for _, t := range r.results {
		out := testOutcome{File: t.file, Line: t.line, Name: t.name, Proxy: t.proxy, Result: "passed", Unknowns: t.unknowns, Skipped: t.skipped}
		switch {
		case t.failed():
			out.Result = "failed"
		case t.skipped != "":
			out.Result = "skipped"
		}
		for _, d := range t.differences {
			out.Differences = append(out.Differences, testDifference(d))
		}
		doc.Tests = append(doc.Tests, out)
	}
	if r.coverage != nil {
		doc.Coverage = newTestCoverage(r.coverage, r.failUnder)
	}
	return doc
}

func newTestCoverage(c *expect.Coverage, failUnder float64) *testCoverage {
	out := &testCoverage{Routes: len(c.Routes()), Tested: c.Covered(), Percent: c.Percent(), FailUnder: failUnder}
	for _, r := range c.Routes() {
		if !r.Tested {
			out.NotTested = append(out.NotTested, testedRoute{
				Proxy: r.Proxy, RouteConfig: r.RouteConfig, VirtualHost: r.VirtualHost, Route: r.Route, Match: r.Match, Cluster: r.Cluster,
			})
		}
	}
	for _, u := range c.Unreached() {
		out.NotReached = append(out.NotReached, unreachedTables{Proxy: u.Proxy, RouteConfigs: u.Names})
	}
	return out
}
