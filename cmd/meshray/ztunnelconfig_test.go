package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

// TestZtunnelPeerTables compares every table with what istioctl prints for the same dump.
func TestZtunnelPeerTables(t *testing.T) {
	corpus := filepath.Join(fixtures.Shared(t), "corpus")
	dumps := []struct{ dump, tables string }{
		{"dump.json", "ztunnel-dump"},
		{"kiali-1.24.json", "ztunnel-kiali-1.24"},
	}
	equal := 0
	for _, d := range dumps {
		tables, err := filepath.Glob(filepath.Join(corpus, "peer-tables", d.tables, "*.txt"))
		if err != nil || len(tables) == 0 {
			t.Fatalf("listing the tables of %s: got %d and error %v", d.tables, len(tables), err)
		}
		for _, table := range tables {
			want, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			verb := strings.TrimSuffix(filepath.Base(table), ".txt")
			got := printZtunnel(t, verb, filepath.Join(corpus, "ztunnel", d.dump))
			if diff := fixtures.Diff(d.tables+"/"+verb, trimLines(string(want)), trimLines(got)); diff != "" {
				t.Error(diff)
				continue
			}
			equal++
		}
	}
	t.Logf("%d tables are istioctl's", equal)
}

// printZtunnel runs a verb at the time by which istioctl judged certificates.
func printZtunnel(t *testing.T, verb, dump string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := testEnv(nil)
	e.stdout, e.stderr = &stdout, &stderr
	args := []string{"meshray", "zc", verb, "-f", dump, "--as-of", "2026-11-22T12:00:00Z"}
	if code := execute(e, commands(e), args); code != 0 || stderr.Len() > 0 {
		t.Errorf("%q: got exit code %d and %q, want success in silence", args, code, stderr.String())
	}
	return stdout.String()
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}
