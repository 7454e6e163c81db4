package rules

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
)

// TestREADME renders README.md from the rules' documentation; -update writes it.
func TestREADME(t *testing.T) {
	fixtures.Golden(t, "README.md", []byte(readme(findCases(t))))
}

func readme(found map[string]*cases) string {
	var b strings.Builder
	b.WriteString("# Lint rules\n\n")
	b.WriteString("Rendered from the rules' documentation by `make golden`. `meshray rules explain NAME` prints the same without a network.\n\n")
	fmt.Fprintf(&b, "%d rules; those of a profile run with `--profile`, or when they are named.\n\n", len(All()))
	b.WriteString("An error is broken now and proven from the captured data. A warning is likely to break, or breaks some requests. Info hurts nobody as things stand.\n\n")
	b.WriteString("| rule | code | severity | confidence | category | profile | firing cases | silent cases |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range All() {
		c := found[r.Name]
		if c == nil {
			c = &cases{}
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s | %s | %d | %d |\n", r.Name, r.Name, r.Code, r.Severity, r.Confidence, r.Category, cmp.Or(string(r.Profile), "default"), c.firing, c.silent)
	}
	for _, r := range All() {
		section(&b, r)
	}
	return b.String()
}

func section(b *strings.Builder, r *analyze.Rule) {
	fmt.Fprintf(b, "\n## %s\n\n%s (%s): %s.\n\n", r.Name, r.Code, r.Severity, r.Doc.Title)
	fmt.Fprintf(b, "%s\n\n**Why it hurts.** %s\n\n", r.Doc.Finds, r.Doc.Hurts)
	var needs []string
	for _, n := range r.Needs {
		needs = append(needs, string(n))
	}
	if len(needs) > 0 {
		fmt.Fprintf(b, "**Needs.** %s. Without it the rule is reported as skipped.\n\n", strings.Join(needs, "; "))
	}
	fmt.Fprintf(b, "**Example.**\n\n```yaml\n%s\n```\n\n", r.Doc.Example)
	fmt.Fprintf(b, "**Not reported.** %s\n\n**Fix.** %s.\n", r.Doc.Silent, r.Doc.Fix)
	for i, url := range r.Doc.References {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "- <%s>\n", url)
	}
}
