package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/meshray/meshray/analyze/expect"
)

// logDocument is the JSON form of replayed access logs.
type logDocument struct {
	Logs []logResult `json:"logs"`
}

type logResult struct {
	Proxy       string     `json:"proxy"`
	File        string     `json:"file"`
	Format      string     `json:"format,omitempty"`
	Requests    int        `json:"requests"`
	Explained   int        `json:"explained"`
	Unexplained int        `json:"unexplained"`
	Unknown     int        `json:"unknown"`
	Unread      int        `json:"unread"`
	Groups      []logGroup `json:"groups"`
}

type logGroup struct {
	Match     expect.Match      `json:"match"`
	Reason    string            `json:"reason"`
	Count     int               `json:"count"`
	Line      int               `json:"line"`
	Request   string            `json:"request"`
	Differs   []string          `json:"differs,omitempty"`
	Predicted expect.Prediction `json:"predicted"`
}

func (r *logReplay) document() logDocument {
	doc := logDocument{Logs: []logResult{}}
	for _, l := range r.logs {
		result := logResult{
			Proxy: l.proxy.Key(), File: l.name, Format: l.format, Requests: l.summary.Requests,
			Explained: l.groups.Explained, Unexplained: l.groups.Unexplained, Unknown: l.groups.Unknown,
			Unread: l.summary.Unread, Groups: []logGroup{},
		}
		for _, g := range l.groups.All() {
			result.Groups = append(result.Groups, logGroup{
				Match: g.Match, Reason: g.Reason, Count: g.Count, Line: g.First.Number, Request: g.First.Line.Request.String(),
				Differs: g.Differs, Predicted: g.Predicted,
			})
		}
		doc.Logs = append(doc.Logs, result)
	}
	return doc
}

func (r *logReplay) write(w io.Writer, format string, colored bool) error {
	switch format {
	case textFormat:
		out := bufio.NewWriter(w)
		for i, l := range r.logs {
			if i > 0 {
				fmt.Fprintln(out)
			}
			l.write(out, colored)
		}
		return out.Flush()
	case jsonFormat:
		return writeDocument(w, r.document())
	case yamlFormat:
		raw, err := document(r.document())
		if err != nil {
			return err
		}
		return writeYAML(w, raw)
	case ndjsonFormat:
		for _, result := range r.document().Logs {
			if err := writeLine(w, result); err != nil {
				return err
			}
		}
		return nil
	}
	return usageError{message: fmt.Sprintf("--access-log does not print %s: want text, json, yaml or ndjson", format)}
}

// headings are the kinds of groups in the order in which they are shown.
var headings = []struct {
	match expect.Match
	title string
	style style
}{
	{expect.No, "NOT EXPLAINED", red},
	{expect.Unknown, "CANNOT BE KNOWN", yellow},
	{expect.Yes, "EXPLAINED, AND FAILED BEHIND THE PROXY", yellow},
}

func (l *replayedLog) write(w io.Writer, colored bool) {
	paint := func(s style, text string) string {
		if !colored {
			return text
		}
		return s.paint(text)
	}
	fmt.Fprintf(w, "%s, the access log of %s", paint(bold, sanitize(l.name)), sanitize(l.proxy.Key()))
	if l.format != "" {
		fmt.Fprintf(w, " (format: %s)", sanitize(l.format))
	}
	fmt.Fprintf(w, "\n%s: %d explained by this configuration, %d not, %d cannot be known\n",
		plural(l.summary.Requests, "request", "requests"), l.groups.Explained, l.groups.Unexplained, l.groups.Unknown)
	if l.summary.Unread > 0 {
		fmt.Fprintf(w, "%s could not be read, the first is line %d: name the format with --log-format\n", plural(l.summary.Unread, "line", "lines"), l.summary.FirstUnread)
	}
	if l.summary.Requests == 0 {
		for _, why := range l.unread {
			fmt.Fprintf(w, "%s\n", sanitize(why))
		}
	}
	groups := l.groups.All()
	for _, heading := range headings {
		title := heading.title
		for _, g := range groups {
			if g.Match != heading.match {
				continue
			}
			if title != "" {
				fmt.Fprintf(w, "\n%s\n", paint(heading.style, title))
				title = ""
			}
			fmt.Fprintf(w, "%5dx  %s\n        first: line %d, %s\n", g.Count, sanitize(g.Reason), g.First.Number, sanitize(strings.TrimSpace(g.First.Line.Request.String())))
		}
	}
}
