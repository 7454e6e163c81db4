package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

func someCases() []Case {
	cases := []Case{
		{Suite: "routes.yaml", Name: "jason goes to v2", File: "routes.yaml", Line: 5},
		{Suite: "routes.yaml", Name: "100%, or: \x1b[31m<b>\u202e", File: "a:b,c.yaml", Line: 9, Failure: []Text{"cluster: want v2 & more, got v1\nand", "status: want 0,\x00got 404"}},
		{Suite: "gateway", Name: "unknown", Skipped: "ext_authz decides"},
		{Suite: "gateway", Name: "no place", Failure: []Text{"route: want a, got none"}},
	}
	for i := range 11 {
		cases = append(cases, Case{Suite: "many", Name: Text(fmt.Sprintf("case %d", i)), File: "f.yaml", Line: i, Failure: []Text{"differs"}})
	}
	return cases
}

func TestJUnit(t *testing.T) {
	var out bytes.Buffer
	if err := JUnit(&out, someCases()); err != nil {
		t.Fatalf("writing: %v", err)
	}
	if err := xml.Unmarshal(out.Bytes(), new(junitSuites)); err != nil {
		t.Errorf("reading it back: got error %v; want XML", err)
	}
	fixtures.Golden(t, "../fixtures/report/cases.junit.xml", out.Bytes())
}

func TestGitHub(t *testing.T) {
	var out bytes.Buffer
	if err := GitHub(&out, someCases()); err != nil {
		t.Fatalf("writing: %v", err)
	}
	fixtures.Golden(t, "../fixtures/report/cases.github.txt", out.Bytes())
}

func TestNoCases(t *testing.T) {
	var junit, github bytes.Buffer
	if err := JUnit(&junit, nil); err != nil {
		t.Fatalf("writing JUnit: %v", err)
	}
	if err := GitHub(&github, nil); err != nil {
		t.Fatalf("writing annotations: %v", err)
	}
	if want := xml.Header + `<testsuites tests="0" failures="0" skipped="0"></testsuites>` + "\n"; junit.String() != want || github.Len() > 0 {
		t.Errorf("got %q and %q; want empty ones", junit.String(), github.String())
	}
}
