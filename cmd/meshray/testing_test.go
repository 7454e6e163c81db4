package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

// The example that the documentation shows passes.
func TestExampleSuite(t *testing.T) {
	var out, errs bytes.Buffer
	file := filepath.Join(fixtures.Root(t), "fixtures", "expect", "bookinfo.yaml")
	code := run([]string{"meshray", "test", file}, strings.NewReader(""), &out, &errs)
	if want := "8 tests: 8 passed, 0 failed\n"; code != exitClean || out.String() != want || errs.Len() > 0 {
		t.Errorf("got exit code %d, %q, %q; want %q", code, out.String(), errs.String(), want)
	}
}

// A percentage is never rounded up to the next one, or to all.
func TestPercentText(t *testing.T) {
	for percent, want := range map[float64]string{0: "0%", 100: "100%", 99.99: "99.9%", 50: "50%", 100.0 / 3: "33.3%"} {
		if got := percentText(percent); got != want {
			t.Errorf("%v: got %s; want %s", percent, got, want)
		}
	}
}
