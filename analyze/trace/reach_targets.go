package trace

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// Targets lists what the proxy's listeners and route configurations name as
// destinations: one target for every virtual host, every server name or service of
// a TCP proxy, and for what none of them claims; sorted by port and host, at most
// MaxTargets. Istio's own listeners for probes and metrics (15021, 15090) are left
// out, and so is the inbound side of a sidecar. A waypoint has none: what it serves
// comes to it inside of tunnels.
func (e *Engine) Targets(p *mesh.Proxy) []Target {
	e = e.of(p)
	defer e.myTurn()()
	return e.targets(p)
}

func (e *Engine) targets(p *mesh.Proxy) []Target {
	return e.survey(p, "", func(string) bool { return true })
}

// survey collects the targets of which the host, or a domain of the virtual host,
// is wanted. Of several domains of a gateway's virtual host, asked is the one to name
// it by.
func (e *Engine) survey(p *mesh.Proxy, asked string, wanted func(name string) bool) []Target {
	if p.Kind == mesh.Waypoint {
		return nil
	}
	s := &surveyor{engine: e, view: e.view(p), asked: asked, wanted: wanted, seen: map[targetKey]bool{}}
	redirected := s.view.redirected(request.Outbound)
	for _, l := range s.view.listeners {
		switch {
		case l.internal || len(l.addresses) == 0 || l.load() == nil || s.own(l):
		case redirected == nil && l.bound:
			s.listener(l, request.AtGateway)
		case redirected == nil || l == redirected || l.handsOver || l.restoresDestination() || s.inbound(l):
		case l.bound:
			s.listener(l, request.AtGateway)
		default:
			s.listener(l, request.Outbound)
		}
	}
	if redirected != nil {
		s.unclaimed()
	}
	slices.SortFunc(s.targets, byPort)
	return s.targets
}

// surveyor walks one proxy's configuration.
type surveyor struct {
	engine  *Engine
	view    *view
	asked   string
	wanted  func(name string) bool
	targets []Target
	seen    map[targetKey]bool
}

type targetKey struct {
	host, protocol, to, sni string
	port                    uint16
}

// own reports whether a listener is one of those that every Istio proxy has for
// itself: static, on 15021 for probes or on 15090 for metrics.
func (s *surveyor) own(l *listener) bool {
	port := l.addresses[0].Port()
	return l.resource.Origin == mesh.Static && s.view.proxy.Kind != mesh.OtherProxy && (port == 15021 || port == 15090)
}

// inbound reports whether a listener is for connections to the workload; those of
// before Istio 1.3 are told by their address.
func (s *surveyor) inbound(l *listener) bool {
	return l.inbound() || slices.Contains(s.view.proxy.Addresses, l.addresses[0].Addr().String())
}

func (s *surveyor) add(t Target, domains ...string) {
	key := targetKey{t.Host, t.Protocol, t.Request.To, sniOf(t.Request), t.Port}
	if s.seen[key] || len(s.targets) >= MaxTargets || !s.wants(t.Host, domains) {
		return
	}
	s.seen[key] = true
	s.targets = append(s.targets, t)
}

// wants reports whether a target is asked for.
func (s *surveyor) wants(host string, domains []string) bool {
	return s.wanted(host) || slices.ContainsFunc(domains, s.wanted)
}

// unclaimed adds the destination that no listener has.
func (s *surveyor) unclaimed() {
	taken := map[uint16]bool{}
	for _, l := range s.view.listeners {
		for _, a := range l.addresses {
			taken[a.Port()] = true
		}
	}
	port := uint16(1)
	for taken[port] && port < 65535 {
		port++
	}
	to := netip.AddrPortFrom(anywhere, port).String()
	s.add(Target{
		Host: AnyHost, Protocol: "tcp", Label: "any other address", Direction: request.Outbound,
		Request: request.Request{Protocol: request.TCP, To: to, Authority: to},
	})
}

// listener adds the targets of all chains of a listener.
func (s *surveyor) listener(l *listener, direction request.Direction) {
	set := l.chainsOf()
	chains := set.chains
	if set.fallback != nil {
		chains = append(chains[:len(chains):len(chains)], set.fallback)
	}
	for _, c := range chains {
		(&hop{view: s.view}).prepare(c)
		d := newDoor(s.view, l, c, direction)
		d.asked = s.asked
		if direction == request.Outbound && d.ip.IsValid() && slices.Contains(s.view.proxy.Addresses, d.ip.String()) {
			continue // istiod's guard against a pod that calls itself in a loop
		}
		s.chain(d)
	}
}

// chain adds the targets of the filter that ends the connections of a chain.
func (s *surveyor) chain(d door) {
	for i := range d.chain.filters {
		f := &d.chain.filters[i]
		switch {
		case f.manager != nil:
			s.manager(d, f.manager)
			return
		case f.tcp != nil:
			s.tcp(d, f)
			return
		case filterKind(f.Filter) == "SniCluster" || filterKind(f.Filter) == "sni_cluster":
			d.names = s.clustersOf(d.names)
		}
	}
}

// clustersOf are the server names that lead somewhere where each is the name of a
// cluster, as on the port by which meshes reach each other (15443).
func (s *surveyor) clustersOf(names []string) []string {
	var out []string
	for _, cluster := range slices.Sorted(maps.Keys(s.view.clusters)) {
		if strings.Contains(cluster, "|") {
			continue // no client has it as a server name
		}
		if slices.ContainsFunc(names, func(name string) bool { return takesName(name, cluster) }) {
			out = append(out, cluster)
		}
	}
	if len(out) == 0 {
		return names
	}
	return out
}

// takesName reports whether a server name of a filter chain, maybe a wildcard, is that
// of the host.
func takesName(name, host string) bool {
	suffix, wild := strings.CutPrefix(name, "*")
	return name == host || wild && strings.HasSuffix(host, suffix)
}

// to is the address of a host behind the door.
func (s *surveyor) to(d *door, host string, domains []string) string {
	if d.ip.IsValid() {
		return netip.AddrPortFrom(d.ip, d.port).String()
	}
	for _, domain := range domains {
		if ip, err := netip.ParseAddr(domain); err == nil {
			return netip.AddrPortFrom(ip.Unmap(), d.port).String()
		}
	}
	if ip, ok := (&resolver{engine: s.engine, view: s.view}).clusterIP(host); ok {
		return netip.AddrPortFrom(ip, d.port).String()
	}
	return netip.AddrPortFrom(anywhere, d.port).String()
}

// tcp adds the targets of a TCP proxy: its server names, else its service.
func (s *surveyor) tcp(d door, f *networkFilter) {
	protocol := "tcp"
	if d.tls {
		protocol = "tls"
	}
	t := Target{Port: d.port, Protocol: protocol, Direction: d.direction}
	for _, name := range d.names {
		sni, label := example(name)
		t.Host, t.Label = name, d.label(label)
		t.Request = request.Request{Protocol: request.TCP, TLS: d.handshake(sni, ""), To: s.to(&d, name, nil), Authority: net.JoinHostPort(sni, strconv.Itoa(int(d.port)))}
		s.add(t)
	}
	if len(d.names) > 0 {
		return
	}
	service := serviceOf(f.tcp.GetCluster())
	if clusters := f.tcp.GetWeightedClusters().GetClusters(); len(clusters) > 0 {
		service = serviceOf(clusters[0].GetName())
	}
	to := s.to(&d, service, nil)
	if d.any && d.direction == request.Outbound {
		to = netip.AddrPortFrom(anywhere, d.port).String()
	}
	t.Host, t.Label = d.party(service)
	t.Label = d.label(t.Label)
	t.Request = request.Request{Protocol: request.TCP, TLS: d.handshake("", ""), To: to, Authority: to}
	s.add(t)
}
