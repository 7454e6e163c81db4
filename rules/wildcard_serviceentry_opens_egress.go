package rules

import (
	"fmt"
	"net"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// WildcardServiceEntryOpensEgress reports services that take connections to any
// address, past an outbound policy of REGISTRY_ONLY.
var WildcardServiceEntryOpensEgress = &analyze.Rule{
	Name:       "wildcard-serviceentry-opens-egress",
	Code:       "CLU02",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a ServiceEntry lets a REGISTRY_ONLY workload call any address on a port",
		Finds: "Sidecars that refuse unknown destinations, and outbound clusters of type ORIGINAL_DST (ServiceEntries with resolution NONE, often for a wildcard host), that get a connection to an address that belongs to nobody: " +
			"the trace engine sends plain TCP, TLS with a server name, and HTTP with a host that no object declares to 192.0.2.1 on the port. A filter chain on 0.0.0.0 without `server_names` and `prefix_ranges` takes them all.",
		Hurts: "The outbound policy does not hold on this port: the workload reaches every address, whatever the host in the ServiceEntry says. Data can leave unseen, under the name of the declared host in metrics and logs.",
		Example: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
spec:
  hosts: ["*.partner.example"]
  ports: [{number: 443, name: tcp, protocol: TCP}]   # not TLS: no server name is compared
  resolution: NONE`,
		Silent: "an outbound policy of ALLOW_ANY, with which every address is open anyway; chains that compare the server name or the address; gateways, which have no such policy; headless services, for which istiod writes a listener for each pod (older ones wrote one for all addresses, which is found).",
		Fix:    "declare the port as TLS, so that the server name is compared, or give the ServiceEntry addresses, or resolution DYNAMIC_DNS",
		References: []string{
			"https://istio.io/latest/docs/reference/config/networking/service-entry/",
			"https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/",
			"https://github.com/istio/istio/issues/49476",
			"https://github.com/istio/istio/issues/9457",
		},
	},
	Run: runWildcardServiceEntryOpensEgress,
}

func runWildcardServiceEntryOpensEgress(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar {
			continue
		}
		var refused, asked bool
		for _, r := range p.Clusters {
			target, ok := parseIstioCluster(r.Name())
			if !ok || target.direction != "outbound" || r.State != mesh.Active || r.Peek("type") != "ORIGINAL_DST" {
				continue
			}
			if !asked {
				refused, asked = refusesUnknown(pass, p), true
			}
			if !refused {
				break
			}
			for _, probe := range strangers(target.port) {
				if way := probe.leadsTo(pass, p, r.Name()); way != nil {
					reportOpen(pass, p, r, target, probe, way)
					break
				}
			}
		}
	}
}

// nobody is an address that is reserved for documentation (RFC 5737), strange a
// name that cannot exist (RFC 2606).
const (
	nobody  = "192.0.2.1"
	strange = "undeclared.invalid"
)

// refusesUnknown reports whether the proxy refuses connections to addresses that
// no service has.
func refusesUnknown(pass *analyze.Pass, p *mesh.Proxy) bool {
	for _, r := range p.Listeners {
		if r.State == mesh.Active && r.Name() == "0.0.0.0_1" {
			return false
		}
	}
	to := net.JoinHostPort(nobody, "1")
	req := request.Request{Protocol: request.TCP, To: to, Authority: to}
	t, err := engineOf(pass).Trace(p, req, request.Outbound, trace.Options{FirstHop: true})
	return err == nil && t.Paths[0].Hops[0].Outcome.Verdict == trace.BlackHole
}

// stranger is a request to a destination that no object declares.
type stranger struct {
	what    string
	request request.Request
}

func strangers(port string) []stranger {
	to, authority := net.JoinHostPort(nobody, port), net.JoinHostPort(strange, port)
	return []stranger{
		{"a TCP connection", request.Request{Protocol: request.TCP, To: to, Authority: to}},
		{"a TLS connection", request.Request{Protocol: request.TCP, To: to, Authority: authority, TLS: &request.TLS{SNI: strange}}},
		{"an HTTP request", request.Request{To: to, Authority: authority}},
	}
}

// leadsTo returns the end of the request's way if it leaves by the cluster, else
// nil.
func (s stranger) leadsTo(pass *analyze.Pass, p *mesh.Proxy, cluster string) *trace.Outcome {
	t, err := engineOf(pass).Trace(p, s.request, request.Outbound, trace.Options{FirstHop: true})
	if err != nil {
		return nil
	}
	for i := range t.Paths {
		if o := &t.Paths[i].Hops[0].Outcome; o.Cluster == cluster && o.Verdict.Forwards() {
			return o
		}
	}
	return nil
}

func reportOpen(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, target istioCluster, by stranger, way *trace.Outcome) {
	f := analyze.Finding{
		Ref:     p.Ref(mesh.Cluster, r.Name()),
		Source:  r.Source,
		Message: fmt.Sprintf("%s takes %s to any address on port %s, though the outbound policy is REGISTRY_ONLY", r.Name(), by.what, target.port),
		Essence: "open",
		Evidence: []analyze.Evidence{
			{Name: "request", Value: fmt.Sprintf("%s to %s", by.what, by.request.To)},
			{Name: "listener", Value: way.Listener},
			{Name: "filter chain", Value: way.FilterChain},
		},
	}
	if message, err := r.Cluster(); err == nil {
		f.Object = istioObject(message.GetMetadata())
	}
	if l := p.Active(mesh.Listener, way.Listener); l != nil {
		f.Related = []analyze.Location{{Ref: p.Ref(mesh.Listener, l.Name()), Source: l.Source, Message: "takes the connection"}}
	}
	pass.Report(f)
}
