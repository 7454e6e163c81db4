package main

import (
	"github.com/meshray/meshray/analyze/drift"
	"github.com/meshray/meshray/analyze/mesh"
)

// driftDocument is the JSON form.
type driftDocument struct {
	Proxy string      `json:"proxy"`
	Parts []driftJSON `json:"parts"`
}

type driftJSON struct {
	Kind    mesh.ResourceKind `json:"kind"`
	Verdict drift.Verdict     `json:"verdict"`
	Missing string            `json:"missing,omitempty"`
	Changes []driftChange     `json:"changes"`
	Apart   []driftApart      `json:"notCompared"`
	Diff    string            `json:"diff,omitempty"`
}

type driftChange struct {
	Name string `json:"name"`
	// Change is [drift.Change.Which].
	Change string `json:"change"`
}

type driftApart struct {
	Name   string     `json:"name"`
	State  mesh.State `json:"state"`
	Reason string     `json:"reason,omitempty"`
}

func (d *proxyDrift) document() driftDocument {
	doc := driftDocument{Proxy: d.proxy.Key()}
	for _, part := range d.parts {
		out := driftJSON{
			Kind: part.kind, Verdict: part.Verdict, Missing: part.Missing,
			Changes: []driftChange{}, Apart: []driftApart{}, Diff: part.Unified(d.labels(part.title)),
		}
		for _, change := range part.Changes {
			out.Changes = append(out.Changes, driftChange{change.Name, change.Which()})
		}
		for _, r := range part.Apart {
			apart := driftApart{Name: r.Name(), State: r.State}
			if r.Error != nil {
				apart.Reason = r.Error.Details
			}
			out.Apart = append(out.Apart, apart)
		}
		doc.Parts = append(doc.Parts, out)
	}
	return doc
}
