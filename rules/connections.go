package rules

import (
	"net/netip"
	"slices"
	"strings"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// connections are the ways from one proxy through one of its clusters, which a
// listener or route leads to, to sidecars of the capture.
type connections struct {
	client  *mesh.Proxy
	cluster *mesh.Resource
	uses    []placed
	peers   []connection
}

// connection is what becomes of the connections to one endpoint.
type connection struct {
	trace.Peer
	*end
}

// end is the server's part.
type end struct {
	// Acceptance tells which filter chain takes the connection.
	trace.Acceptance
	// takenBy is that chain; nil where none does.
	takenBy *filterChain
}

// location is the place of the server that takes, or refuses, the connection.
func (c *connection) location(message string) analyze.Location {
	ref := c.Proxy.Ref(mesh.Listener, c.Listener)
	ref.Path = c.FilterChain
	l := analyze.Location{Ref: ref, Message: message}
	if r := c.Proxy.Active(mesh.Listener, c.Listener); r != nil {
		l.Source = r.Source
	}
	return l
}

// shakesHands reports whether both ends speak mutual TLS to each other, whatever
// they make of each other's certificates, and returns the server's side.
func (c *connection) shakesHands() (*tlsv3.CommonTlsContext, bool) {
	if c.takenBy == nil || c.takenBy.tls == nil || c.TLS.Mode != "mtls" || c.Context == nil {
		return nil, false
	}
	return c.takenBy.tls.GetCommonTlsContext(), true
}

// sidecarConnections returns the connections of all proxies of the capture to
// sidecars, by client and cluster. They are followed once for all rules of a run.
func sidecarConnections(pass *analyze.Pass) []connections {
	return analyze.Once(pass, nil, func() []connections {
		c := &connector{pass: pass, engine: engineOf(pass), sidecars: soleSidecars(pass.Capture), known: map[wayKey][]connection{}, ends: map[endKey]*end{}}
		return c.all()
	})
}

// soleSidecars are the sidecars by address. An address that several proxies have,
// as when captures of one mesh were opened together, tells nothing.
func soleSidecars(c *mesh.Capture) map[netip.Addr]*mesh.Proxy {
	owners := map[netip.Addr]*mesh.Proxy{}
	for _, p := range c.Proxies {
		for _, text := range p.Addresses {
			ip, err := netip.ParseAddr(text)
			if err != nil || ip.IsLoopback() {
				continue
			}
			if _, taken := owners[ip.Unmap()]; taken {
				owners[ip.Unmap()] = nil
				continue
			}
			owners[ip.Unmap()] = p
		}
	}
	for ip, p := range owners {
		if p == nil || p.Kind != mesh.Sidecar || !p.Has(mesh.Listener) {
			delete(owners, ip)
		}
	}
	return owners
}

// connector follows connections. Replicas share clusters, endpoints and trust
// domain, and so they share the answer.
type connector struct {
	pass     *analyze.Pass
	engine   *trace.Engine
	sidecars map[netip.Addr]*mesh.Proxy
	known    map[wayKey][]connection
	ends     map[endKey]*end
}

type wayKey struct {
	cluster, endpoints *mesh.Content
	domain             string
}

type endKey struct {
	server               *mesh.Proxy
	to                   netip.AddrPort
	mode, sni, alpn, who string
}

func (c *connector) all() []connections {
	var out []connections
	for _, p := range c.pass.Capture.Proxies {
		if p.Kind == mesh.Ztunnel || !p.Has(mesh.Cluster) || !p.Has(mesh.Listener) || !c.hasOther(p) {
			continue
		}
		out = append(out, c.of(p)...)
	}
	return out
}

// hasOther reports whether there is anybody for p to connect to.
func (c *connector) hasOther(p *mesh.Proxy) bool {
	for _, sidecar := range c.sidecars {
		if sidecar != p {
			return true
		}
	}
	return false
}

func (c *connector) of(p *mesh.Proxy) []connections {
	id := spiffeID(workloadCertificate(c.pass, p))
	var out []connections
	for _, used := range usedClusters(c.pass, p) {
		way := connections{client: p, cluster: used.Resource}
		for _, peer := range c.way(p, used.Resource, used.assignment, id) {
			if peer.Proxy != p {
				way.peers = append(way.peers, peer)
			}
		}
		if len(way.peers) == 0 {
			continue
		}
		if way.uses = c.carrying(used.refs); len(way.uses) > 0 {
			out = append(out, way)
		}
	}
	return out
}

// carrying are the references by which requests go that the cluster itself secures.
func (c *connector) carrying(refs []placed) []placed {
	var out []placed
	for _, ref := range refs {
		if ref.use != useTelemetry && !passesTLS(c.pass, ref) {
			out = append(out, ref)
		}
	}
	return out
}

// passesTLS reports whether a listener hands the TLS of its clients on to the
// cluster, whose own transport socket then tells only half of the story.
func passesTLS(pass *analyze.Pass, ref placed) bool {
	if ref.use != useTCP {
		return false
	}
	return slices.ContainsFunc(filterChains(pass, ref.in), func(chain filterChain) bool {
		return chain.passesTLS() && slices.Contains(chain.tcpClusters(), ref.cluster)
	})
}

func (c *connector) way(p *mesh.Proxy, cluster, endpoints *mesh.Resource, id spiffeid.ID) []connection {
	if endpoints == nil || endpoints.Content == nil {
		return c.follow(p, cluster, id)
	}
	key := wayKey{cluster.Content, endpoints.Content, id.TrustDomain().Name()}
	if known, ok := c.known[key]; ok {
		return known
	}
	var found []connection
	if c.mayMeet(endpoints) {
		found = c.follow(p, cluster, id)
	}
	c.known[key] = found
	return found
}

// endpointAddresses are the IP addresses of a ClusterLoadAssignment.
type endpointAddresses []netip.Addr

// mayMeet reads the JSON of an assignment for an address of a sidecar: most of them
// belong to pods that were not captured, and decoding is dear.
func (c *connector) mayMeet(r *mesh.Resource) bool {
	addresses := analyze.Once(c.pass, r.Content, func() endpointAddresses {
		var out endpointAddresses
		for _, locality := range rawjson.Elements(rawjson.Get(r.Raw(), "endpoints")) {
			for _, e := range rawjson.Elements(rawjson.Get(locality, "lb_endpoints")) {
				ip, err := netip.ParseAddr(rawjson.GetText(e, "endpoint", "address", "socket_address", "address"))
				if err == nil {
					out = append(out, ip.Unmap())
				}
			}
		}
		return out
	})
	return slices.ContainsFunc(addresses, func(ip netip.Addr) bool { return c.sidecars[ip] != nil })
}

func (c *connector) follow(p *mesh.Proxy, cluster *mesh.Resource, id spiffeid.ID) []connection {
	var out []connection
	for _, peer := range c.engine.Peers(p, cluster.Name()) {
		if c.sidecars[peer.Address.Addr()] != peer.Proxy {
			continue
		}
		end, err := c.accept(peer, id)
		if err == nil {
			out = append(out, connection{peer, end})
		}
	}
	return out
}

// anyCaller stands for a client whose certificate is not known.
const anyCaller = "spiffe://cluster.local/ns/default/sa/default"

// accept asks the server what it makes of the connection.
func (c *connector) accept(peer trace.Peer, id spiffeid.ID) (*end, error) {
	handshake := handshakeOf(peer.TLS, id)
	key := endKey{server: peer.Proxy, to: peer.Address, mode: peer.TLS.Mode, sni: peer.TLS.SNI, who: id.TrustDomain().Name()}
	if handshake != nil {
		key.alpn = strings.Join(handshake.ALPN, ",")
	}
	if known, ok := c.ends[key]; ok {
		return known, nil
	}
	accepted, err := c.engine.Accept(peer.Proxy, peer.Address, handshake)
	if err != nil {
		return nil, err
	}
	found := &end{Acceptance: accepted}
	chains := filterChains(c.pass, peer.Proxy.Active(mesh.Listener, accepted.Listener))
	if i := slices.IndexFunc(chains, func(chain filterChain) bool { return chain.FilterChain == accepted.Chain }); i >= 0 {
		found.takenBy = &chains[i]
	}
	c.ends[key] = found
	return found, nil
}

// handshakeOf is what a client says; nil for cleartext.
func handshakeOf(tls trace.UpstreamTLS, id spiffeid.ID) *request.TLS {
	if tls.Mode == "plaintext" {
		return nil
	}
	handshake := &request.TLS{SNI: tls.SNI, ALPN: tls.ALPN}
	if tls.Mode == "mtls" {
		handshake.ClientURISAN = anyCaller
		if !id.IsZero() {
			handshake.ClientURISAN = id.String()
		}
	}
	return handshake
}
