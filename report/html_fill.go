package report

import "html/template"

// htmlNoteBytes is room for the notes on what was left out.
const htmlNoteBytes = 16 << 10

// filler renders the entries of a page while there is room for them, the most
// important ones first.
type filler struct {
	templates *template.Template
	page      *page
	left      int // bytes
}

func (f *filler) fill() error {
	p, d := f.page, f.page.Document
	steps := []func() error{
		func() error { return entries(f, 2, "finding", d.Findings, p.finding, &p.Findings) },
		func() error { return entries(f, 4, "missing", d.Capture.Missing, p.gap, &p.Missing) },
		func() error { return entries(f, 4, "syncrow", d.Sync.urgentFirst(), p.syncRow, &p.SyncRows) },
		func() error { return entries(f, 4, "proxyrow", d.Proxies, p.proxy, &p.ProxyRows) },
		func() error { return entries(f, 8, "problem", d.Capture.Problems, problem, &p.Problems) },
		func() error { return entries(f, 4, "input", d.Capture.Inputs, input, &p.Inputs) },
		f.owners,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (p *page) gap(g Gap) gapView {
	v := gapView{Gap: g}
	v.Links, v.Left = p.links(g.Proxies, htmlNames)
	return v
}

func problem(p Problem) Problem { return p }

func input(in Input) Input { return in }

// entries renders a list into at most one part in share of the room.
func entries[T, V any](f *filler, share int, name string, from []T, view func(T) V, to *list) error {
	room := f.left / share
	for i, item := range from {
		text, err := render(f.templates, name, view(item))
		if err != nil {
			return err
		}
		if len(text) > room {
			to.Left = len(from) - i
			return nil
		}
		room -= len(text)
		f.left -= len(text)
		to.Items = append(to.Items, text)
	}
	return nil
}

// owners renders what each proxy has. Where there is no room for the rows of a
// table it is shown without them.
func (f *filler) owners() error {
	p := f.page
	rendered := make([]template.HTML, len(p.Proxies))
	for _, i := range p.priority() {
		v := p.proxy(p.Proxies[i])
		frame, err := render(f.templates, "owner", v)
		if err != nil {
			return err
		}
		if len(frame) > f.left {
			p.Owners.Left++
			continue
		}
		f.left -= len(frame)
		if v.Tables, err = f.tables(v.Proxy); err != nil {
			return err
		}
		if rendered[i], err = render(f.templates, "owner", v); err != nil {
			return err
		}
	}
	for _, owner := range rendered {
		if owner != "" {
			p.Owners.Items = append(p.Owners.Items, owner)
		}
	}
	return nil
}

func (f *filler) tables(owner Proxy) ([]template.HTML, error) {
	var out []template.HTML
	for _, t := range owner.Tables {
		bare := t
		bare.Rows = nil
		for _, version := range []Table{t, bare} {
			text, err := render(f.templates, "table", f.page.table(owner.Key, version))
			if err != nil {
				return nil, err
			}
			if len(text) <= f.left {
				f.left -= len(text)
				out = append(out, text)
				break
			}
		}
	}
	return out, nil
}
