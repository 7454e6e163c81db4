package expect

import (
	"math"
	"slices"

	"github.com/meshray/meshray/analyze/trace"
)

// Predict is what a trace says of the proxy that the request enters. Where chance
// leaves several clusters it has their weights, and what all of those ways have in
// common; the rest is that of the likeliest way.
func Predict(t *trace.Trace) Prediction {
	outcomes := Outcomes(t)
	p := outcomes[0]
	shares := clusterShares(t)
	for _, other := range outcomes[1:] {
		p.addUnknowns(other.Unknowns)
		if len(shares) < 2 || other.Cluster == "" || other.Cluster == p.Cluster {
			continue
		}
		p.Endpoints += other.Endpoints
		p.Upstreams = append(p.Upstreams, other.Upstreams...)
		p.UpstreamPath = common(p.UpstreamPath, other.UpstreamPath)
		p.UpstreamAuthority = common(p.UpstreamAuthority, other.UpstreamAuthority)
	}
	if len(shares) > 1 {
		p.Cluster, p.Weights = "", shares
	}
	return p
}

func common(a, b string) string {
	if a != b {
		return ""
	}
	return a
}

// Outcomes are all outcomes that a trace leaves open at the proxy that the request
// enters, the likeliest first.
func Outcomes(t *trace.Trace) []Prediction {
	out := make([]Prediction, 0, len(t.Paths))
	for i := range t.Paths {
		out = append(out, predictHop(&t.Paths[i].Hops[0]))
	}
	return out
}

func predictHop(h *trace.Hop) Prediction {
	o := &h.Outcome
	p := Prediction{
		Verdict: o.Verdict, Listener: o.Listener, FilterChain: o.FilterChain, VirtualHost: o.VirtualHost,
		Route: o.Route, Cluster: o.Cluster, Status: o.Status, Flags: o.Flags, Details: o.Details,
		UpstreamPath: o.UpstreamPath, UpstreamAuthority: o.UpstreamAuthority, Location: o.Location, Policy: o.Policy,
	}
	for _, e := range o.Endpoints {
		if e.Share > 0 {
			p.Endpoints++
			p.Upstreams = append(p.Upstreams, e.Address)
		}
	}
	for _, u := range h.Unknowns {
		p.addUnknowns([]string{u.What})
		if u.Flag != "" {
			p.Refusals = append(p.Refusals, u.Flag)
		}
	}
	return p
}

func (p *Prediction) addUnknowns(names []string) {
	for _, name := range names {
		if !slices.Contains(p.Unknowns, name) {
			p.Unknowns = append(p.Unknowns, name)
		}
	}
}

// clusterShares are the clusters that the ways lead to, in their order: in percent,
// or in millionths where those are no whole numbers.
func clusterShares(t *trace.Trace) []Weight {
	var out []Weight
	var shares []float64
	for _, path := range t.Paths {
		cluster := path.Hops[0].Outcome.Cluster
		if cluster == "" {
			continue
		}
		at := slices.IndexFunc(out, func(w Weight) bool { return w.Cluster == cluster })
		if at < 0 {
			at = len(out)
			out, shares = append(out, Weight{Cluster: cluster}), append(shares, 0)
		}
		shares[at] += path.Share
	}
	scale := 100.0
	for _, s := range shares {
		if math.Abs(s*100-math.Round(s*100)) > 1e-6 {
			scale = 1e6
		}
	}
	for i := range out {
		out[i].Weight = uint32(math.Round(shares[i] * scale))
	}
	return out
}
