package rules

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// OutboundPortCaptured reports TCP services without an address that take a port from all others.
var OutboundPortCaptured = &analyze.Rule{
	Name:       "outbound-port-captured",
	Code:       "LIS01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "one TCP service takes all connections to its port, whatever their address",
		Finds: "Outbound listeners on `0.0.0.0:PORT` with a filter chain (or `default_filter_chain`) without address, server name or protocol that hands everything to one service, `outbound|PORT||host`. It is an error where the proxy knows another service on the port whose connections go there, a warning where all go there that are not HTTP, else info.",
		Hurts: "Connections to other addresses on the port end at the wrong service: a MySQL client reaches somebody else's MySQL, a TLS client gets the wrong certificate. Which service wins depends on age, and changes with it.",
		Example: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: shop}
spec: {hosts: [db.example.net], resolution: DNS, ports: [{number: 3306, name: tcp, protocol: TCP}]} # no addresses`,
		Silent:     "chains for PassthroughCluster or BlackHoleCluster; chains with `prefix_ranges`, `server_names` or application protocols; services on the port that have a listener of their own address, or that HTTP clients reach by the HTTP chain of the same listener. A service on a port of its own takes only connections to addresses that nobody in the mesh knows: info.",
		Fix:        "give the ServiceEntry addresses, or let istiod allocate one (ServiceEntry address auto-allocation, with DNS capture); or choose a port that no other service uses",
		References: []string{"https://istio.io/latest/docs/ops/configuration/traffic-management/dns-proxy/#external-tcp-services-without-vips", "https://github.com/istio/istio/issues/27018", "https://istio.io/latest/docs/reference/config/analysis/ist0134/"},
	},
	Run: runOutboundPortCaptured,
}

func runOutboundPortCaptured(pass *analyze.Pass) {
	var byPort map[string][]destination
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar {
			continue
		}
		visible := sync.OnceValue(func() map[destination]bool { return visibleDestinations(p) })
		for _, r := range p.Listeners {
			if r.State != mesh.Active || r.Content == nil {
				continue
			}
			captor := analyze.Once(pass, r.Content, func() captor { return captorOf(pass, r) })
			if captor.host == "" {
				continue
			}
			if byPort == nil {
				byPort = knownByPort(pass.Capture)
			}
			reportCaptured(pass, p, r, captor, neighbours(byPort[captor.port], visible()))
		}
	}
}

func knownByPort(c *mesh.Capture) map[string][]destination {
	byPort := map[string][]destination{}
	for d := range knownDestinations(c) {
		byPort[d.port] = append(byPort[d.port], d)
	}
	for _, list := range byPort {
		slices.SortFunc(list, compareDestinations)
	}
	return byPort
}

// captor is the service that a listener hands every connection of a port to; the
// zero value where there is none.
type captor struct {
	host, port, cluster, chain string
}

func captorOf(pass *analyze.Pass, r *mesh.Resource) captor {
	port := wildcardPort(r)
	if port == "" {
		return captor{}
	}
	for _, chain := range filterChains(pass, r) {
		if !takesAnything(chain.FilterChain) {
			continue
		}
		for _, name := range chain.tcpClusters() {
			if c, ok := parseIstioCluster(name); ok && c.direction == "outbound" {
				return captor{c.host, port, name, chain.GetName()}
			}
		}
	}
	return captor{}
}

// wildcardPort is the port of an outbound listener for any address; "" for any other
// listener, and for the one that connections are redirected to.
func wildcardPort(r *mesh.Resource) string {
	address, ok := peekAddress(r)
	if !ok || !address.Addr().IsUnspecified() || r.PeekRaw("use_original_dst") != nil || r.Peek("traffic_direction") == "INBOUND" {
		return ""
	}
	return strconv.Itoa(int(address.Port()))
}

// takesAnything reports whether a chain takes cleartext to any address.
func takesAnything(chain *listenerv3.FilterChain) bool {
	m := chain.GetFilterChainMatch()
	return m.GetDestinationPort() == nil && len(m.GetPrefixRanges()) == 0 && len(m.GetServerNames()) == 0 &&
		len(m.GetApplicationProtocols()) == 0 && m.GetTransportProtocol() != "tls" && len(m.GetSourcePrefixRanges()) == 0
}

// maxNeighbours bounds the services on one port that are asked for.
const maxNeighbours = 200

// neighbours are the services among those of a port that the proxy knows.
func neighbours(onPort []destination, visible map[destination]bool) []destination {
	var out []destination
	for _, d := range onPort {
		if visible[d] && !strings.Contains(d.host, "*") && len(out) < maxNeighbours {
			out = append(out, d)
		}
	}
	return out
}

func reportCaptured(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, c captor, onPort []destination) {
	var robbed, halved []string
	for _, d := range onPort {
		if d.host == c.host {
			continue
		}
		if reached, ok := serviceReached(engineOf(pass), p, d, request.TCP); !ok || reached != c.host {
			continue
		}
		switch reached, ok := serviceReached(engineOf(pass), p, d, request.HTTP1); {
		case !ok:
		case reached == d.host:
			halved = append(halved, d.host)
		default:
			robbed = append(robbed, d.host)
		}
	}
	f := analyze.Finding{
		Severity: analyze.Info,
		Ref:      p.Ref(mesh.Listener, r.Name()),
		Source:   r.Source,
		Essence:  c.host,
		Message:  fmt.Sprintf("%s gets every connection to port %s of an address that no other listener has", c.host, c.port),
		Evidence: []analyze.Evidence{{Name: "cluster", Value: c.cluster}},
	}
	f.Ref.Path = c.chain
	switch {
	case len(robbed) > 0:
		f.Severity = analyze.Error
		f.Message = fmt.Sprintf("%s gets every connection to port %s, also those meant for %s", c.host, c.port, few(robbed))
	case len(halved) > 0:
		f.Severity = analyze.Warning
		f.Message += ", and of " + few(halved) + " all that is not HTTP"
	}
	for _, host := range append(robbed, halved...)[:min(len(robbed)+len(halved), listedTargets)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "also on port " + c.port, Value: host})
	}
	pass.Report(f)
}

// serviceReached is the host of the cluster that a connection of the proxy's workload
// to a service ends at; false where the capture cannot tell.
func serviceReached(e *trace.Engine, p *mesh.Proxy, d destination, protocol string) (host string, ok bool) {
	r := request.Request{Protocol: protocol, Authority: net.JoinHostPort(d.host, d.port)}
	if protocol != request.TCP {
		r.Method, r.Scheme, r.Path = "GET", "http", "/"
	}
	t, err := e.Trace(p, r, request.Outbound, trace.Options{FirstHop: true})
	if err != nil {
		return "", false
	}
	outcome := t.Paths[0].Hops[0].Outcome
	target, _ := parseIstioCluster(outcome.Cluster)
	return target.host, outcome.Verdict != trace.Unmodelled
}

// few names up to three hosts.
func few(hosts []string) string {
	text := strings.Join(hosts[:min(len(hosts), 3)], ", ")
	if more := len(hosts) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
