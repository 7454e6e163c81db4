package trace

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// MaxTargets bounds the targets of one proxy.
const MaxTargets = 50_000

// AnyHost is the Host of a target that stands for whatever nothing else claims.
const AnyHost = "*"

// Target is a destination that a proxy's configuration names for its clients, and
// the request that stands for it.
type Target struct {
	// Host is the name of the destination, a wildcard as configured
	// ("*.example.com"), an IP address, or AnyHost.
	Host string
	// Port is 0 for any port.
	Port uint16
	// Protocol is what the client speaks: "http", "https", "tcp" or "tls".
	Protocol string
	// Label says in words what the host does not: "any other address", "client
	// certificate required"; empty where there is nothing to say.
	Label string
	// Routes counts the routes of the virtual host; the request takes one of them.
	// 0 where there is no virtual host.
	Routes    int
	Direction request.Direction
	Request   request.Request
}

// Reached is what becomes of the requests to a target.
type Reached struct {
	Target
	// Ways are the ends of its requests that differ: what is not forwarded first,
	// then the likeliest. There is at least one.
	Ways []Way
	// Truncated is set where there are more ways than were followed.
	Truncated bool
}

// Way is how a part of the requests to a target ends.
type Way struct {
	// Share is above 0 and up to 1.
	Share   float64
	Verdict Verdict
	// Status, Flags, Details and Reason are those of the proxy where it ends.
	Status                 int
	Flags, Details, Reason string
	// At is the Key of that proxy; First is the verdict of the first proxy, which
	// differs where a later one ends the request.
	At    string
	First Verdict
	// VirtualHost, Route, Cluster, Endpoints, Usable and TLS are the first proxy's.
	VirtualHost, Route, Cluster string
	// Endpoints counts those of the cluster, Usable those of them that get requests.
	Endpoints, Usable int
	// TLS is UpstreamTLS.Mode.
	TLS string
	// Unknowns are what the capture cannot tell of the way, each once.
	Unknowns []string
}

// Reach traces one request to every target of a proxy. The answers are in the
// order of [Engine.Targets].
func (e *Engine) Reach(p *mesh.Proxy, options Options) []Reached {
	e = e.of(p)
	defer e.myTurn()()
	var out []Reached
	for _, target := range e.targets(p) {
		out = append(out, e.reach(p, target, options))
	}
	return out
}

// reach traces the request of one target.
func (e *Engine) reach(p *mesh.Proxy, target Target, options Options) Reached {
	reached := Reached{Target: target}
	t, err := e.trace(p, target.Request, target.Direction, options)
	if err != nil {
		reached.Ways = []Way{{Share: 1, Verdict: Unmodelled, First: Unmodelled, At: p.Key(), Reason: "no request can stand for it: " + err.Error()}}
		return reached
	}
	reached.Truncated = t.Truncated
	for i := range t.Paths {
		reached.add(newWay(&t.Paths[i]))
	}
	slices.SortStableFunc(reached.Ways, worseFirst)
	return reached
}

// add merges a way into the one that ends the same.
func (r *Reached) add(w Way) {
	for i := range r.Ways {
		if r.Ways[i].same(&w) {
			r.Ways[i].Share += w.Share
			return
		}
	}
	r.Ways = append(r.Ways, w)
}

// same reports whether two ways of one proxy differ in nothing but their share.
func (w *Way) same(other *Way) bool {
	return w.At == other.At && w.Endpoints == other.Endpoints && w.Usable == other.Usable && w.endsAs(other)
}

// endsAs reports whether two ways mean the same, be they of replicas whose load
// balancers prefer other endpoints.
func (w *Way) endsAs(other *Way) bool {
	return w.Verdict == other.Verdict && w.Status == other.Status && w.Flags == other.Flags && w.Details == other.Details &&
		w.Reason == other.Reason && w.First == other.First && (w.Usable > 0) == (other.Usable > 0) &&
		w.VirtualHost == other.VirtualHost && w.Route == other.Route && w.Cluster == other.Cluster && w.TLS == other.TLS &&
		slices.Equal(w.Unknowns, other.Unknowns)
}

func worseFirst(a, b Way) int {
	return cmp.Or(cmp.Compare(forwarded(a), forwarded(b)), cmp.Compare(b.Share, a.Share), cmp.Compare(a.Cluster, b.Cluster))
}

func forwarded(w Way) int {
	if w.Verdict.Forwards() {
		return 1
	}
	return 0
}

func newWay(p *Path) Way {
	first, last := &p.Hops[0], &p.Hops[len(p.Hops)-1]
	o := &last.Outcome
	w := Way{
		Share: p.Share, Verdict: o.Verdict, Status: o.Status, Flags: o.Flags, Details: o.Details, Reason: o.Reason,
		At: last.Proxy, First: first.Outcome.Verdict,
		VirtualHost: first.Outcome.VirtualHost, Route: first.Outcome.Route, Cluster: first.Outcome.Cluster,
		TLS: first.Outcome.Upstream.Mode, Endpoints: len(first.Outcome.Endpoints),
	}
	if w.First.Forwards() && w.Verdict.Forwards() {
		w.Verdict = w.First // that it stays in the mesh is for the client's proxy to say
	}
	for _, e := range first.Outcome.Endpoints {
		if e.Share > 0 {
			w.Usable++
		}
	}
	for i := range p.Hops {
		for _, u := range p.Hops[i].Unknowns {
			if !slices.Contains(w.Unknowns, u.What) {
				w.Unknowns = append(w.Unknowns, u.What)
			}
		}
	}
	return w
}

// Worst is the way to name where there is room for one: the likeliest that is not
// forwarded, else the likeliest.
func (r *Reached) Worst() *Way { return &r.Ways[0] }

// serviceOf is the host at the end of a cluster name of Istio's,
// "outbound|8080|v1|reviews.default.svc.cluster.local" or
// "outbound_.8080_.v1_.reviews.default.svc.cluster.local"; empty for other names.
func serviceOf(cluster string) string {
	if direction, rest, found := strings.Cut(cluster, "|"); found {
		if !strings.HasPrefix(direction, "outbound") {
			return ""
		}
		return rest[strings.LastIndexByte(rest, '|')+1:]
	}
	if rest, found := strings.CutPrefix(cluster, "outbound_."); found {
		if at := strings.LastIndex(rest, "_."); at >= 0 {
			return rest[at+len("_."):]
		}
	}
	return ""
}

// byPort orders targets by port and host, what stands for all others last.
func byPort(a, b Target) int {
	return cmp.Or(
		cmp.Compare(int(a.Port-1), int(b.Port-1)), // 0, any port, comes last
		cmp.Compare(anyRank(a), anyRank(b)),
		cmp.Compare(a.Host, b.Host),
		cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Request.To, b.Request.To),
		cmp.Compare(sniOf(a.Request), sniOf(b.Request)),
		cmp.Compare(a.Label, b.Label),
	)
}

func anyRank(t Target) int {
	if t.Host == AnyHost {
		return 1
	}
	return 0
}

func sniOf(r request.Request) string {
	if r.TLS == nil {
		return ""
	}
	return r.TLS.SNI
}
