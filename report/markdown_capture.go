package report

import (
	"fmt"
	"strconv"
)

// sync writes the sync table: a row for each pair of proxy and istiod.
func (m *markdown) sync(limit int) {
	s := m.doc.Sync
	if len(s.Rows) == 0 {
		return
	}
	m.printf("\n## Sync with the control plane\n\n")
	if len(s.Istiods) == 0 {
		m.printf("The capture has no istiod's list of proxies; the proxies' own files tell what they can.\n\n")
	}
	var notes []string
	for _, note := range s.Notes {
		notes = append(notes, "- "+prose(note)+"\n")
	}
	m.blocks(m.b.Len()+(limit-m.b.Len())/2, notes, func(left int) string {
		return fmt.Sprintf("%d more notes; `meshray proxy-status -f CAPTURE` prints them.", left)
	})
	m.printf("\n%s%s", row([]string{"Proxy", "State", "CDS", "LDS", "EDS", "RDS", "ECDS", "Istiod", "Version"}, same), row(make([]string, 9), dashes))
	var rows []string
	for _, r := range s.urgentFirst() {
		cells := []string{cell(r.Proxy), word(syncState(r))}
		for _, short := range syncColumns() {
			cells = append(cells, word(typeState(r, short)))
		}
		rows = append(rows, row(append(cells, cell(r.Istiod), cell(r.Version)), same))
	}
	m.blocks(limit, rows, func(left int) string {
		return fmt.Sprintf("%d more rows; `meshray proxy-status -f CAPTURE` prints them.", left)
	})
}

func syncColumns() []string { return []string{"CDS", "LDS", "EDS", "RDS", "ECDS"} }

// syncState is the state of a row, or why there is none.
func syncState(r SyncRow) string {
	if r.Link != linkKnown {
		return r.Link
	}
	return r.State
}

// linkKnown is the Link of a row whose sync state an istiod reports.
const linkKnown = "connected"

// typeState is the state of one type of a row, with its age where it is late.
func typeState(r SyncRow, short string) string {
	for _, t := range r.Types {
		if t.Type != short {
			continue
		}
		if t.Age != "" && (t.State == stateStale || t.State == stateError) {
			return t.State + " (" + t.Age + ")"
		}
		return t.State
	}
	return "-"
}

func (m *markdown) proxies(limit int) {
	d := m.doc
	if len(d.Proxies) == 0 {
		return
	}
	m.printf("\n## Proxies\n\n")
	header := []string{"Proxy", "Kind", "Istio", "Envoy", "Clusters", "Listeners", "Routes", "Endpoints", "Secrets", "Not active", "Errors", "Warnings"}
	m.printf("%s%s", row(header, same), row(header, dashes))
	var rows []string
	for _, p := range d.Proxies {
		cells := []string{cell(p.Key), word(p.Kind), cell(p.IstioVersion), cell(p.EnvoyVersion)}
		for _, kind := range countColumns() {
			cells = append(cells, p.active(kind))
		}
		cells = append(cells, dash(word(p.notActive())), strconv.Itoa(p.Errors), strconv.Itoa(p.Warnings))
		rows = append(rows, row(cells, same))
	}
	m.blocks(limit, rows, func(left int) string {
		return fmt.Sprintf("%d more proxies; `meshray info CAPTURE` lists them.", left)
	})
}

// capture writes what was read, and what was not.
func (m *markdown) capture(limit int) {
	c := m.doc.Capture
	m.printf("\n## Capture\n\n")
	var blocks []string
	if len(c.Names) > 0 {
		blocks = append(blocks, fmt.Sprintf("- Opened: %s\n", names(c.Names, mdNames)))
	}
	for _, cp := range c.ControlPlanes {
		blocks = append(blocks, fmt.Sprintf("- Control plane %s, namespace %s, revision %s, version %s: lists %s\n",
			code(cp.Name), cell(cp.Namespace), cell(cp.Revision), cell(cp.Version), plural(cp.Connected, "proxy", "proxies")))
	}
	fates := map[string]int{}
	for _, in := range c.Inputs {
		fates[in.Fate]++
	}
	blocks = append(blocks, fmt.Sprintf("- %s: %d read, %d damaged, %d ignored, %d unknown\n",
		plural(len(c.Inputs), "file", "files"), fates["read"], fates[fateDamaged], fates["ignored"], fates[fateUnknown]))
	for _, in := range c.Inputs {
		if in.Fate == "ignored" {
			blocks = append(blocks, fmt.Sprintf("- %s ignored: %s\n", code(in.Path), prose(in.Reason)))
		}
	}
	for _, p := range c.Problems {
		blocks = append(blocks, fmt.Sprintf("- %s: %s\n", place(p.Place), prose(p.Message)))
	}
	for i, gap := range c.Missing {
		if i == 0 {
			blocks = append(blocks, "\n### Missing\n")
		}
		blocks = append(blocks, fmt.Sprintf("\n%s\n\n%s", gapLine(gap), fenced(gap.Command)))
	}
	m.blocks(limit, blocks, func(left int) string {
		return fmt.Sprintf("%d more entries; `meshray info CAPTURE` lists them.", left)
	})
}
