package trace

import (
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// balance is what the load balancer can choose from.
type balance struct {
	hosts []*host
	// share is each host's part; it stands beside hosts.
	share []float64
	notes []string
	// lost is the part of the requests for which no host is found.
	lost float64
}

// loadBalance finds the hosts that the request can reach. It ends the hop where
// there are none.
func (h *hop) loadBalance(criteria map[string]any) bool {
	c := h.cluster
	if c.isOriginalDst() {
		return h.originalDestination()
	}
	members, ok := h.members(c, map[*cluster]bool{})
	if !ok {
		return false
	}
	b := &balance{}
	var levels []level
	for _, member := range members {
		set := h.view.hostsOf(member)
		if set.missing != "" {
			h.unknown("endpoints of "+member.resource.Name(), set.missing)
			return h.unknownEndpoints(set.missing)
		}
		if set.unresolved && len(set.hosts) > 0 {
			h.unknown("DNS", "the addresses of "+member.resource.Name()+" are resolved when Envoy runs; the capture has no /clusters")
		}
		hosts, note := subset(member, set.hosts, criteria)
		if note != "" {
			b.notes = append(b.notes, note)
		}
		levels = append(levels, levelsOf(hosts, set.overprovisioning, member)...)
	}
	b.spread(levels, panicThreshold(members), localityWeighted(c))
	h.balance = b
	return h.endpointStep(b, members, criteria)
}

// members returns the clusters that hosts come from: those of an aggregate in
// their order, each once, else the cluster itself.
func (h *hop) members(c *cluster, seen map[*cluster]bool) ([]*cluster, bool) {
	seen[c] = true
	if c.unknownType != "" && !c.isDNS() {
		h.unknown("cluster type "+c.unknownType, "it finds its hosts by rules that are not modelled")
		return nil, h.unknownEndpoints("cluster type " + c.unknownType + " is not modelled")
	}
	if len(c.members) == 0 {
		return []*cluster{c}, true
	}
	var out []*cluster
	for _, name := range c.members {
		member := h.view.clusters[name]
		if member == nil {
			h.note("member " + name + " does not serve")
			continue
		}
		if seen[member] {
			continue
		}
		if !member.load() {
			return nil, h.undecodable("cluster", name, member.err)
		}
		inner, ok := h.members(member, seen)
		if !ok {
			return nil, false
		}
		out = append(out, inner...)
	}
	return out, true
}

// unknownEndpoints ends the hop at a cluster whose hosts are not known: the
// request is sent on, where to cannot be said.
func (h *hop) unknownEndpoints(why string) bool {
	h.step(Step{Kind: StepEndpoints, Reason: why, Ref: h.ref(mesh.Endpoint, h.out.Outcome.Cluster)})
	return h.forward(h.forwardVerdict(), "to cluster "+h.out.Outcome.Cluster+"; "+why)
}

// endpointStep adds the step ENDPOINTS, and ends the hop.
func (h *hop) endpointStep(b *balance, members []*cluster, criteria map[string]any) bool {
	usable := 0
	for i, host := range b.hosts {
		e := Endpoint{
			Address: host.address, Weight: host.weight, Priority: host.priority, Locality: host.locality,
			Health: host.healthText, Share: b.share[i],
		}
		if b.share[i] > 0 {
			usable++
		}
		h.out.Outcome.Endpoints = append(h.out.Outcome.Endpoints, e)
	}
	from := ""
	if len(members) > 0 {
		from = h.view.hostsOf(members[0]).from
	}
	step := h.step(Step{Kind: StepEndpoints, Ref: h.ref(mesh.Endpoint, h.out.Outcome.Cluster), Source: h.cluster.resource.Source, Notes: b.notes})
	if len(criteria) > 0 {
		step.Notes = append(step.Notes, "subset "+criteriaText(criteria))
	}
	if usable == 0 || h.walk.choices.chance(b.lost) {
		return h.noHost(step, len(b.hosts))
	}
	step.Chosen = endpointNames(h.out.Outcome.Endpoints)
	step.Reason = fmt.Sprintf("%d of %s can be chosen", usable, countOf(len(b.hosts), "endpoint"))
	if from != "" {
		step.Reason += ", from " + from
	}
	step.Notes = append(step.Notes, b.idle()...)
	return h.forward(h.forwardVerdict(), "")
}

// idle says why hosts get nothing: their health, or a lower priority.
func (b *balance) idle() []string {
	unfit, waiting := 0, 0
	for i, host := range b.hosts {
		switch {
		case b.share[i] > 0:
		case host.health == healthy:
			waiting++
		default:
			unfit++
		}
	}
	var notes []string
	if unfit > 0 {
		notes = append(notes, countOf(unfit, "endpoint")+" not healthy")
	}
	if waiting > 0 {
		notes = append(notes, countOf(waiting, "endpoint")+" of lower priority")
	}
	return notes
}

// noHost ends the hop at a cluster with nobody to send to.
func (h *hop) noHost(step *Step, known int) bool {
	name := h.out.Outcome.Cluster
	verdict, reason := NoHealthyEndpoint, "cluster "+name+" has no endpoints"
	switch {
	case strings.HasPrefix(name, blackHoleCluster):
		verdict, reason = BlackHole, name+" leads nowhere on purpose: the destination is not one that this proxy may reach"
	case known > 0:
		reason = fmt.Sprintf("none of the %s of cluster %s can be used", countOf(known, "endpoint"), name)
	}
	step.Reason = reason
	if h.manager == nil {
		return h.close(verdict, "UH", "", reason+": the connection is closed")
	}
	return h.reply(verdict, 503, "UH", "no_healthy_upstream", reason)
}

// forwardVerdict tells traffic that leaves the mesh as it is from routed traffic.
func (h *hop) forwardVerdict() Verdict {
	if strings.Contains(h.out.Outcome.Cluster, passthroughCluster) {
		return Passthrough
	}
	return Routed
}

// originalDestination sends the request where it was going anyway.
func (h *hop) originalDestination() bool {
	config := h.cluster.message.GetOriginalDstLbConfig()
	to, reason := h.attrs.Destination, "the original destination"
	if config.GetMetadataKey() != nil {
		reason = "the original destination: metadata may name another"
	}
	if config.GetUseHttpHeader() && h.manager != nil {
		name := config.GetHttpHeaderName()
		if name == "" {
			name = "x-envoy-original-dst-host"
		}
		if addr, ok := addrPort(h.attrs.Headers, name); ok {
			to, reason = addr, "header "+name
		}
	}
	if port := config.GetUpstreamPortOverride().GetValue(); port > 0 && port < 1<<16 {
		to = withPort(to, uint16(port))
		reason += ", upstream_port_override"
	}
	if bind := h.cluster.message.GetUpstreamBindConfig().GetSourceAddress().GetAddress(); bind != "" {
		reason += ", from " + bind
	}
	target := &host{address: to.String(), addr: to, weight: 1, healthText: "UNKNOWN", cluster: h.cluster}
	h.balance = &balance{hosts: []*host{target}, share: []float64{1}}
	h.out.Outcome.Endpoints = []Endpoint{{Address: target.address, Weight: 1, Health: "UNKNOWN", Share: 1}}
	h.step(Step{Kind: StepEndpoints, Chosen: target.address, Reason: reason, Ref: h.ref(mesh.Cluster, h.out.Outcome.Cluster), Source: h.cluster.resource.Source})
	return h.forward(h.forwardVerdict(), "")
}

const namesInStep = 3

// endpointNames lists the endpoints that get a share, a few of them.
func endpointNames(endpoints []Endpoint) string {
	var names []string
	more := 0
	for _, e := range endpoints {
		switch {
		case e.Share <= 0:
		case len(names) < namesInStep:
			names = append(names, e.Address)
		default:
			more++
		}
	}
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
