package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// ProtocolMismatch reports services that the client's proxy and the server's proxy
// take for different protocols.
var ProtocolMismatch = &analyze.Rule{
	Name:       "protocol-mismatch",
	Code:       "MSH04",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedLoadAssignments},
	Doc: analyze.Doc{
		Title: "the client's proxy and the server's proxy disagree on the protocol of a port",
		Finds: "Outbound clusters that a proxy reaches only by HTTP routes, or only by `tcp_proxy`, and whose endpoints belong to sidecars of the capture. The trace engine sends the server an HTTP request and a TCP connection with the mTLS that a client offers: " +
			"if its inbound chain carries HTTP as bytes, or parses plain TCP as HTTP, the two disagree.",
		Hurts: "HTTP that the server carries as bytes gets no HTTP authorization, telemetry or routing there: rules on methods and paths do not match. TCP that the server parses as HTTP fails with 400 or response flag DPE (downstream protocol error) as soon as it is no HTTP.",
		Example: `# two Services of one pod and one targetPort
ports: [{name: http, port: 80, targetPort: 8080}]
ports: [{name: tcp-admin, port: 8080, targetPort: 8080}]   # the server takes the port for TCP`,
		Silent: "ports without a declared protocol: both sides detect it, and the client's cluster is then reached both ways; endpoints outside of the capture, gateways, and tunnels (HBONE); servers whose chain cannot be told.",
		Fix:    "declare one protocol for the port, by its name (http-, tcp-) or appProtocol, in every Service that has this targetPort",
		References: []string{
			"https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/",
			"https://github.com/istio/istio/issues/10062",
			"https://github.com/istio/istio/issues/38284",
		},
	},
	Run: runProtocolMismatch,
}

func runProtocolMismatch(pass *analyze.Pass) {
	servers := newServers(pass)
	if servers.count < 2 {
		return // no client and server
	}
	for _, p := range pass.Proxies {
		for _, c := range usedClusters(pass, p) {
			target, ok := parseIstioCluster(c.Name())
			if !ok || target.direction != "outbound" || c.Peek("type") != "EDS" {
				continue
			}
			spoken := protocolOf(c.refs)
			if spoken == "" {
				continue
			}
			for _, h := range assignedHealth(pass, c.assignment) {
				server := servers.at(h.address)
				if server.proxy == nil || server.protocol == "" || server.protocol == spoken {
					continue
				}
				reportProtocols(pass, p, c.Resource, c.refs, spoken, h.address, server)
				break
			}
		}
	}
}

// protocolOf is the one protocol that all references use; "" for several.
func protocolOf(refs []placed) string {
	http := slices.ContainsFunc(refs, func(ref placed) bool { return ref.use == useRoute || ref.use == useMirror })
	tcp := slices.ContainsFunc(refs, func(ref placed) bool { return ref.use == useTCP })
	switch {
	case http && !tcp:
		return "http"
	case tcp && !http:
		return "tcp"
	}
	return ""
}

// server is how a sidecar takes the connections to one of its ports.
type server struct {
	proxy *mesh.Proxy
	// protocol is "http" or "tcp"; "" where the proxy takes both, or cannot be asked.
	protocol, listener, chain string
}

// servers are the sidecars of the capture by address, asked once for each port.
type servers struct {
	pass  *analyze.Pass
	byIP  map[string]*mesh.Proxy
	count int
	asked map[string]server
}

func newServers(pass *analyze.Pass) *servers {
	sole := soleDumpsOf(pass)
	s := &servers{pass: pass, byIP: map[string]*mesh.Proxy{}, asked: map[string]server{}}
	for _, p := range pass.Capture.Proxies {
		if p.Kind != mesh.Sidecar || !sole[p] || !p.Has(mesh.Listener) {
			continue
		}
		s.count++
		for _, address := range p.Addresses {
			s.byIP[address] = p
		}
	}
	return s
}

// at asks the sidecar at "ip:port".
func (s *servers) at(address string) server {
	if known, ok := s.asked[address]; ok {
		return known
	}
	at := server{}
	if to, err := netip.ParseAddrPort(address); err == nil {
		at.proxy = s.byIP[to.Addr().String()]
	}
	if at.proxy != nil {
		s.ask(&at, address)
	}
	s.asked[address] = at
	return at
}

func (s *servers) ask(at *server, address string) {
	http := request.Request{To: address, Authority: strange}
	tcp := request.Request{Protocol: request.TCP, To: address, Authority: address}
	asHTTP, asTCP := s.carried(at.proxy, http, trace.SidecarALPN(&http)), s.carried(at.proxy, tcp, trace.SidecarALPN(&tcp))
	switch {
	case asHTTP == nil || asTCP == nil:
	case isBytes(asHTTP) && isBytes(asTCP):
		at.protocol, at.listener, at.chain = "tcp", asHTTP.Listener, asHTTP.FilterChain
	case !isBytes(asHTTP) && !isBytes(asTCP):
		at.protocol, at.listener, at.chain = "http", asTCP.Listener, asTCP.FilterChain
	}
}

func isBytes(o *trace.Outcome) bool { return o.Protocol == "tcp" }

// carried is what becomes of a request with mTLS, else in plaintext; nil where no
// chain takes it.
func (s *servers) carried(p *mesh.Proxy, req request.Request, alpn []string) *trace.Outcome {
	secured := req
	secured.TLS = &request.TLS{SNI: strange, ALPN: alpn, ClientURISAN: "spiffe://cluster.local/ns/default/sa/default"}
	for _, r := range []request.Request{secured, req} {
		t, err := engineOf(s.pass).Trace(p, r, request.Inbound, trace.Options{FirstHop: true})
		if err != nil || len(t.Paths) != 1 {
			continue
		}
		o := &t.Paths[0].Hops[0].Outcome
		if o.FilterChain != "" && o.Verdict != trace.TLSMismatch && o.Verdict != trace.NoFilterChain && !strings.HasPrefix(o.Cluster, "InboundPassthroughCluster") {
			return o
		}
	}
	return nil
}

func reportProtocols(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, refs []placed, spoken, address string, to server) {
	f := analyze.Finding{
		Ref:     p.Ref(mesh.Cluster, r.Name()),
		Source:  r.Source,
		Message: fmt.Sprintf("%s is called as %s, but its server takes the port for %s", r.Name(), strings.ToUpper(spoken), strings.ToUpper(to.protocol)),
		Essence: spoken + " to " + to.protocol,
		Evidence: []analyze.Evidence{
			{Name: "endpoint", Value: address},
			{Name: "server", Value: to.proxy.Key()},
			{Name: "filter chain of the server", Value: to.chain},
		},
		Related: places(p, refs),
	}
	if l := to.proxy.Active(mesh.Listener, to.listener); l != nil {
		ref := to.proxy.Ref(mesh.Listener, l.Name())
		ref.Path = to.chain
		f.Related = append(f.Related, analyze.Location{Ref: ref, Source: l.Source, Message: "the server's chain: " + to.protocol})
	}
	pass.Report(f)
}
