package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"
)

// Limits of lists within one entry of the page.
const (
	htmlEvidence = 40
	htmlRelated  = 40
	htmlHits     = 20
	htmlNames    = 50
	htmlDoubts   = 12
	htmlNotes    = 40
	// Names of proxies on the first screen.
	doubtNames = 5
)

// link is a name, and where in the page it leads; Anchor is empty for nowhere.
type link struct {
	Text   Text
	Anchor string
}

type findingView struct {
	Finding
	Anchor  string
	Rule    Rule
	Links   []link
	Left    int // proxies that are not in Links
	LeftOut int // evidence and related places that are left out
}

func (p *page) finding(f Finding) findingView {
	v := findingView{Finding: f, Anchor: anchor("f", Text(f.Code+"-"+f.Fingerprint[:min(len(f.Fingerprint), 8)])), Rule: p.rules[f.Rule]}
	v.Rule.Name = f.Rule
	v.Links, v.Left = p.links(f.Proxies, htmlNames)
	v.LeftOut = max(len(f.Evidence)-htmlEvidence, 0) + max(len(f.Related)-htmlRelated, 0) + max(f.AllHits-htmlHits, 0)
	v.Hits = f.Hits[:min(len(f.Hits), htmlHits)]
	v.Evidence = f.Evidence[:min(len(f.Evidence), htmlEvidence)]
	v.Related = f.Related[:min(len(f.Related), htmlRelated)]
	return v
}

func (p *page) links(keys []Text, most int) (links []link, left int) {
	shown := min(len(keys), most)
	for _, key := range keys[:shown] {
		links = append(links, p.link(key))
	}
	return links, len(keys) - shown
}

func (p *page) link(key Text) link {
	if !p.known[key] {
		return link{Text: key}
	}
	return link{Text: key, Anchor: anchor("p", key)}
}

// doubtView is a doubt of the first screen; the rest stands under "Capture".
type doubtView struct {
	doubt
	Links []link
	Left  int
}

func (p *page) doubtViews() []doubtView {
	var out []doubtView
	for _, d := range p.doubts() {
		v := doubtView{doubt: d}
		v.Links, v.Left = p.links(d.Of, doubtNames)
		out = append(out, v)
	}
	return out
}

// MoreDoubts is the number of doubts that the first screen leaves out.
func (p *page) MoreDoubts() int { return max(len(p.Doubts)-htmlDoubts, 0) }

// FirstDoubts are the doubts of the first screen.
func (p *page) FirstDoubts() []doubtView { return p.Doubts[:min(len(p.Doubts), htmlDoubts)] }

// Unread is the number of files that were read in part or not understood.
func (p *page) Unread() int { return p.Summary.Damaged + p.Summary.Unknown }

// JudgedAs says by which moment ages and validity are judged.
func (p *page) JudgedAs() Text { return Text(p.Capture.judgedAs()) }

// Notes are those of the sync table, as far as there is room for them.
func (p *page) Notes() []Text { return p.Sync.Notes[:min(len(p.Sync.Notes), htmlNotes)] }

// MoreNotes is the number of notes that are left out.
func (p *page) MoreNotes() int { return len(p.Sync.Notes) - len(p.Notes()) }

type syncView struct {
	SyncRow
	Link  link
	Cells []SyncType
	State string
	Late  bool
}

func (p *page) syncRow(r SyncRow) syncView {
	v := syncView{SyncRow: r, Link: p.link(r.Proxy), State: syncState(r), Late: r.State == stateError || r.State == stateStale}
	for _, short := range syncColumns() {
		cell := SyncType{Type: short, State: typeState(r, short)}
		for _, t := range r.Types {
			if t.Type == short {
				cell.Reason = t.Reason
			}
		}
		v.Cells = append(v.Cells, cell)
	}
	return v
}

type proxyView struct {
	Proxy
	Anchor string
	Counts []string
	Idle   string // resources that are not active
	Tables []template.HTML
}

func (p *page) proxy(proxy Proxy) proxyView {
	v := proxyView{Proxy: proxy, Anchor: anchor("p", proxy.Key), Idle: proxy.notActive()}
	for _, kind := range countColumns() {
		v.Counts = append(v.Counts, proxy.active(kind))
	}
	return v
}

type tableView struct {
	Table
	Anchor string
	Owner  Text
	Same   link
	Left   int
}

func (p *page) table(owner Text, t Table) tableView {
	return tableView{Table: t, Anchor: anchor("t", owner+" "+Text(t.Title)), Owner: owner, Same: p.link(t.SameAs), Left: t.Total - len(t.Rows)}
}

type gapView struct {
	Gap
	Links []link
	Left  int
}

// anchor is an id that stays the same in later reports on the same thing. Names
// that do not fit into one are told apart by their hash.
func anchor(prefix string, name Text) string {
	const longest = 80
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, string(name[:min(len(name), longest)]))
	if clean != string(name) {
		sum := sha256.Sum256([]byte(name))
		clean += "-" + hex.EncodeToString(sum[:4])
	}
	return prefix + "-" + clean
}

// proseHTML sets what stands between backquotes as code, as rules write names.
func proseHTML(text any) template.HTML {
	parts := strings.Split(fmt.Sprint(text), "`")
	var b strings.Builder
	for i, part := range parts {
		part = template.HTMLEscapeString(part)
		switch {
		case i%2 == 0:
			b.WriteString(part)
		case i == len(parts)-1: // a backquote without its partner
			b.WriteString("`" + part)
		default:
			b.WriteString("<code>" + part + "</code>")
		}
	}
	return template.HTML(b.String())
}
