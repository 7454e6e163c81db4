package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
)

// PermissiveStillNeeded reports sidecars that take cleartext beside mutual TLS, and
// whether anybody uses it.
var PermissiveStillNeeded = &analyze.Rule{
	Name:       "permissive-still-needed",
	Code:       "TLS07",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Profile:    analyze.Strict,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a sidecar takes plaintext beside mutual TLS",
		Finds: "Every `destination_port` of the inbound filter chains of a sidecar, asked twice: a cleartext connection and one with Istio's mutual TLS. Both are taken. " +
			"`istio_requests_total` and `istio_tcp_connections_opened_total` with `reporter=destination` tell how many came with `connection_security_policy` none, and from whom.",
		Hurts: "Nothing fails. Whoever reaches the pod's network can call it without an identity, and AuthorizationPolicies that name principals do not know the caller.",
		Example: `"filter_chain_match": {"destination_port": 9080, "transport_protocol": "tls", "application_protocols": ["istio", ...]}
"filter_chain_match": {"destination_port": 9080, "transport_protocol": "raw_buffer"}`,
		Silent: "ports that take one of the two only; Istio's own ports. Without metrics the message says that nothing is known of the callers; kubelet's probes do not count, istio-agent answers them.",
		Fix:    "where no caller needs cleartext, set a PeerAuthentication with mode STRICT, first in one namespace; else bring the named callers into the mesh, or keep PERMISSIVE for their port only (portLevelMtls)",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authentication/mtls-migration/",
			"https://istio.io/latest/docs/ops/best-practices/security/",
		},
	},
	Run: runPermissiveStillNeeded,
}

func runPermissiveStillNeeded(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar {
			continue
		}
		ports := permissivePorts(pass, p)
		if len(ports) == 0 {
			continue
		}
		f := analyze.Finding{
			Ref:      p.Ref(mesh.Listener, ""),
			Message:  fmt.Sprintf("port %s takes plaintext beside mutual TLS: %s", listed(ports, ", "), callersInPlaintext(p)),
			Essence:  strings.Join(ports, ","),
			Evidence: callEvidence(p),
		}
		for _, r := range activeListeners(p) {
			if r.Name() == "virtualInbound" {
				f.Ref, f.Source = p.Ref(mesh.Listener, r.Name()), r.Source
			}
		}
		pass.Report(f)
	}
}

// istioPorts are those of the sidecar itself.
var istioPorts = []uint32{15001, 15006, 15008, 15020, 15021, 15090}

// maxPorts bounds the ports of one workload that are asked about.
const maxPorts = 1000

// permissivePorts are the ports of the workload that take cleartext and mutual TLS.
func permissivePorts(pass *analyze.Pass, p *mesh.Proxy) []string {
	if len(p.Addresses) == 0 {
		return nil
	}
	ip, err := netip.ParseAddr(p.Addresses[0])
	if err != nil {
		return nil
	}
	asked := map[uint32]bool{}
	var ports []string
	for _, r := range activeListeners(p) {
		if r.Peek("traffic_direction") != "INBOUND" {
			continue
		}
		for _, chain := range filterChains(pass, r) {
			port := chain.GetFilterChainMatch().GetDestinationPort().GetValue()
			if port == 0 || port > 65535 || asked[port] || len(asked) == maxPorts || slices.Contains(istioPorts, port) {
				continue
			}
			asked[port] = true
			if takesBoth(pass, p, netip.AddrPortFrom(ip.Unmap(), uint16(port))) {
				ports = append(ports, strconv.Itoa(int(port)))
			}
		}
	}
	slices.Sort(ports)
	return ports
}

func takesBoth(pass *analyze.Pass, p *mesh.Proxy, to netip.AddrPort) bool {
	plain, err := engineOf(pass).Accept(p, to, nil)
	if err != nil || plain.Verdict != "" {
		return false
	}
	istio := &request.TLS{ALPN: []string{"istio-peer-exchange", "istio"}, ClientURISAN: ownCaller(pass, p)}
	mutual, err := engineOf(pass).Accept(p, to, istio)
	return err == nil && mutual.Verdict == "" && mutual.Chain.GetTransportSocket() != nil && plain.Chain.GetTransportSocket() == nil
}

// ownCaller is an identity that the sidecar surely accepts: its own.
func ownCaller(pass *analyze.Pass, p *mesh.Proxy) string {
	if id := spiffeID(workloadCertificate(pass, p)); !id.IsZero() {
		return id.String()
	}
	return anyCaller
}

// plaintextCalls counts the calls that a sidecar has served.
type plaintextCalls struct {
	plain, all float64
	// from are the workloads that called in cleartext.
	from []string
}

func countPlaintext(p *mesh.Proxy) (calls plaintextCalls, known bool) {
	stats, err := p.Stats.Get()
	if stats == nil || err != nil && len(stats.Samples) == 0 {
		return plaintextCalls{}, false
	}
	for _, s := range stats.Samples {
		if s.Name != "istio_requests_total" && s.Name != "istio_tcp_connections_opened_total" || s.Labels["reporter"] != "destination" || s.Value <= 0 {
			continue
		}
		known = true
		calls.all += s.Value
		if s.Labels["connection_security_policy"] != "none" {
			continue
		}
		calls.plain += s.Value
		calls.from = append(calls.from, cmp.Or(s.Labels["source_workload"], "unknown"))
	}
	slices.Sort(calls.from)
	calls.from = slices.Compact(calls.from)
	return calls, known
}

// callersInPlaintext completes the sentence with what the metrics say.
func callersInPlaintext(p *mesh.Proxy) string {
	calls, known := countPlaintext(p)
	switch {
	case !known:
		return "the capture has no metrics that tell who uses it"
	case calls.plain > 0:
		return fmt.Sprintf("still needed by %s", listed(calls.from, ", "))
	}
	return "no caller has used it since the proxy started"
}

// callEvidence are the numbers behind callersInPlaintext.
func callEvidence(p *mesh.Proxy) []analyze.Evidence {
	calls, known := countPlaintext(p)
	if !known {
		return nil
	}
	out := []analyze.Evidence{
		{Name: "calls in plaintext", Value: fmt.Sprintf("%.0f", calls.plain)},
		{Name: "calls in all", Value: fmt.Sprintf("%.0f", calls.all)},
	}
	info, err := p.ServerInfo.Get()
	if err == nil && info.GetUptimeCurrentEpoch() != nil {
		out = append(out, analyze.Evidence{Name: "uptime", Value: age(info.GetUptimeCurrentEpoch().AsDuration())})
	}
	return out
}
