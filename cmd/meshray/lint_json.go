package main

import (
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/report"
	"github.com/meshray/meshray/rules"
)

// lintDocument is the JSON form of `meshray lint`.
type lintDocument struct {
	AsOf     string        `json:"asOf,omitempty"`
	Proxies  int           `json:"proxies"`
	Rules    []string      `json:"rules"`
	Findings []lintFinding `json:"findings"`
	Skipped  []lintSkip    `json:"skipped"`
	// Known were there before, by --baseline or --since; Fixed are gone since.
	Known      []lintFinding    `json:"known,omitempty"`
	Fixed      []analyze.Past   `json:"fixed,omitempty"`
	Suppressed []lintSuppressed `json:"suppressed,omitempty"`
	// Notes are suppressions that accept nothing.
	Notes []string `json:"notes,omitempty"`
}

// lintSuppressed is a finding that is accepted.
type lintSuppressed struct {
	lintFinding
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"`
	Place  string `json:"place"`
}

type lintFinding struct {
	Rule        string             `json:"rule"`
	Code        string             `json:"code"`
	Severity    analyze.Severity   `json:"severity"`
	Confidence  analyze.Confidence `json:"confidence"`
	Category    analyze.Category   `json:"category"`
	Message     string             `json:"message"`
	Ref         lintRef            `json:"ref"`
	Source      *lintSource        `json:"source,omitempty"`
	Evidence    []lintEvidence     `json:"evidence,omitempty"`
	Related     []lintLocation     `json:"related,omitempty"`
	Object      string             `json:"object,omitempty"`
	Fix         string             `json:"fix"`
	Help        string             `json:"help,omitempty"`
	Fingerprint string             `json:"fingerprint"`
	Instances   []lintLocation     `json:"instances"`
	BlastRadius lintBlastRadius    `json:"blastRadius"`
}

// lintBlastRadius is what a fault reaches.
type lintBlastRadius struct {
	Proxies int       `json:"proxies"`
	Hits    []lintHit `json:"hits,omitempty"`
	// AllHits is more than there are Hits where these were cut off.
	AllHits int `json:"allHits,omitempty"`
}

// lintHit is a place whose requests meet the fault.
type lintHit struct {
	Ref   lintRef `json:"ref"`
	Route string  `json:"route,omitempty"`
	As    string  `json:"as,omitempty"`
	// Share is the percentage of the place's requests.
	Share float64 `json:"share"`
}

type lintRef struct {
	ID    string            `json:"id"`
	Proxy string            `json:"proxy,omitempty"`
	Kind  mesh.ResourceKind `json:"kind,omitempty"`
	Name  string            `json:"name,omitempty"`
	Path  string            `json:"path,omitempty"`
}

type lintSource struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Pointer string `json:"pointer,omitempty"`
}

type lintEvidence struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type lintLocation struct {
	Ref     lintRef     `json:"ref"`
	Source  *lintSource `json:"source,omitempty"`
	Message string      `json:"message,omitempty"`
}

type lintSkip struct {
	Rule    string         `json:"rule"`
	Code    string         `json:"code"`
	Missing []analyze.Need `json:"missing"`
	Proxies []string       `json:"proxies,omitempty"`
}

func (l lint) json() lintDocument {
	doc := lintDocument{AsOf: l.asOf, Proxies: l.result.Proxies, Rules: []string{}, Findings: []lintFinding{}, Skipped: []lintSkip{}}
	for _, r := range l.result.Rules {
		doc.Rules = append(doc.Rules, r.Name)
	}
	for _, f := range l.shown.Findings {
		doc.Findings = append(doc.Findings, newLintFinding(f))
	}
	for _, s := range l.result.Skipped {
		doc.Skipped = append(doc.Skipped, lintSkip(s))
	}
	for _, f := range l.shown.Known {
		doc.Known = append(doc.Known, newLintFinding(f))
	}
	doc.Fixed = l.result.Fixed
	for _, s := range l.shown.Suppressed {
		suppressed := lintSuppressed{lintFinding: newLintFinding(s.Finding), Reason: s.By.Reason, Place: s.By.Place}
		if !s.By.Until.IsZero() {
			suppressed.Until = s.By.Until.Format(time.DateOnly)
		}
		doc.Suppressed = append(doc.Suppressed, suppressed)
	}
	for _, note := range l.ci.Notes {
		doc.Notes = append(doc.Notes, string(note))
	}
	return doc
}

func newLintFinding(f analyze.Finding) lintFinding {
	out := lintFinding{
		Rule: f.Rule, Code: f.Code, Severity: f.Severity, Confidence: f.Confidence, Category: f.Category,
		Message: f.Message, Ref: newLintRef(f.Ref), Source: newLintSource(f.Source), Object: f.Object, Fix: f.Fix, Fingerprint: f.Fingerprint,
		Related: newLintLocations(f.Related), Instances: newLintLocations(f.Instances),
	}
	if analyze.Find(rules.All(), f.Rule) != nil {
		out.Help = report.RuleURL(f.Rule)
	}
	out.BlastRadius = lintBlastRadius{Proxies: len(instanceKeys(f)), AllHits: f.AllHits}
	for _, h := range f.Hits {
		out.BlastRadius.Hits = append(out.BlastRadius.Hits, lintHit{newLintRef(h.Ref), h.Route, h.As, h.Share})
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, lintEvidence(e))
	}
	return out
}

func newLintLocations(locations []analyze.Location) []lintLocation {
	var out []lintLocation
	for _, l := range locations {
		out = append(out, lintLocation{Ref: newLintRef(l.Ref), Source: newLintSource(l.Source), Message: l.Message})
	}
	return out
}

func newLintRef(r mesh.Ref) lintRef {
	return lintRef{ID: r.String(), Proxy: r.Proxy, Kind: r.Kind, Name: r.Name, Path: r.Path}
}

func newLintSource(s mesh.Source) *lintSource {
	if s == (mesh.Source{}) {
		return nil
	}
	return &lintSource{File: s.File, Line: s.Line, Pointer: s.Pointer()}
}
