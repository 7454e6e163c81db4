package rules

import (
	"net"
	"slices"
	"strconv"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// nowhere is a documentation address (RFC 5737), which no listener has as its own.
const nowhere = "192.0.2.1"

// exits answers where connections of a proxy's workload leave it.
type exits struct {
	engine *trace.Engine
	proxy  *mesh.Proxy
	// ports are those that the proxy's listeners have.
	ports map[string]bool
	// active are the contents of listeners and route configurations by kind and name.
	active map[activeKey]*mesh.Content
	// closed are answers that proxies with the same configuration share.
	closed map[exitKey]bool
}

type activeKey struct {
	kind mesh.ResourceKind
	name string
}

// exitKey is what the answer about a destination depends on that no listener has the
// address of: the listener for any address of its port and the routes of the port.
type exitKey struct {
	listener, routes *mesh.Content
	to               destination
}

func newExits(e *trace.Engine, p *mesh.Proxy) *exits {
	x := &exits{engine: e, proxy: p, ports: map[string]bool{}, active: map[activeKey]*mesh.Content{}}
	for _, r := range slices.Concat(p.Listeners, p.Routes) {
		if r.State != mesh.Active {
			continue
		}
		x.active[activeKey{r.Kind, r.Name()}] = r.Content
		if r.Kind == mesh.Listener {
			x.ports[string(r.PeekRaw("address", "socket_address", "port_value"))] = true
		}
	}
	return x
}

// isRegistryOnly reports whether what nobody claims ends in the black hole: a
// connection to a port that no listener has.
func (x *exits) isRegistryOnly() bool {
	port := 1
	for x.ports[strconv.Itoa(port)] {
		port++
	}
	return x.proxy.Active(mesh.Cluster, blackHole) != nil &&
		x.ends(request.Request{Protocol: request.TCP, To: net.JoinHostPort(nowhere, strconv.Itoa(port))})
}

// isClosed reports whether requests to a destination that the proxy has no cluster
// for end in the black hole by HTTP, and leave the proxy neither by TLS nor as plain
// bytes. Where the port has no listener they end where all do that nobody claims.
func (x *exits) isClosed(d destination) bool {
	if !x.ports[d.port] {
		return true
	}
	listener, routes := x.active[activeKey{mesh.Listener, "0.0.0.0_" + d.port}], x.active[activeKey{mesh.Route, d.port}]
	if listener == nil || routes == nil {
		return x.isRefused(d)
	}
	key := exitKey{listener, routes, d}
	closed, known := x.closed[key]
	if !known {
		closed = x.isRefused(d)
		x.closed[key] = closed
	}
	return closed
}

func (x *exits) isRefused(d destination) bool {
	authority := net.JoinHostPort(d.host, d.port)
	http := request.Request{Protocol: request.HTTP1, Method: "GET", Scheme: "http", Authority: authority, Path: "/"}
	bytes := request.Request{Protocol: request.TCP, Authority: authority}
	tls := request.Request{Protocol: request.TCP, Authority: authority, TLS: &request.TLS{SNI: d.host}}
	return x.ends(http) && !x.leaves(bytes) && !x.leaves(tls)
}

// ends reports whether all ways of a request end in the black hole.
func (x *exits) ends(r request.Request) bool {
	verdicts := x.verdicts(r)
	return len(verdicts) > 0 && !slices.ContainsFunc(verdicts, func(v trace.Verdict) bool { return v != trace.BlackHole })
}

// leaves reports whether a way of a request leads to an upstream.
func (x *exits) leaves(r request.Request) bool {
	return slices.ContainsFunc(x.verdicts(r), trace.Verdict.Forwards)
}

func (x *exits) verdicts(r request.Request) []trace.Verdict {
	t, err := x.engine.Trace(x.proxy, r, request.Outbound, trace.Options{FirstHop: true})
	if err != nil {
		return nil
	}
	var verdicts []trace.Verdict
	for i := range t.Paths {
		verdicts = append(verdicts, t.Paths[i].Hops[0].Outcome.Verdict)
	}
	return verdicts
}
