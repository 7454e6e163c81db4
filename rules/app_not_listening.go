package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// AppNotListening reports ports of a workload that nothing listens on.
var AppNotListening = &analyze.Rule{
	Name:       "app-not-listening",
	Code:       "LIS08",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedSockets},
	Doc: analyze.Doc{
		Title: "the application does not listen on a port that its Service declares",
		Finds: "Inbound clusters that an active listener leads to, and the sockets in state LISTEN of the pod's `netstat`. A cluster of type ORIGINAL_DST (`inbound|PORT||`) connects to PORT at the pod's own address, one of type STATIC to the address in its `load_assignment`; a socket on that port and address, or on all addresses, must be there. " +
			"It is an error where `/clusters` has failed connections of the cluster (`cx_connect_fail`), else a warning.",
		Hurts: "The sidecar accepts the request, and its connection to the application is refused: 503 with response flag UF and \"connection refused\" in `%UPSTREAM_TRANSPORT_FAILURE_REASON%` or \"delayed connect error: 111\".",
		Example: `cluster: {name: "inbound|8080||", type: ORIGINAL_DST}
netstat: tcp  0  0 127.0.0.1:8080  0.0.0.0:*  LISTEN   # not at the pod's address`,
		Silent: "a `netstat` in which the proxy's own port 15006 does not listen, which was cut off or is from elsewhere; clusters that connect to a Unix domain socket; UDP. An application that has not started yet looks the same: without failed connections it is a warning.",
		Fix:    "correct targetPort of the Service, or let the application listen on 0.0.0.0 (or the pod's address) and that port",
		References: []string{
			"https://istio.io/latest/docs/reference/config/analysis/ist0143/",
			"https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/",
		},
	},
	Run: runAppNotListening,
}

// inboundPort is where sidecars take what comes to the pod.
const inboundPort = 15006

func runAppNotListening(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		listening := listeningSockets(p)
		own := func(s netip.AddrPort) bool { return s.Port() == inboundPort }
		if p.Kind != mesh.Sidecar || !slices.ContainsFunc(listening, own) {
			continue
		}
		seen := clusterHostsOf(pass, p)
		for _, c := range usedClusters(pass, p) {
			if !strings.HasPrefix(c.Name(), "inbound|") {
				continue
			}
			for _, target := range applicationAddresses(p, c.Resource) {
				if why := deaf(listening, target); why != "" {
					reportDeaf(pass, p, c.Resource, target, why, failedConnections(seen, c.Name()))
				}
			}
		}
	}
}

func listeningSockets(p *mesh.Proxy) []netip.AddrPort {
	sockets, _ := p.Sockets.Get()
	var out []netip.AddrPort
	for _, s := range sockets {
		if s.State == "LISTEN" {
			out = append(out, s.Local)
		}
	}
	return out
}

// applicationAddresses are where an inbound cluster connects to.
func applicationAddresses(p *mesh.Proxy, r *mesh.Resource) []netip.AddrPort {
	if r.Peek("type") == "ORIGINAL_DST" {
		parts := strings.Split(r.Name(), "|")
		port, err := strconv.ParseUint(parts[1], 10, 16)
		// Newer names end behind the port; an older one has the port of the Service.
		if err != nil || len(p.Addresses) == 0 || parts[len(parts)-1] != "" {
			return nil
		}
		ip, err := netip.ParseAddr(p.Addresses[0])
		if err != nil {
			return nil
		}
		return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(port))}
	}
	message, err := r.Cluster()
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, locality := range message.GetLoadAssignment().GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if target, err := netip.ParseAddrPort(addressText(e.GetEndpoint().GetAddress())); err == nil && target.Port() > 0 {
				out = append(out, target)
			}
		}
	}
	return out
}

// deaf says why nobody answers at an address; "" where somebody does.
func deaf(listening []netip.AddrPort, target netip.AddrPort) string {
	var elsewhere []string
	for _, s := range listening {
		if s.Port() != target.Port() {
			continue
		}
		if s.Addr().IsUnspecified() || s.Addr().Unmap() == target.Addr().Unmap() {
			return ""
		}
		elsewhere = append(elsewhere, s.Addr().String())
	}
	if len(elsewhere) == 0 {
		return "nothing listens on the port"
	}
	slices.Sort(elsewhere)
	return "the application listens on " + strings.Join(slices.Compact(elsewhere), ", ") + " only"
}

func failedConnections(seen clusterHosts, cluster string) float64 {
	failed := 0.0
	for _, h := range seen[cluster].GetHostStatuses() {
		failed += counter(h, "cx_connect_fail")
	}
	return failed
}

func reportDeaf(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource, target netip.AddrPort, why string, failed float64) {
	f := analyze.Finding{
		Severity:   analyze.Warning,
		Confidence: analyze.Likely,
		Ref:        p.Ref(mesh.Cluster, r.Name()),
		Source:     r.Source,
		Message:    fmt.Sprintf("port %d of %s is closed: %s", target.Port(), r.Name(), why),
		Essence:    fmt.Sprintf("%s/%s %d", p.Namespace, p.Workload(), target.Port()),
		Evidence:   []analyze.Evidence{{Name: "connects to", Value: target.String()}},
		Related:    []analyze.Location{{Ref: p.Ref("", ""), Source: p.Sockets.Source, Message: "sockets of the pod"}},
	}
	if failed > 0 {
		f.Severity, f.Confidence = analyze.Error, analyze.Proven
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "cx_connect_fail", Value: fmt.Sprintf("%.0f", failed)})
	}
	pass.Report(f)
}
