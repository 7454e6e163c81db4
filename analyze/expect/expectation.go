package expect

import (
	"fmt"
	"slices"
	"strings"
)

// Expectation is what a test wants of a prediction; what is nil is not compared.
// An empty string wants that there is none.
type Expectation struct {
	Verdict     *string
	Listener    *string
	FilterChain *string
	VirtualHost *string
	Route       *string
	Cluster     *string
	// Weights are compared as shares: 80/20 is 4/1. Clusters of weight 0 count for
	// nothing. An empty list wants that there is no cluster.
	Weights   []Weight
	Endpoints *int
	// Status is what Envoy itself answers; 0 wants that an upstream decides.
	Status  *int
	Flags   *string
	Details *string
	// Redirect is the location.
	Redirect *string
	// Path and Authority are what the upstream gets ("rewrite").
	Path, Authority *string
	// Denied is the policy that denies, "namespace/name", or its name alone.
	Denied *string
}

// Difference is one field in which a prediction is not what was expected.
type Difference struct{ Field, Want, Got string }

func (d Difference) String() string {
	return fmt.Sprintf("%s: want %s, got %s", d.Field, shown(d.Want), shown(d.Got))
}

func shown(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// Compare returns how a prediction differs from what is expected, in the order of
// the fields of [Expectation].
func Compare(want Expectation, got Prediction) []Difference {
	var out []Difference
	add := func(field, want, got string) { out = append(out, Difference{Field: field, Want: want, Got: got}) }
	for _, m := range want.members() {
		if expected, given := m.want(); given && !m.equal(expected, m.got(&got)) {
			add(m.name, expected, m.got(&got))
		}
	}
	if want.Weights != nil && !sameShares(want.Weights, got.shares()) {
		add("weights", weightsText(want.Weights), weightsText(got.shares()))
	}
	return out
}

// member is a field of an expectation and where a prediction has it.
type member struct {
	name string
	text **string // of the expectation; nil for a number
	num  **int
	got  func(*Prediction) string
}

// members are the fields with a single value; each can be set through it.
func (e *Expectation) members() []member {
	text := func(name string, at **string, got func(*Prediction) string) member {
		return member{name: name, text: at, got: got}
	}
	return []member{
		text("verdict", &e.Verdict, func(p *Prediction) string { return string(p.Verdict) }),
		text("listener", &e.Listener, func(p *Prediction) string { return p.Listener }),
		text("filter_chain", &e.FilterChain, func(p *Prediction) string { return p.FilterChain }),
		text("virtual_host", &e.VirtualHost, func(p *Prediction) string { return p.VirtualHost }),
		text("route", &e.Route, func(p *Prediction) string { return p.Route }),
		text("cluster", &e.Cluster, func(p *Prediction) string { return p.Cluster }),
		{name: "endpoints", num: &e.Endpoints, got: func(p *Prediction) string { return fmt.Sprint(p.Endpoints) }},
		{name: "status", num: &e.Status, got: func(p *Prediction) string { return fmt.Sprint(p.Status) }},
		text("flags", &e.Flags, func(p *Prediction) string { return p.Flags }),
		text("details", &e.Details, func(p *Prediction) string { return p.Details }),
		text("redirect", &e.Redirect, func(p *Prediction) string { return p.Location }),
		text("rewrite.path", &e.Path, func(p *Prediction) string { return p.UpstreamPath }),
		text("rewrite.authority", &e.Authority, func(p *Prediction) string { return p.UpstreamAuthority }),
		text("denied", &e.Denied, func(p *Prediction) string { return p.Policy }),
	}
}

// want is the expected value as text, and whether there is one.
func (m member) want() (text string, given bool) {
	if m.num != nil {
		if *m.num == nil {
			return "", false
		}
		return fmt.Sprint(**m.num), true
	}
	if *m.text == nil {
		return "", false
	}
	return **m.text, true
}

func (m member) equal(want, got string) bool {
	switch m.name {
	case "flags":
		return slices.Equal(slices.Sorted(slices.Values(splitFlags(want))), slices.Sorted(slices.Values(splitFlags(got))))
	case "denied":
		return want == got || !strings.Contains(want, "/") && want != "" && strings.HasSuffix(got, "/"+want)
	}
	return want == got
}

// shares are the clusters among which the prediction leaves the choice: one
// without a choice has everything.
func (p *Prediction) shares() []Weight {
	if len(p.Weights) == 0 && p.Cluster != "" {
		return []Weight{{Cluster: p.Cluster, Weight: 100}}
	}
	return p.Weights
}

func sameShares(want, got []Weight) bool {
	want, got = ordered(want), ordered(got)
	wantTotal, gotTotal := total(want), total(got)
	return slices.EqualFunc(want, got, func(w, g Weight) bool {
		return w.Cluster == g.Cluster && uint64(w.Weight)*gotTotal == uint64(g.Weight)*wantTotal
	})
}

// ordered are the weights by cluster, those of one cluster added up and those of 0
// left out.
func ordered(weights []Weight) []Weight {
	var out []Weight
	for _, w := range weights {
		at := slices.IndexFunc(out, func(o Weight) bool { return o.Cluster == w.Cluster })
		switch {
		case w.Weight == 0:
		case at >= 0:
			out[at].Weight += w.Weight
		default:
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b Weight) int { return strings.Compare(a.Cluster, b.Cluster) })
	return out
}

func total(weights []Weight) uint64 {
	var sum uint64
	for _, w := range weights {
		sum += uint64(w.Weight)
	}
	return sum
}

func weightsText(weights []Weight) string {
	var parts []string
	for _, w := range ordered(weights) {
		parts = append(parts, fmt.Sprintf("%s: %d", w.Cluster, w.Weight))
	}
	return strings.Join(parts, ", ")
}
