package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// maxHops bounds the proxies and internal listeners on one way.
const maxHops = 12

// Engine answers requests about one capture. What a request touches is decoded
// and compiled when it is first met, and kept. Goroutines that share an Engine take
// turns.
type Engine struct {
	// turn guards what is compiled; exported methods take it.
	turn    sync.Mutex
	capture *mesh.Capture
	views   map[*mesh.Proxy]*view
	// byIP holds the proxies by the addresses of their pods, the first of them
	// where several captures of one pod were opened.
	byIP    map[netip.Addr]*mesh.Proxy
	objects *objects
	// meshes are the engines of a capture of several meshes, and meshOf those of its
	// proxies: nothing that one says of a name or an address holds in another.
	meshes []*Engine
	meshOf map[*mesh.Proxy]*Engine
}

// Options say how much of a trace is wanted.
type Options struct {
	// Why fills Step.Rejected.
	Why bool
	// DirectSource is the address of the peer where it is not the client's, as behind
	// a load balancer that speaks the PROXY protocol.
	DirectSource netip.Addr
	// FirstHop ends the trace with the first proxy.
	FirstHop bool
}

// New returns an engine for the capture.
func New(capture *mesh.Capture) *Engine {
	e := newEngine(capture)
	parts := capture.Meshes()
	if len(parts) == 1 {
		return e
	}
	e.meshOf = map[*mesh.Proxy]*Engine{}
	for _, part := range parts {
		own := newEngine(part)
		e.meshes = append(e.meshes, own)
		for _, p := range part.Proxies {
			e.meshOf[p] = own
		}
	}
	return e
}

func newEngine(capture *mesh.Capture) *Engine {
	e := &Engine{capture: capture, views: map[*mesh.Proxy]*view{}, byIP: map[netip.Addr]*mesh.Proxy{}}
	for _, p := range capture.Proxies {
		for _, address := range p.Addresses {
			ip, err := netip.ParseAddr(address)
			if err != nil || ip.IsLoopback() {
				continue
			}
			if _, taken := e.byIP[ip.Unmap()]; !taken {
				e.byIP[ip.Unmap()] = p
			}
		}
	}
	return e
}

// of is the engine of a proxy's own mesh.
func (e *Engine) of(p *mesh.Proxy) *Engine {
	if own := e.meshOf[p]; own != nil {
		return own
	}
	return e
}

// Trace follows one request into p. The direction may be empty: it is then told
// by the kind of proxy and the destination. The error says what is wrong with the
// request; a request that nothing fits ends in a verdict.
func (e *Engine) Trace(p *mesh.Proxy, req request.Request, direction request.Direction, options Options) (*Trace, error) {
	e = e.of(p)
	defer e.myTurn()()
	return e.trace(p, req, direction, options)
}

// myTurn waits for it, and returns what ends it.
func (e *Engine) myTurn() (over func()) {
	e.turn.Lock()
	return e.turn.Unlock
}

func (e *Engine) trace(p *mesh.Proxy, req request.Request, direction request.Direction, options Options) (*Trace, error) {
	resolved, notes, err := e.resolve(p, req, direction)
	if err != nil {
		return nil, err
	}
	result := &Trace{Request: req}
	for c := (&choices{}); ; {
		w := &walk{engine: e, options: options, choices: c}
		w.proxy(p, resolved, notes)
		result.Paths = append(result.Paths, Path{Share: c.share(), Hops: w.hops})
		if !c.advance() {
			break
		}
		if len(result.Paths) == maxPaths {
			result.Truncated = true
			break
		}
	}
	slices.SortStableFunc(result.Paths, byShare)
	return result, nil
}

// view returns what is known of a proxy, made once.
func (e *Engine) view(p *mesh.Proxy) *view {
	v, ok := e.views[p]
	if !ok {
		v = newView(p)
		e.views[p] = v
	}
	return v
}

// walk is one way of a request through the proxies.
type walk struct {
	engine  *Engine
	options Options
	choices *choices
	hops    []Hop
}

// proxy takes the request through one proxy and on to the next one.
func (w *walk) proxy(p *mesh.Proxy, in arrival, notes []Unknown) {
	for len(w.hops) < maxHops {
		hop := newHop(w, p, in)
		if len(w.hops) == 0 && w.options.DirectSource.IsValid() {
			hop.attrs.DirectSource = netip.AddrPortFrom(w.options.DirectSource, 0)
		}
		hop.out.Unknowns = append(hop.out.Unknowns, notes...)
		hop.run()
		w.hops = append(w.hops, hop.out)
		w.blame()
		if w.options.FirstHop || !hop.out.Outcome.Verdict.Forwards() {
			return
		}
		next, ok := hop.next()
		if !ok {
			return
		}
		p, in, notes = next.proxy, next.arrival, next.notes
	}
	last := &w.hops[len(w.hops)-1]
	last.Unknowns = append(last.Unknowns, Unknown{What: "further proxies", Effect: "the way is longer than is followed: it may be a loop"})
}

// blame adds to a connection that the last proxy closed what the one before makes
// of it.
func (w *walk) blame() {
	if len(w.hops) < 2 {
		return
	}
	last, before := &w.hops[len(w.hops)-1].Outcome, &w.hops[len(w.hops)-2]
	if last.Status > 0 || last.Verdict.Forwards() || last.Verdict == Unmodelled || before.Outcome.Protocol == "tcp" {
		return
	}
	last.Reason += fmt.Sprintf("; %s answers 503 with flag UF or UC", before.Proxy)
}
