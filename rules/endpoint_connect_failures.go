package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// EndpointConnectFailures reports hosts to which many connections failed.
var EndpointConnectFailures = &analyze.Rule{
	Name:       "endpoint-connect-failures",
	Code:       "EPT04",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusterStatus},
	Doc: analyze.Doc{
		Title: "many connections to an endpoint failed",
		Finds: "Hosts in `/clusters` with `cx_connect_fail` of at least 10, and at least a fifth of `cx_total`. One finding for each cluster, with its hosts, the worst first. The counters run since the host was added.",
		Hurts: "Each failed attempt is a retry at best, and a 503 with response flag UF at worst. A refused connection, a timeout and a failed TLS handshake all count.",
		Example: `outbound|80||cart.shop.svc.cluster.local::10.1.0.9:8080::cx_connect_fail::31
outbound|80||cart.shop.svc.cluster.local::10.1.0.9:8080::cx_total::40`,
		Silent: "a few failures among many connections, as every rollout leaves them. Destinations of `PassthroughCluster` that nobody manages, and connections of an inbound cluster to its own application, are info: " +
			"the application was started after its sidecar, or was called on a port that it does not serve.",
		Fix: "see whether the endpoint still exists (rule stale-endpoint), listens on that port, and agrees on mTLS (rule mtls-mode-mismatch)",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--clusters",
			"https://github.com/istio/istio/issues/54997",
		},
	},
	Run: runEndpointConnectFailures,
}

const (
	fewestFailures = 10
	failedShare    = 0.2
)

func runEndpointConnectFailures(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		status, _ := p.ClusterStatus.Get()
		for _, c := range status.GetClusterStatuses() {
			if failing := failingHosts(c); len(failing) > 0 {
				reportFailing(pass, p, c, failing)
			}
		}
	}
}

// failingHosts are the hosts to which too many connections failed, the worst first.
func failingHosts(c *adminv3.ClusterStatus) []*adminv3.HostStatus {
	var out []*adminv3.HostStatus
	for _, h := range c.GetHostStatuses() {
		failed := counter(h, "cx_connect_fail")
		if failed >= fewestFailures && failed >= failedShare*counter(h, "cx_total") {
			out = append(out, h)
		}
	}
	slices.SortStableFunc(out, func(a, b *adminv3.HostStatus) int {
		return cmp.Or(cmp.Compare(counter(b, "cx_connect_fail"), counter(a, "cx_connect_fail")),
			cmp.Compare(addressText(a.GetAddress()), addressText(b.GetAddress())))
	})
	return out
}

func reportFailing(pass *analyze.Pass, p *mesh.Proxy, c *adminv3.ClusterStatus, failing []*adminv3.HostStatus) {
	name, worst := c.GetName(), failing[0]
	others := ""
	if more := len(failing) - 1; more > 0 {
		others = fmt.Sprintf(", and those to %s more", countHosts(more))
	}
	f := analyze.Finding{
		Ref:    p.Ref(mesh.Cluster, name),
		Source: p.ClusterStatus.Source,
		Message: fmt.Sprintf("%s of %s fails to connect: %.0f of %.0f attempts failed%s", addressText(worst.GetAddress()), name,
			counter(worst, "cx_connect_fail"), counter(worst, "cx_total"), others),
		Essence: "connect failures",
	}
	if r := p.Active(mesh.Cluster, name); r != nil {
		f.Source = r.Source
	}
	if strings.HasPrefix(name, "inbound|") || strings.HasPrefix(name, "InboundPassthroughCluster") || name == passthrough {
		f.Severity = analyze.Info
	}
	for _, h := range failing[:min(len(failing), listedPlaces)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{
			Name:  addressText(h.GetAddress()),
			Value: fmt.Sprintf("cx_connect_fail %.0f of cx_total %.0f", counter(h, "cx_connect_fail"), counter(h, "cx_total")),
		})
	}
	pass.Report(f)
}
