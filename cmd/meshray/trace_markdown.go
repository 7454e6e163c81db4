package main

import (
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze/trace"
)

// traceMarkdown is a trace for an issue or a chat: the verdicts, then a table of
// steps for every proxy of the likeliest way.
func traceMarkdown(t *trace.Trace) string {
	var b strings.Builder
	first := t.Paths[0]
	fmt.Fprintf(&b, "### `%s`\n\n", codeText(t.Request.String()))
	plain := ladder{}
	for _, p := range t.Paths {
		fmt.Fprintf(&b, "- **%s** %s\n", share(p.Share), markdownText(plain.ending(p)))
	}
	for i := range first.Hops {
		h := &first.Hops[i]
		fmt.Fprintf(&b, "\n%d. `%s`, %s\n\n| step | chosen | reason |\n| --- | --- | --- |\n", i+1, codeText(h.Proxy), h.Direction)
		for _, s := range h.Steps {
			reason := strings.Join(append([]string{s.Reason}, s.Notes...), "; ")
			if s.Object != nil {
				reason += "; by " + objectText(s.Object)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", s.Kind, codeCell(s.Chosen), markdownText(reason))
		}
		for _, u := range h.Unknowns {
			fmt.Fprintf(&b, "| unknown | %s | %s |\n", codeCell(u.What), markdownText(u.Effect))
		}
	}
	return b.String()
}

func codeCell(text string) string {
	if text == "" {
		return ""
	}
	return "`" + codeText(text) + "`"
}

// codeText keeps a text from ending a code span or a table cell.
func codeText(text string) string {
	return strings.NewReplacer("`", "'", "|", `\|`).Replace(sanitize(text))
}

// markdownText escapes what Markdown or HTML would read as markup.
func markdownText(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "[", `\[`, "`", "'", "&", "&amp;").Replace(sanitize(text))
}

// traceMermaid is a trace as a Mermaid flowchart: ways that go together are drawn
// once, and arrows carry the share of the requests from where ways part.
func traceMermaid(t *trace.Trace) string {
	m := mermaid{nodes: map[string]string{}, shares: map[string]float64{}}
	m.b.WriteString("flowchart TD\n")
	m.node("", t.Request.String(), "([", "])")
	for _, p := range t.Paths {
		m.measure(p)
	}
	for _, p := range t.Paths {
		m.draw(p)
	}
	return m.b.String()
}

// mermaid draws ways; a place on a way is named by all that leads to it.
type mermaid struct {
	b      strings.Builder
	nodes  map[string]string
	shares map[string]float64
}

// mermaidPlace is a node of a way.
type mermaidPlace struct {
	key, text string
	open, end string
}

// placesOf are the nodes of a way in order.
func placesOf(p trace.Path) []mermaidPlace {
	var places []mermaidPlace
	key := ""
	for i := range p.Hops {
		h := &p.Hops[i]
		for _, s := range h.Steps {
			text := string(s.Kind) + " " + s.Chosen
			if s.Kind == trace.StepListener {
				text = h.Proxy + ": " + text
			}
			key += "\x00" + text
			places = append(places, mermaidPlace{key, text, "[", "]"})
		}
	}
	o := p.Hops[len(p.Hops)-1].Outcome
	text := strings.TrimSpace(strings.ToUpper(string(o.Verdict)) + " " + answerText(o))
	return append(places, mermaidPlace{key + "\x00=" + text, text, "{{", "}}"})
}

// measure adds a way's share to all places on it.
func (m *mermaid) measure(p trace.Path) {
	m.shares[""] += p.Share
	for _, at := range placesOf(p) {
		m.shares[at.key] += p.Share
	}
}

func (m *mermaid) draw(p trace.Path) {
	from := ""
	for _, at := range placesOf(p) {
		if _, drawn := m.nodes[at.key]; !drawn {
			m.node(at.key, at.text, at.open, at.end)
			label := ""
			if m.shares[at.key] < m.shares[from] {
				label = "|" + share(m.shares[at.key]) + "|"
			}
			fmt.Fprintf(&m.b, "  %s -->%s %s\n", m.nodes[from], label, m.nodes[at.key])
		}
		from = at.key
	}
}

func (m *mermaid) node(key, text, open, end string) {
	name := fmt.Sprintf("n%d", len(m.nodes))
	m.nodes[key] = name
	// Mermaid reads HTML entities in quoted labels, and # as the start of its own.
	text = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;").Replace(sanitize(text))
	fmt.Fprintf(&m.b, "  %s%s\"%s\"%s\n", name, open, text, end)
}
