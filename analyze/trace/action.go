package trace

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// compiledAction is what a route does to a request, made when it is first taken.
type compiledAction struct {
	path     *match.PathRewrite
	host     *match.HostRewrite
	redirect *match.Redirect
	// mutations are those of route, virtual host and route configuration.
	mutations []*match.Mutations
	// weighted are those of single weighted clusters.
	weighted map[*routev3.WeightedCluster_ClusterWeight]*match.Mutations
}

// compiled returns what the chosen route does, made once.
func (r *chosenRoute) compiled() *compiledAction {
	if r.route.action != nil {
		return r.route.action
	}
	message, host, table := r.route.message, r.host.message, r.table.message
	a := &compiledAction{
		path: match.CompilePathRewrite(message.GetMatch(), message.GetRoute()),
		host: match.CompileHostRewrite(message.GetRoute()),
		mutations: []*match.Mutations{
			match.CompileMutations(message.GetRequestHeadersToAdd(), message.GetRequestHeadersToRemove()),
			match.CompileMutations(host.GetRequestHeadersToAdd(), host.GetRequestHeadersToRemove()),
			match.CompileMutations(table.GetRequestHeadersToAdd(), table.GetRequestHeadersToRemove()),
		},
		weighted: map[*routev3.WeightedCluster_ClusterWeight]*match.Mutations{},
	}
	if redirect := message.GetRedirect(); redirect != nil {
		a.redirect = match.CompileRedirect(message.GetMatch(), redirect)
	}
	for _, w := range message.GetRoute().GetWeightedClusters().GetClusters() {
		a.weighted[w] = match.CompileMutations(w.GetRequestHeadersToAdd(), w.GetRequestHeadersToRemove())
	}
	r.route.action = a
	return a
}

// rewrite makes the request what the upstream gets, as Envoy does: the weighted
// cluster's headers and host come first whatever wins, then the headers of all other
// levels, then host and path.
func (h *hop) rewrite() {
	r, a := h.route, h.route.compiled()
	mutated := h.attrs
	if own := a.weighted[r.weighted]; own != nil {
		mutated.Headers = own.Apply(&mutated)
	}
	if literal := r.weighted.GetHostRewriteLiteral(); literal != "" {
		mutated.Headers = mutated.Headers.Set(":authority", literal)
	}
	for i := range a.mutations {
		level := a.mutations[i]
		if r.table.message.GetMostSpecificHeaderMutationsWins() {
			level = a.mutations[len(a.mutations)-1-i]
		}
		mutated.Headers = level.Apply(&mutated)
	}
	headers := a.host.Apply(&mutated, mutated.Headers)
	path := a.path.Apply(&h.attrs)
	h.noteRewrites(headers, path)
	if path != h.header(":path") {
		headers = headers.Set("x-envoy-original-path", h.header(":path")).Set(":path", path)
	}
	h.attrs.Headers = headers
	h.sets(headers)
}

// sets puts what the upstream gets into the outcome.
func (h *hop) sets(headers request.Headers) {
	h.out.Outcome.UpstreamPath, _ = headers.Get(":path")
	h.out.Outcome.UpstreamAuthority, _ = headers.Get(":authority")
}

func (h *hop) noteRewrites(headers request.Headers, path string) {
	a := h.route.compiled()
	if path != h.header(":path") {
		h.note("path becomes " + path)
	}
	if authority, _ := headers.Get(":authority"); authority != h.header(":authority") {
		h.note("host becomes " + authority)
	}
	if a.path.Unknown != "" {
		h.unknown("path rewrite", a.path.Unknown)
	}
	if a.host.Unknown != "" {
		h.unknown("host rewrite", a.host.Unknown)
	}
}

// autoHost is auto_host_rewrite: the host becomes the endpoint's name.
func (h *hop) autoHost() {
	if h.route == nil || h.route.route == nil || h.balance == nil || !h.route.compiled().host.Auto {
		return
	}
	target := h.target()
	if target == nil || target.hostname == "" {
		return
	}
	h.attrs.Headers = h.route.compiled().host.SetHost(h.attrs.Headers, target.hostname)
	h.note("host becomes " + target.hostname + " (auto_host_rewrite)")
	h.sets(h.attrs.Headers)
}

// shareOf is a FractionalPercent as a part of one.
func shareOf(p *typev3.FractionalPercent) float64 {
	denominator := 100.0
	switch p.GetDenominator() {
	case typev3.FractionalPercent_TEN_THOUSAND:
		denominator = 1e4
	case typev3.FractionalPercent_MILLION:
		denominator = 1e6
	}
	return min(float64(p.GetNumerator())/denominator, 1)
}
