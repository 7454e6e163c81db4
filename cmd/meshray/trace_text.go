package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// writeTrace prints one trace in the format that was asked for.
func writeTrace(w io.Writer, c *cli.Context, e env, t *trace.Trace) error {
	switch c.String("output") {
	case jsonFormat:
		return writeDocument(w, newTraceDocument(t))
	case yamlFormat:
		raw, err := document(newTraceDocument(t))
		if err != nil {
			return err
		}
		return writeYAML(w, raw)
	case ndjsonFormat:
		return writeLine(w, newTraceDocument(t))
	case mermaidFormat:
		_, err := io.WriteString(w, traceMermaid(t))
		return err
	case markdownFormat:
		_, err := io.WriteString(w, traceMarkdown(t))
		return err
	}
	l := ladder{w: bufio.NewWriter(w), colored: e.colored(c.String("color")), why: c.Bool("why")}
	l.trace(t)
	return l.w.Flush()
}

// ladder prints traces for people.
type ladder struct {
	w       *bufio.Writer
	colored bool
	why     bool
}

func (l *ladder) paint(s style, text string) string {
	if !l.colored {
		return text
	}
	return s.paint(text)
}

// trace prints the likeliest way whole, then where the others leave it.
func (l *ladder) trace(t *trace.Trace) {
	first := t.Paths[0]
	hop := first.Hops[0]
	fmt.Fprintf(l.w, "%s\n", sanitize(t.Request.String()))
	fmt.Fprintf(l.w, "%s %s, %s to %s", sidePreposition(hop), sanitize(hop.Proxy), hop.Direction, hop.Request.To)
	if hop.Request.From != "" {
		fmt.Fprintf(l.w, " from %s", hop.Request.From)
	}
	fmt.Fprintln(l.w)
	l.verdicts(t)
	if first.Share < 1 {
		fmt.Fprintf(l.w, "\nThe way of %s of the requests:\n", share(first.Share))
	}
	for i := range first.Hops {
		l.hop(&first.Hops[i], i)
	}
	l.unknowns(t)
}

// sidePreposition is how the first proxy meets the request.
func sidePreposition(h trace.Hop) string {
	if h.Direction == "outbound" {
		return "from"
	}
	return "at"
}

// verdicts prints how every way ends, the likeliest first.
func (l *ladder) verdicts(t *trace.Trace) {
	for _, p := range t.Paths {
		line := ""
		if len(t.Paths) > 1 {
			line = share(p.Share) + ": "
		}
		fmt.Fprintf(l.w, "%s %s%s\n", l.paint(bold, "=>"), line, l.ending(p))
	}
	if t.Truncated {
		fmt.Fprintf(l.w, "=> and further ways, not followed\n")
	}
}

// ending is the verdict of a way, its answer and the reason.
func (l *ladder) ending(p trace.Path) string {
	last := p.Hops[len(p.Hops)-1]
	o := last.Outcome
	text := l.paint(verdictStyle(o.Verdict), strings.ToUpper(string(o.Verdict)))
	if answer := answerText(o); answer != "" {
		text += " " + answer
	}
	if len(p.Hops) > 1 {
		text += " at " + sanitize(last.Proxy)
	}
	return text + ": " + sanitize(o.Reason)
}

// answerText is what Envoy itself answers: "503 UH no_healthy_upstream".
func answerText(o trace.Outcome) string {
	var parts []string
	if o.Status > 0 {
		parts = append(parts, strconv.Itoa(o.Status))
	}
	if o.GRPCStatus >= 0 {
		parts = append(parts, "grpc-status "+strconv.Itoa(o.GRPCStatus))
	}
	if o.Flags != "" {
		parts = append(parts, o.Flags)
	}
	if o.Details != "" {
		parts = append(parts, sanitize(o.Details))
	}
	return strings.Join(parts, " ")
}

func verdictStyle(v trace.Verdict) style {
	switch v {
	case trace.Routed:
		return green
	case trace.Passthrough, trace.Redirect, trace.DirectResponse, trace.Unmodelled:
		return yellow
	}
	return red
}

// share is a part of one in percent.
func share(part float64) string {
	return strconv.FormatFloat(math.Round(part*1e6)/1e4, 'f', -1, 64) + "%"
}

const (
	kindWidth   = 10
	indentWidth = 2 + kindWidth + 1
)

func (l *ladder) hop(h *trace.Hop, index int) {
	title := sanitize(h.Proxy)
	if h.Kind != mesh.UnknownProxy {
		title += " (" + string(h.Kind) + ")"
	}
	fmt.Fprintf(l.w, "\n%d. %s, %s", index+1, l.paint(bold, title), h.Direction)
	if index > 0 {
		fmt.Fprintf(l.w, ": %s to %s", sanitize(h.Request.String()), h.Request.To)
	}
	fmt.Fprintln(l.w)
	for i := range h.Steps {
		l.step(&h.Steps[i])
	}
	line := strings.ToUpper(string(h.Outcome.Verdict))
	if answer := answerText(h.Outcome); answer != "" {
		line += " " + answer
	}
	fmt.Fprintf(l.w, "  %-*s %s\n", kindWidth, trace.StepVerdict, l.paint(verdictStyle(h.Outcome.Verdict), line))
	for _, u := range h.Unknowns {
		fmt.Fprintf(l.w, "  %-*s %s: %s\n", kindWidth, "UNKNOWN", sanitize(u.What), sanitize(u.Effect))
	}
}

func (l *ladder) step(s *trace.Step) {
	chosen := sanitize(s.Chosen)
	if chosen == "" {
		chosen = l.paint(red, "none")
	}
	fmt.Fprintf(l.w, "  %-*s %s  %s\n", kindWidth, s.Kind, chosen, l.paint(faint, sanitize(s.Reason)))
	if len(s.Notes) > 0 {
		l.detail(strings.Join(s.Notes, "; "))
	}
	if s.Object != nil {
		l.detail("by " + objectText(s.Object))
	}
	if !l.why {
		return
	}
	if source := s.Source.String(); source != "" {
		l.detail("in " + source)
	}
	for _, r := range s.Rejected {
		fmt.Fprintf(l.w, "%*s%s %s: %s\n", indentWidth, "", l.paint(red, "not"), sanitize(r.Candidate), sanitize(rejection(r)))
	}
}

func (l *ladder) detail(text string) {
	fmt.Fprintf(l.w, "%*s%s\n", indentWidth, "", sanitize(text))
}

// rejection says why a candidate was passed over.
func rejection(r trace.Rejected) string {
	if r.Got == "" {
		return r.Condition + " wants " + r.Want
	}
	return r.Condition + " wants " + r.Want + ", got " + r.Got
}

// objectText names an Istio object, and where it stands in the capture.
func objectText(o *trace.Object) string {
	text := o.Name
	if o.Kind != "" {
		text = o.Kind + " " + o.Namespace + "/" + o.Name
	}
	if source := o.Source.String(); source != "" {
		text += " (" + source + ")"
	}
	return text
}

// unknowns says once what all of it rests on.
func (l *ladder) unknowns(t *trace.Trace) {
	if !l.why && len(t.Paths[0].Hops[0].Steps) > 0 {
		fmt.Fprintf(l.w, "\n%s\n", l.paint(faint, "--why shows what was passed over, and where each thing stands in the capture"))
	}
}
