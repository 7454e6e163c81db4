package trace

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// maxAddresses bounds the addresses of one destination that a proxy is asked for
// which does not know the destination itself.
const maxAddresses = 16

// Destination is a host, port and protocol, and what every client makes of it.
type Destination struct {
	Host     string
	Port     uint16
	Protocol string
	// From are the clients, those that do not reach it first.
	From []ReachedFrom
}

// String names the destination: "reviews.default.svc.cluster.local:9080 http".
func (d *Destination) String() string {
	host := d.Host
	if d.Port != 0 {
		host = joinPort(d.Host, uint32(d.Port))
	}
	return host + " " + d.Protocol
}

// ReachedFrom is what the proxies of one workload make of a destination, those of
// them whose requests end the same. Which endpoints they prefer may differ.
type ReachedFrom struct {
	// Workload is the name that the proxies share, Namespace theirs.
	Workload, Namespace string
	// Proxies are the Keys, sorted; at least one.
	Proxies []string
	// Reached has the request of the first of them.
	Reached Reached
}

// To asks every sidecar of the capture, and every gateway that knows the host, for
// "host" or "host:port". Without a port it asks for all that any proxy knows. The
// host may be a service's short name, which is then every service of that name. A
// host that no proxy knows is asked for by HTTP, on port 80 where none is named.
func (e *Engine) To(host string, options Options) []Destination {
	if len(e.meshes) > 0 {
		return e.toInAll(host, options)
	}
	defer e.myTurn()()
	c := newCensus(e, host)
	for _, p := range e.capture.Proxies {
		if e.isClient(p) {
			c.count(p)
		}
	}
	c.complete()
	var out []Destination
	for _, key := range c.keys() {
		d := Destination{Host: key.host, Port: key.port, Protocol: key.protocol}
		for _, p := range c.clients {
			for _, target := range c.asks(p, key) {
				d.add(p, e.reach(p, target, options))
			}
		}
		slices.SortStableFunc(d.From, refusedFirst)
		out = append(out, d)
	}
	return out
}

// toInAll asks the meshes one after the other. Those that know nothing of the host are
// left out where others do.
func (e *Engine) toInAll(host string, options Options) []Destination {
	var known, unknown []Destination
	for _, own := range e.meshes {
		for _, d := range own.To(host, options) {
			if len(d.From) > 0 && d.From[0].Reached.Target.Label == nobodyKnowsIt {
				unknown = append(unknown, d)
			} else {
				known = append(known, d)
			}
		}
	}
	if len(known) > 0 {
		return known
	}
	return unknown
}

// nobodyKnowsIt labels the one target for a host that no proxy knows.
const nobodyKnowsIt = "no proxy of the capture knows it"

// isClient reports whether a proxy sends on what clients ask it for: not one that
// works with tunnels only, nor one whose listeners were not captured.
func (e *Engine) isClient(p *mesh.Proxy) bool {
	return p.Kind != mesh.Ztunnel && p.Kind != mesh.Waypoint && len(p.Listeners) > 0
}

// census is what the proxies of a capture know of a host.
type census struct {
	engine  *Engine
	host    string
	port    uint16 // 0 for any
	clients []*mesh.Proxy
	known   map[destinationKey]map[*mesh.Proxy][]Target
	// samples are targets of each destination, one for every address.
	samples map[destinationKey][]Target
}

type destinationKey struct {
	host     string
	port     uint16
	protocol string
}

func newCensus(e *Engine, host string) *census {
	c := &census{engine: e, host: strings.ToLower(strings.TrimSuffix(host, ".")), known: map[destinationKey]map[*mesh.Proxy][]Target{}, samples: map[destinationKey][]Target{}}
	if name, text, err := net.SplitHostPort(c.host); err == nil {
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			c.host, c.port = name, uint16(port)
		}
	}
	return c
}

// names reports whether a name of the configuration means the host: the host
// itself, or a Kubernetes service of which it is the short name.
func (c *census) names(name string) bool {
	name = strings.ToLower(name)
	if hostOnly(name) == c.host {
		return true
	}
	rest, found := strings.CutPrefix(name, c.host+".")
	if !found || c.host == AnyHost {
		return false
	}
	_, zone, _ := strings.Cut(rest, ".") // behind the namespace
	return strings.HasPrefix(rest, "svc.") || strings.HasPrefix(zone, "svc.") ||
		strings.Contains(c.host, ".svc") && strings.Contains(rest, ".")
}

// count asks one proxy what it knows of the host.
func (c *census) count(p *mesh.Proxy) {
	targets := c.engine.survey(p, c.host, c.names)
	if v := c.engine.view(p); len(targets) == 0 && v.redirected(request.Outbound) == nil {
		return
	}
	c.clients = append(c.clients, p)
	for _, t := range targets {
		if !c.isPort(t) {
			continue
		}
		key := destinationKey{t.Host, t.Port, t.Protocol}
		if c.known[key] == nil {
			c.known[key] = map[*mesh.Proxy][]Target{}
		}
		c.known[key][p] = append(c.known[key][p], t)
		if t.Direction == request.Outbound {
			c.sample(key, t)
		}
	}
}

// isPort reports whether a target has the port that is asked for. A gateway's
// listener has 8080 and 8443 for the ports 80 and 443 of its Service.
func (c *census) isPort(t Target) bool {
	if c.port == 0 || c.port == t.Port {
		return true
	}
	return t.Direction == request.AtGateway && (c.port == 80 && t.Port == 8080 || c.port == 443 && t.Port == 8443)
}

// sample keeps one target for every address of a destination.
func (c *census) sample(key destinationKey, t Target) {
	have := c.samples[key]
	known := slices.ContainsFunc(have, func(s Target) bool { return s.Request.To == t.Request.To })
	if !known && len(have) < maxAddresses {
		c.samples[key] = append(have, t)
	}
}

// complete makes samples: a real address of the destination goes before one that
// stands for any, and a host that nobody knows is asked for all the same.
func (c *census) complete() {
	for key, samples := range c.samples {
		standsForAny := func(t Target) bool { return strings.HasPrefix(t.Request.To, anywhere.String()+":") }
		if slices.ContainsFunc(samples, func(t Target) bool { return !standsForAny(t) }) {
			c.samples[key] = slices.DeleteFunc(samples, standsForAny)
		}
	}
	if len(c.known) > 0 {
		return
	}
	port := cmp.Or(c.port, 80)
	to := anywhere
	if ip, err := netip.ParseAddr(c.host); err == nil {
		to = ip.Unmap()
	}
	authority := c.host
	if port != 80 {
		authority = net.JoinHostPort(c.host, strconv.Itoa(int(port)))
	}
	key := destinationKey{c.host, port, "http"}
	c.known[key] = nil
	c.samples[key] = []Target{{
		Host: c.host, Port: port, Protocol: "http", Label: nobodyKnowsIt, Direction: request.Outbound,
		Request: request.Request{Protocol: request.HTTP1, Method: "GET", Scheme: "http", Authority: authority, Path: "/", To: netip.AddrPortFrom(to, port).String()},
	}}
}

// keys lists the destinations by host and port.
func (c *census) keys() []destinationKey {
	keys := make([]destinationKey, 0, len(c.known))
	for key := range c.known {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b destinationKey) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol))
	})
	return keys
}

// asks are the requests by which a proxy is asked for a destination: its own
// targets; else, of a proxy that takes whatever its workload sends, those of others.
func (c *census) asks(p *mesh.Proxy, key destinationKey) []Target {
	if own := c.known[key][p]; len(own) > 0 {
		return own
	}
	if c.engine.view(p).redirected(request.Outbound) == nil {
		return nil
	}
	return c.samples[key]
}

// add files an answer with those of the workload's other proxies that are the same.
func (d *Destination) add(p *mesh.Proxy, r Reached) {
	workload := p.Workload()
	for i := range d.From {
		f := &d.From[i]
		if f.Workload != workload || f.Namespace != p.Namespace || !f.Reached.endsAs(&r) {
			continue
		}
		if !slices.Contains(f.Proxies, p.Key()) {
			f.Proxies = append(f.Proxies, p.Key())
			slices.Sort(f.Proxies)
		}
		return
	}
	d.From = append(d.From, ReachedFrom{Workload: workload, Namespace: p.Namespace, Proxies: []string{p.Key()}, Reached: r})
}

// endsAs reports whether two answers mean the same.
func (r *Reached) endsAs(other *Reached) bool {
	return r.Truncated == other.Truncated && slices.EqualFunc(r.Ways, other.Ways, func(a, b Way) bool {
		return a.Share == b.Share && a.endsAs(&b)
	})
}

func refusedFirst(a, b ReachedFrom) int {
	return cmp.Or(
		cmp.Compare(forwarded(a.Reached.Ways[0]), forwarded(b.Reached.Ways[0])),
		cmp.Compare(a.Workload, b.Workload), cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Proxies[0], b.Proxies[0]),
	)
}
