package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

// HTMLBytes is the default of the largest HTML report.
const HTMLBytes = 5 << 20

// minHTMLBytes is room for the page without any entry.
const minHTMLBytes = 64 << 10

var (
	//go:embed page.html.tmpl
	pageTemplate string
	//go:embed style.css
	styleSheet string
	//go:embed script.js
	script string
)

// HTML writes the report as one page of at most maxBytes that needs nothing
// else: no network, no other file, and no script to be read. Its content
// security policy allows just the style and the script that are in it. What
// does not fit is left out with a note that names the command which prints it.
// A maxBytes of 0 stands for [HTMLBytes].
func HTML(w io.Writer, d *Document, maxBytes int) error {
	if maxBytes == 0 {
		maxBytes = HTMLBytes
	}
	if maxBytes < minHTMLBytes {
		return fmt.Errorf("writing the HTML report: want room for %d bytes at least, got %d", minHTMLBytes, maxBytes)
	}
	templates, err := template.New("page").Funcs(htmlFuncs()).Parse(pageTemplate)
	if err != nil {
		return err
	}
	p := newPage(d)
	// The first rendering tells what the page weighs without its entries.
	empty, err := render(templates, "page", p)
	if err != nil {
		return err
	}
	f := filler{templates: templates, page: p, left: maxBytes - len(empty) - htmlNoteBytes}
	if err := f.fill(); err != nil {
		return err
	}
	full, err := render(templates, "page", p)
	if err != nil {
		return err
	}
	if len(full) > maxBytes {
		return fmt.Errorf("writing the HTML report: its first screen alone needs %d bytes, more than the limit of %d: raise the limit", len(full), maxBytes)
	}
	_, err = io.WriteString(w, string(full))
	return err
}

func render(t *template.Template, name string, data any) (template.HTML, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("writing the HTML report: %w", err)
	}
	return template.HTML(b.String()), nil // it was escaped by the template
}

func htmlFuncs() template.FuncMap {
	return template.FuncMap{"prose": proseHTML, "anchor": anchor, "dash": dash}
}

// page is what the template sees. The lists are filled in by a filler.
type page struct {
	*Document
	Style, Script template.HTML
	Policy        string
	Top           []findingView
	Doubts        []doubtView

	Findings, SyncRows, ProxyRows, Inputs, Problems, Missing, Owners list
	SyncColumns, CountColumns                                        []string

	known map[Text]bool // the proxies with a place in the page
	rules map[string]Rule
}

// list is a list of entries, rendered, and the number of those left out.
type list struct {
	Items []template.HTML
	Left  int
}

func newPage(d *Document) *page {
	p := &page{
		Document: d, SyncColumns: syncColumns(), CountColumns: countColumns(),
		Style:  template.HTML("<style>" + styleSheet + "</style>"),
		Script: template.HTML("<script>" + script + "</script>"),
		Policy: fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'",
			hashSource(styleSheet), hashSource(script)),
		known: map[Text]bool{}, rules: map[string]Rule{},
	}
	for _, proxy := range d.Proxies {
		p.known[proxy.Key] = true
	}
	for _, r := range d.Rules {
		p.rules[r.Name] = r
	}
	for _, f := range d.top() {
		p.Top = append(p.Top, p.finding(f))
	}
	p.Doubts = p.doubtViews()
	return p
}

// hashSource allows one inline element by its content (CSP level 2).
func hashSource(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
