package report

import (
	"fmt"
	"io"
	"strings"
)

// maxSummary bounds the Markdown of findings in bytes: GitHub drops a step summary
// of a mebibyte and a comment of 65,536 characters.
const maxSummary = 60_000

// LintMarkdown writes findings as Markdown for a step summary or a comment: a table,
// then what is fixed, accepted and could not be judged.
func LintMarkdown(w io.Writer, l *Lint) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n", l.headline())
	if len(l.Findings) > 0 {
		b.WriteString("| severity | rule | what | where | fix |\n| --- | --- | --- | --- | --- |\n")
	}
	for i, f := range l.Findings {
		row := fmt.Sprintf("| %s | %s | %s | %s | %s |\n", f.Severity, cell(Text(f.Code+" "+f.Rule)), cell(f.Message), cell(Text(f.subject())), cell(f.repair()))
		if b.Len()+len(row) > maxSummary {
			fmt.Fprintf(&b, "\n%d more findings are not shown.\n", len(l.Findings)-i)
			break
		}
		b.WriteString(row)
	}
	for _, line := range []struct {
		n    int
		text string
	}{
		{len(l.Known), "known from before"}, {len(l.Fixed), "fixed since"}, {len(l.Suppressed), "accepted by suppressions"},
	} {
		if line.n > 0 {
			fmt.Fprintf(&b, "\n%s %s.\n", plural(line.n, "finding", "findings"), line.text)
		}
	}
	if len(l.Unchecked) > 0 {
		fmt.Fprintf(&b, "\n%s could not judge everything: the capture lacks what they need.\n", plural(len(l.Unchecked), "rule", "rules"))
	}
	for _, note := range l.Notes {
		fmt.Fprintf(&b, "\n- %s\n", code(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// headline counts the findings by severity.
func (l *Lint) headline() string {
	count := map[string]int{}
	for _, f := range l.Findings {
		count[f.Severity]++
	}
	if len(l.Findings) == 0 {
		return "No findings"
	}
	return fmt.Sprintf("%s, %s, %s", plural(count["error"], "error", "errors"), plural(count["warning"], "warning", "warnings"), plural(count["info"], "info", "infos"))
}
