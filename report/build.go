package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
)

// Options say how a Document is made.
type Options struct {
	// Title is that of the page; empty for one that names the capture.
	Title string
	Tool  Tool
	// Names are the paths that were opened; of them the last element is shown.
	Names []string
	// AsOfAsked is set where mesh.Capture.AsOf is what the user asked for.
	AsOfAsked bool
	// Scope narrows to proxies.
	Scope analyze.Options
	// TableRows is the most rows of one table, TotalRows of all tables together.
	// Zero stands for DefaultTableRows and DefaultTotalRows.
	TableRows, TotalRows int
}

// The defaults of Options.
const (
	DefaultTableRows = 500
	DefaultTotalRows = 30_000
)

// New puts together what is known of the capture.
func New(c *mesh.Capture, result *analyze.Result, status *proxystatus.Table, opts Options) *Document {
	d := &Document{
		SchemaVersion: SchemaVersion,
		Tool:          opts.Tool,
		Capture:       newCapture(c, opts.Names),
		Rules:         newRules(result),
		Findings:      []Finding{},
		Unchecked:     []Skip{},
		Sync:          newSync(status, opts.Scope.Proxy),
		Proxies:       []Proxy{},
	}
	d.Capture.AsOfAsked = opts.AsOfAsked
	commands := captureCommands(c)
	for _, f := range result.Findings {
		d.Findings = append(d.Findings, newFinding(f, commands))
	}
	for _, s := range result.Skipped {
		d.Unchecked = append(d.Unchecked, newSkip(s))
	}
	var chosen []*mesh.Proxy
	for _, p := range c.Proxies {
		if opts.selects(p) {
			chosen = append(chosen, p)
			d.Proxies = append(d.Proxies, newProxy(p))
		}
	}
	d.countFindings()
	newTabler(c.AsOf, opts).fill(d.Proxies, chosen, d.priority())
	d.Summary = d.summarize()
	d.Verdict = d.judge()
	d.Title = Text(cmp.Or(opts.Title, d.defaultTitle()))
	return d
}

func (o Options) selects(p *mesh.Proxy) bool {
	return (o.Scope.Proxy == nil || p == o.Scope.Proxy) && (o.Scope.Namespace == "" || p.Namespace == o.Scope.Namespace)
}

func (d *Document) defaultTitle() string {
	switch len(d.Capture.Names) {
	case 0:
		return "Report"
	case 1:
		return "Report on " + string(d.Capture.Names[0])
	}
	return "Report on " + string(d.Capture.Names[0]) + " and others"
}

func newCapture(c *mesh.Capture, names []string) Capture {
	out := Capture{
		Names: []Text{}, AsOf: stamp(c.AsOf), ControlPlanes: []ControlPlane{},
		Inputs: []Input{}, Problems: []Problem{}, Missing: []Gap{},
	}
	for _, name := range names {
		out.Names = append(out.Names, Text(filepath.Base(name)))
	}
	for _, cp := range c.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		connections, _ := cp.Connections.Get()
		out.ControlPlanes = append(out.ControlPlanes, ControlPlane{
			Name: Text(cp.Name), Namespace: Text(cp.Namespace), Revision: Text(cp.Revision),
			Version: Text(cp.Version), Connected: max(len(statuses), len(connections)),
		})
	}
	for _, in := range c.Inputs {
		out.Inputs = append(out.Inputs, Input{
			Path: Text(in.Path), Kind: string(in.Kind), Fate: string(in.Fate),
			Reason: Text(in.Reason), Size: in.Size, Owner: Text(in.Owner),
		})
	}
	for _, p := range c.Problems {
		out.Problems = append(out.Problems, Problem{Place: newPlace(p.Source), Message: Text(p.Message)})
	}
	for _, g := range c.Gaps() {
		gap := Gap{What: g.What, Why: g.Why, Essential: g.Essential, Command: Command(g.Command)}
		for _, p := range g.Proxies {
			gap.Proxies = append(gap.Proxies, Text(p.Key()))
		}
		out.Missing = append(out.Missing, gap)
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func newPlace(s mesh.Source) Place {
	return Place{File: Text(s.File), Line: s.Line, Pointer: Text(s.Pointer())}
}

func newRules(result *analyze.Result) []Rule {
	rules := []Rule{}
	for _, r := range result.Rules {
		rule := Rule{Name: r.Name, Code: r.Code, Title: r.Doc.Title, Hurts: r.Doc.Hurts}
		for _, f := range result.Findings {
			if f.Rule == r.Name {
				rule.Findings++
			}
		}
		rules = append(rules, rule)
	}
	return rules
}

// newFinding makes a command of a fix that is one: commands are the gaps'.
// captureCommands are the fixes that are shell commands: those that capture what is missing.
func captureCommands(c *mesh.Capture) map[string]bool {
	commands := map[string]bool{}
	for _, gap := range c.Gaps() {
		commands[gap.Command] = true
	}
	return commands
}

func newFinding(f analyze.Finding, commands map[string]bool) Finding {
	out := Finding{
		Rule: f.Rule, Code: f.Code, Severity: f.Severity.String(), Confidence: string(f.Confidence), Category: string(f.Category),
		Message: Text(f.Message), Where: where(f.Ref), Object: Text(f.Object), Fix: Text(f.Fix),
		Place: newPlace(f.Source), Fingerprint: f.Fingerprint,
	}
	if commands[f.Fix] {
		out.Fix, out.Command = "", Command(f.Fix)
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, Evidence{Name: Text(e.Name), Value: Text(e.Value)})
	}
	for _, l := range f.Related {
		out.Related = append(out.Related, Related{Where: Text(l.Ref.String()), Message: Text(l.Message), Place: newPlace(l.Source)})
	}
	out.AllHits = f.AllHits
	for _, h := range f.Hits {
		out.Hits = append(out.Hits, Hit{Where: Text(h.Ref.String()), Route: Text(h.Route), As: Text(h.As), Share: h.Share, Words: Text(h.String())})
	}
	for _, l := range f.Instances {
		if l.Ref.Proxy != "" && !slices.Contains(out.Proxies, Text(l.Ref.Proxy)) {
			out.Proxies = append(out.Proxies, Text(l.Ref.Proxy))
		}
	}
	return out
}

// where names a resource without its proxy.
func where(ref mesh.Ref) Text {
	ref.Proxy = ""
	return Text(ref.String())
}

func newSkip(s analyze.Skip) Skip {
	out := Skip{Rule: s.Rule, Missing: []string{}}
	for _, need := range s.Missing {
		out.Missing = append(out.Missing, string(need))
	}
	for _, key := range s.Proxies {
		out.Proxies = append(out.Proxies, Text(key))
	}
	return out
}

// newSync lists all rows of the table, or those of one proxy.
func newSync(t *proxystatus.Table, only *mesh.Proxy) Sync {
	out := Sync{Istiods: []Text{}, Notes: []Text{}, Rows: []SyncRow{}}
	for _, name := range t.Istiods {
		out.Istiods = append(out.Istiods, Text(name))
	}
	for _, note := range t.Notes() {
		out.Notes = append(out.Notes, Text(note))
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		if only != nil && (r.Name != only.Name || r.Namespace != only.Namespace) {
			continue
		}
		row := SyncRow{
			Proxy: Text(r.Proxy()), Istiod: Text(r.Istiod), Version: Text(r.Version()),
			Link: string(r.Link), State: string(r.State()), Types: []SyncType{},
		}
		for _, ts := range r.Types {
			row.Types = append(row.Types, SyncType{Type: ts.Type, State: string(ts.State), Age: age(ts.Age), Reason: Text(ts.Reason)})
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// age writes a duration in the largest units that matter; negative is unknown.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return ""
	case d < 48*time.Hour:
		return d.Truncate(time.Second).String()
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// counted are the kinds of resource in the table of proxies, in its order.
func counted() []mesh.ResourceKind {
	return []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret, mesh.ScopedRoute, mesh.Extension}
}

func newProxy(p *mesh.Proxy) Proxy {
	out := Proxy{
		Key: Text(p.Key()), Kind: string(p.Kind), ID: Text(p.ID), IstioVersion: Text(p.IstioVersion),
		EnvoyVersion: Text(p.EnvoyVersion), Captured: stamp(p.Captured), Counts: []Count{}, Files: []Text{}, Tables: []Table{},
	}
	for _, kind := range counted() {
		if p.Has(kind) || len(p.Resources(kind)) > 0 {
			out.Counts = append(out.Counts, newCount(kind, p.Resources(kind)))
		}
	}
	for _, s := range p.Sections {
		if s.Kind == "" {
			out.Unknown = append(out.Unknown, Text(s.TypeURL))
		}
	}
	for _, in := range p.Files {
		out.Files = append(out.Files, Text(in.Path))
	}
	return out
}

func newCount(kind mesh.ResourceKind, resources []*mesh.Resource) Count {
	n := Count{Kind: string(kind)}
	for _, r := range resources {
		switch r.State {
		case mesh.Active:
			n.Active++
		case mesh.Warming:
			n.Warming++
		case mesh.Draining:
			n.Draining++
		case mesh.Rejected:
			n.Rejected++
		}
	}
	return n
}
