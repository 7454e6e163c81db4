package trace

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// chosenRoute is what the route configuration makes of a request. It is found
// before the HTTP filters run, because routes configure filters, and acted on
// after them.
type chosenRoute struct {
	table *table
	host  *virtualHost
	// domain is the one that fitted.
	domain string
	route  *route
	reason string
	// missing is NoVirtualHost or NoRoute where there is no route.
	missing  Verdict
	rejected []Rejected
	hosts    []Rejected
	// upgradeToTLS is set where require_tls answers before any route.
	upgradeToTLS bool
	// unknown is set where a condition cannot be known.
	unknown match.Result
	notes   []string
	// weighted is the chosen cluster of weighted_clusters.
	weighted *routev3.WeightedCluster_ClusterWeight
	share    float64
}

// findRoute finds virtual host and route.
func (h *hop) findRoute() {
	r := h.route
	if r.table == nil {
		return
	}
	authority, has := h.attrs.Headers.Get(":authority")
	if header := r.table.message.GetVhostHeader(); header != "" {
		values := append(h.attrs.Headers.Values(header), "")
		authority, has = values[0], len(values) > 1
	}
	if has {
		r.host, r.domain = r.table.find(authority)
	}
	if r.host == nil {
		r.missing = NoVirtualHost
		r.reason = fmt.Sprintf("no virtual host of %s has a domain that fits %s", h.out.Outcome.RouteConfig, quoted(authority))
		if h.why() {
			r.hosts = domains(r.table, strings.ToLower(authority))
		}
		return
	}
	h.out.Outcome.VirtualHost = r.host.name
	if !r.host.compile() {
		r.unknown = match.Unmodelled("virtual host "+r.host.name, "it could not be decoded: "+r.host.err.Error())
		r.reason = "virtual host " + r.host.name + " could not be decoded"
		return
	}
	if h.header("x-forwarded-proto") == "" {
		r.missing, r.reason = NoRoute, "without x-forwarded-proto no route of a virtual host is tried"
		return
	}
	if h.requiresTLS(r.host.message) {
		r.upgradeToTLS = true
		return
	}
	if r.host.tree != nil {
		h.routeByTree(r)
	} else {
		h.routeInOrder(r, r.host.routes, "")
	}
	if r.route != nil {
		h.out.Outcome.Route, h.out.Outcome.RouteIndex = r.route.label, r.route.index
		h.pickCluster()
		h.out.Outcome.Cluster = h.plannedCluster()
		return
	}
	if r.unknown.Outcome != match.Unknown {
		r.missing = NoRoute
		r.reason = fmt.Sprintf("no route of virtual host %s fits", r.host.name)
	}
}

// domains lists the domains of all virtual hosts as passed over.
func domains(t *table, authority string) []Rejected {
	var out []Rejected
	for _, host := range t.hosts {
		out = append(out, Rejected{Candidate: host.name, Condition: "domains", Want: strings.Join(host.domains, ", "), Got: authority})
	}
	return out
}

// requiresTLS reports whether require_tls sends a cleartext request to https.
func (h *hop) requiresTLS(host *routev3.VirtualHost) bool {
	if h.header("x-forwarded-proto") == "https" {
		return false
	}
	switch host.GetRequireTls() {
	case routev3.VirtualHost_ALL:
		return true
	case routev3.VirtualHost_EXTERNAL_ONLY:
		return !h.internalRequest()
	}
	return false
}

// routeInOrder takes the first route whose every condition holds.
func (h *hop) routeInOrder(r *chosenRoute, routes []*route, prefix string) {
	for i, candidate := range routes {
		result, share := candidate.match.Match(&h.attrs)
		if result.Outcome == match.Yes && share < 1 && share > 0 && h.attrs.Random == nil {
			taken := h.walk.choices.chance(share)
			r.notes = append(r.notes, fmt.Sprintf("runtime_fraction of route %s: %s of the requests", candidate.label, percent(share)))
			if !taken {
				r.reject(h.why(), Rejected{Candidate: prefix + candidate.label, Condition: "runtime_fraction", Want: percent(share), Got: "a draw above it"})
				continue
			}
		}
		switch result.Outcome {
		case match.Yes:
			r.route = candidate
			r.reason = candidate.words
			if i > 0 {
				r.notes = append(r.notes, fmt.Sprintf("%s before it did not match", countOf(i, "route")))
			}
			return
		case match.Unknown:
			r.unknown = result
			r.reason = fmt.Sprintf("route %s: %s", candidate.label, result)
			return
		}
		if h.why() {
			r.rejected = append(r.rejected, Rejected{Candidate: prefix + candidate.label, Condition: result.Condition, Want: result.Want, Got: result.Got})
		}
	}
}

func (r *chosenRoute) reject(why bool, rejected Rejected) {
	if why {
		r.rejected = append(r.rejected, rejected)
	}
}

// routeByTree takes the route that the virtual host's matcher names.
func (h *hop) routeByTree(r *chosenRoute) {
	tree := r.host.tree
	action, found, result := tree.Match(&h.attrs)
	if h.why() {
		for _, passed := range tree.Passed(&h.attrs) {
			r.rejected = append(r.rejected, Rejected{Candidate: "branch of matcher", Condition: passed.Condition, Want: passed.Want, Got: passed.Got})
		}
	}
	if result.Outcome == match.Unknown {
		r.unknown, r.reason = result, "matcher of virtual host "+r.host.name+": "+result.String()
		return
	}
	if !found {
		return
	}
	switch config := mesh.Unpack(action.GetName(), action.GetTypedConfig()).Config.(type) {
	case *routev3.Route:
		label := config.GetName()
		if label == "" {
			label = "matcher"
		}
		h.routeInOrder(r, []*route{newRoute(config, label, r.table.message)}, "")
	case *routev3.RouteList:
		var routes []*route
		for i, message := range config.GetRoutes() {
			routes = append(routes, newRoute(message, indexLabel(message.GetName(), i), r.table.message))
		}
		h.routeInOrder(r, routes, "")
	default:
		r.unknown = match.Unmodelled("matcher of virtual host "+r.host.name, "its action "+action.GetTypedConfig().GetTypeUrl()+" is not modelled")
		r.reason = r.unknown.String()
	}
}

// routeSteps adds the steps VHOST and ROUTE for what findRoute found.
func (h *hop) routeSteps() {
	r := h.route
	if r.table == nil {
		return
	}
	source := h.listener.resource.Source
	kind, name := mesh.Listener, h.listener.name()
	if r.table.resource != nil {
		source = r.table.resource.Source
		kind, name = mesh.Route, r.table.resource.Name()
	}
	host := h.step(Step{Kind: StepVHost, Ref: h.ref(kind, name), Source: source, Rejected: r.hosts})
	if r.host == nil {
		host.Reason = r.reason
		return
	}
	host.Chosen = r.host.name
	host.Reason = fmt.Sprintf("domain %s of route configuration %s", r.domain, h.out.Outcome.RouteConfig)
	host.Ref.Path = host.Chosen
	host.Object = h.walk.engine.object(r.host.message.GetMetadata())
	if r.upgradeToTLS {
		return
	}
	step := h.step(Step{Kind: StepRoute, Reason: r.reason, Ref: host.Ref, Source: source, Notes: r.notes, Rejected: r.rejected})
	if r.route == nil {
		return
	}
	step.Chosen = r.route.label
	step.Ref.Path += "/" + r.route.label
	step.Object = h.walk.engine.object(r.route.message.GetMetadata())
}
