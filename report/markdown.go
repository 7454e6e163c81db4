package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"strings"
)

// MarkdownBytes is the size that a Markdown report keeps below: what fits into
// a ticket or a comment on a pull request (65,536 characters on GitHub).
const MarkdownBytes = 60_000

// Markdown writes the report as GitHub-flavoured Markdown of less than
// [MarkdownBytes]. What does not fit is left out with a note that names the
// command which prints it.
func Markdown(w io.Writer, d *Document) error {
	m := markdown{doc: d}
	m.head()
	m.unchecked()
	m.findings(MarkdownBytes * 50 / 100)
	m.sync(MarkdownBytes * 62 / 100)
	m.proxies(MarkdownBytes * 74 / 100)
	m.capture(MarkdownBytes * 86 / 100)
	m.tables(MarkdownBytes - noteBytes)
	_, err := w.Write(m.b.Bytes())
	return err
}

// noteBytes is room for the last note.
const noteBytes = 600

// Limits of lists within one entry.
const (
	mdEvidence = 12
	mdRelated  = 6
	mdHits     = 6
	mdNames    = 8
	mdRows     = 30
)

type markdown struct {
	doc *Document
	b   bytes.Buffer
}

func (m *markdown) printf(format string, args ...any) { fmt.Fprintf(&m.b, format, args...) }

// blocks writes blocks while the page stays below limit, and a note for those
// that are left out.
func (m *markdown) blocks(limit int, blocks []string, note func(left int) string) {
	for i, block := range blocks {
		if m.b.Len()+len(block) > limit-noteBytes {
			m.printf("\n_%s_\n", note(len(blocks)-i))
			return
		}
		m.b.WriteString(block)
	}
}

func (m *markdown) head() {
	d := m.doc
	m.printf("# %s\n\n**%s**\n\n", prose(d.Title), prose(d.Verdict))
	m.printf("| Errors | Warnings | Notes | Proxies | Not in sync | Files | Damaged or unknown | Rules without a full answer |\n|---|---|---|---|---|---|---|---|\n")
	s := d.Summary
	m.printf("| %d | %d | %d | %d | %d | %d | %d | %d |\n\n", s.Errors, s.Warnings, s.Infos, s.Proxies, s.NotSynced, s.Files, s.Damaged+s.Unknown, s.Unchecked)
	m.printf("%s ", prose(Text(d.Capture.judgedAs())))
	m.printf("Made by %s.\n", prose(Text(strings.TrimSpace(d.Tool.Name+" "+d.Tool.Version))))
	for i, f := range d.top() {
		if i == 0 {
			m.printf("\n## First of all\n\n")
		}
		m.printf("%d. **%s** %s", i+1, prose(Text(f.Severity)), prose(f.Message))
		if where := f.Where.String(); where != "" {
			m.printf(" (%s)", code(f.Where))
		}
		if f.Fix != "" {
			m.printf("  \n   Fix: %s", prose(f.Fix))
		}
		m.printf("\n")
	}
}

func (m *markdown) unchecked() {
	var blocks []string
	for _, doubt := range m.doc.doubts() {
		of := ""
		if len(doubt.Of) > 0 {
			of = " of " + names(doubt.Of, mdNames)
		}
		blocks = append(blocks, fmt.Sprintf("- %s%s: %s\n", code(doubt.What), of, prose(doubt.Why)))
	}
	if len(blocks) == 0 {
		return
	}
	m.printf("\n## What could not be checked\n\n")
	m.blocks(m.b.Len()+MarkdownBytes/8, blocks, func(left int) string {
		return fmt.Sprintf("%d more; `meshray info CAPTURE` lists them.", left)
	})
}

func gapLine(gap Gap) string {
	text := prose(Text(gap.What))
	if len(gap.Proxies) > 0 {
		text += " of " + names(gap.Proxies, mdNames)
	}
	return text + ": " + prose(Text(gap.Why))
}

func (m *markdown) findings(limit int) {
	m.printf("\n## Findings\n")
	if len(m.doc.Findings) == 0 {
		m.printf("\nNone.\n")
		return
	}
	var blocks []string
	for _, f := range m.doc.Findings {
		blocks = append(blocks, m.finding(f))
	}
	m.blocks(limit, blocks, func(left int) string {
		return fmt.Sprintf("%s left out here; `meshray lint CAPTURE` prints them.", plural(left, "finding is", "findings are"))
	})
}

func (m *markdown) finding(f Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s: %s\n\n", prose(Text(f.Severity)), prose(f.Message))
	fmt.Fprintf(&b, "- Rule: %s %s, %s", prose(Text(f.Code)), code(Text(f.Rule)), prose(Text(f.Confidence)))
	if title := m.title(f.Rule); title != "" {
		fmt.Fprintf(&b, ": %s", prose(Text(title)))
	}
	b.WriteString("\n")
	if f.Where != "" {
		fmt.Fprintf(&b, "- Resource: %s\n", code(f.Where))
	}
	if len(f.Proxies) > 0 {
		fmt.Fprintf(&b, "- Proxies: %s\n", names(f.Proxies, mdNames))
	}
	if f.Object != "" {
		fmt.Fprintf(&b, "- Object behind it: %s\n", code(f.Object))
	}
	if f.Place.File != "" {
		fmt.Fprintf(&b, "- Source: %s\n", place(f.Place))
	}
	for _, e := range f.Evidence[:min(len(f.Evidence), mdEvidence)] {
		fmt.Fprintf(&b, "- %s: %s\n", prose(e.Name), code(e.Value))
	}
	for _, h := range f.Hits[:min(len(f.Hits), mdHits)] {
		fmt.Fprintf(&b, "- Hits %s\n", prose(h.Words))
	}
	for _, r := range f.Related[:min(len(f.Related), mdRelated)] {
		fmt.Fprintf(&b, "- See also %s: %s\n", code(r.Where), prose(r.Message))
	}
	if left := max(len(f.Evidence)-mdEvidence, 0) + max(len(f.Related)-mdRelated, 0) + max(f.AllHits-mdHits, 0); left > 0 {
		fmt.Fprintf(&b, "- %d more values and places; `meshray lint CAPTURE` prints them\n", left)
	}
	if f.Fix != "" {
		fmt.Fprintf(&b, "- **Fix:** %s\n", prose(f.Fix))
	}
	if f.Command != "" {
		b.WriteString("- **Fix:** capture it; the command stands under \"Missing\"\n")
	}
	return b.String()
}

func (m *markdown) title(rule string) string {
	for _, r := range m.doc.Rules {
		if r.Name == rule {
			return r.Title
		}
	}
	return ""
}

func place(p Place) string {
	text := string(p.File)
	if p.Line > 0 {
		text = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return code(Text(text))
}

// names lists texts, at most most of them.
func names(texts []Text, most int) string {
	var parts []string
	for _, text := range texts[:min(len(texts), most)] {
		parts = append(parts, code(text))
	}
	list := strings.Join(parts, ", ")
	if left := len(texts) - most; left > 0 {
		list += fmt.Sprintf(" and %d more", left)
	}
	return list
}

func (m *markdown) tables(limit int) {
	var blocks []string
	for _, i := range m.doc.priority() {
		p := m.doc.Proxies[i]
		for _, table := range p.Tables {
			blocks = append(blocks, proxyTable(p, table))
		}
	}
	if len(blocks) == 0 {
		return
	}
	m.printf("\n## What the proxies have\n")
	m.blocks(limit, blocks, func(left int) string {
		return fmt.Sprintf("%s left out: this page is kept below %d kB. `meshray proxy-config all PROXY -f CAPTURE` prints those of a proxy, `meshray report CAPTURE -o report.html` has them all.", plural(left, "table is", "tables are"), MarkdownBytes/1000)
	})
}

func proxyTable(p Proxy, t Table) string {
	var b strings.Builder
	total := ""
	if t.Total >= 0 {
		total = fmt.Sprintf(" (%d)", t.Total)
	}
	fmt.Fprintf(&b, "\n<details><summary><code>%s</code> %s%s</summary>\n\n", html.EscapeString(p.Key.String()), html.EscapeString(t.Title), total)
	rows := t.Rows[:min(len(t.Rows), mdRows)]
	if len(rows) > 0 {
		b.WriteString(row(t.Columns, word))
		b.WriteString(row(t.Columns, dashes))
	}
	for _, cells := range rows {
		b.WriteString(row(cells, cell))
	}
	switch left := t.Total - len(rows); {
	case t.SameAs != "":
		fmt.Fprintf(&b, "The same as those of %s.\n", code(t.SameAs))
	case t.Total < 0:
		fmt.Fprintf(&b, "Left out; %s prints it.\n", code(t.Command))
	case left > 0:
		fmt.Fprintf(&b, "\n%d more; %s prints them.\n", left, code(t.Command))
	case t.Total == 0:
		b.WriteString("None.\n")
	}
	b.WriteString("\n</details>\n")
	return b.String()
}
