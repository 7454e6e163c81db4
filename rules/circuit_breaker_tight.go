package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// CircuitBreakerTight reports circuit breakers that refuse ordinary traffic.
var CircuitBreakerTight = &analyze.Rule{
	Name:       "circuit-breaker-tight",
	Code:       "CLU04",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a circuit breaker allows hardly any traffic, or has refused some",
		Finds: "Clusters that an active listener reaches, whose `circuit_breakers.thresholds[]` of priority DEFAULT has `max_connections`, `max_pending_requests` or `max_requests` below 10, or below the number of endpoints. " +
			"Requests that `istio_requests_total` counts with response flag UO (upstream overflow) for the host are reported at any limit that is set: they are proof where one cluster of the host has a limit; where several have, there is one finding for the host.",
		Hurts: "Envoy answers 503 with response flag UO and `x-envoy-overloaded`; over the limit TCP connections are closed. The upstream looks idle while its callers fail.",
		Example: `circuit_breakers:
  thresholds:
  - {max_connections: 1, max_pending_requests: 1, max_requests: 4294967295}`,
		Silent: "istiod's own 4294967295, which is no limit; Envoy's default of 1024; thresholds of priority HIGH. `max_connections` does not bind a cluster that speaks HTTP/2 upstream: one connection carries many requests. " +
			"`max_retries` limits retries only. Clusters that only static resources of the bootstrap use.",
		Fix: "raise connectionPool of the DestinationRule (maxConnections, http1MaxPendingRequests, http2MaxRequests) above what the callers have in flight",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/circuit_breaking",
			"https://istio.io/latest/docs/reference/config/networking/destination-rule/#ConnectionPoolSettings",
			"https://github.com/istio/istio/issues/19454",
		},
	},
	Run: runCircuitBreakerTight,
}

const (
	tightLimit = 10
	noLimit    = 1<<32 - 1
)

func runCircuitBreakerTight(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		refused := countedCalls(p, func(labels map[string]string) bool { return labels["response_flags"] == "UO" })
		hosts := map[string][]limitedCluster{}
		for _, c := range limitedClusters(pass, p) {
			if target, ok := parseIstioCluster(c.Name()); ok && refused[target.host] > 0 {
				hosts[target.host] = append(hosts[target.host], c)
				continue
			}
			reportTight(pass, p, c)
		}
		for _, host := range slices.Sorted(maps.Keys(hosts)) {
			reportRefused(pass, p, hosts[host], host, refused[host])
		}
	}
}

// limitedCluster is a used cluster whose circuit breaker has limits.
type limitedCluster struct {
	usedCluster
	limits breakerLimits
}

func limitedClusters(pass *analyze.Pass, p *mesh.Proxy) []limitedCluster {
	var out []limitedCluster
	for _, c := range usedClusters(pass, p) {
		if limits := analyze.Once(pass, c.Content, func() breakerLimits { return limitsOf(c.Resource) }); len(limits) > 0 {
			out = append(out, limitedCluster{c, limits})
		}
	}
	return out
}

// breakerLimit is a threshold that is set.
type breakerLimit struct {
	name  string
	value uint64
}

// breakerLimits are the thresholds of a cluster that limit it.
type breakerLimits []breakerLimit

func (l breakerLimits) below(bound uint64) breakerLimits {
	return slices.DeleteFunc(slices.Clone(l), func(limit breakerLimit) bool { return limit.value >= bound })
}

func (l breakerLimits) lowest() uint64 {
	return slices.MinFunc(l, func(a, b breakerLimit) int { return cmp.Compare(a.value, b.value) }).value
}

func (l breakerLimits) evidence() []analyze.Evidence {
	var out []analyze.Evidence
	for _, limit := range l {
		out = append(out, analyze.Evidence{Name: limit.name, Value: strconv.FormatUint(limit.value, 10)})
	}
	return out
}

// limitsOf reads the JSON of circuit_breakers, which nearly every cluster has and
// few of them limit.
func limitsOf(r *mesh.Resource) breakerLimits {
	var out breakerLimits
	for _, t := range rawjson.Elements(rawjson.Get(r.PeekRaw("circuit_breakers"), "thresholds")) {
		if priority := rawjson.GetText(t, "priority"); priority != "" && priority != "DEFAULT" {
			continue
		}
		for _, name := range []string{"max_connections", "max_pending_requests", "max_requests"} {
			value, err := strconv.ParseUint(string(rawjson.Get(t, name)), 10, 64)
			if err != nil || value >= noLimit || name == "max_connections" && speaksHTTP2(r) {
				continue
			}
			out = append(out, breakerLimit{name, value})
		}
	}
	return out
}

// speaksHTTP2 reports whether all upstream connections of a cluster are HTTP/2.
func speaksHTTP2(r *mesh.Resource) bool {
	if r.PeekRaw("http2_protocol_options") != nil {
		return true
	}
	options := rawjson.Get(r.PeekRaw("typed_extension_protocol_options"), "envoy.extensions.upstreams.http.v3.HttpProtocolOptions")
	return rawjson.Get(options, "explicit_http_config", "http2_protocol_options") != nil
}

func (c limitedCluster) finding(p *mesh.Proxy) analyze.Finding {
	f := analyze.Finding{
		Ref:     p.Ref(mesh.Cluster, c.Name()),
		Source:  c.Source,
		Essence: "tight",
		Related: places(p, c.refs),
	}
	if message, err := c.Cluster(); err == nil {
		f.Object = istioObject(message.GetMetadata())
	}
	return f
}

func reportTight(pass *analyze.Pass, p *mesh.Proxy, c limitedCluster) {
	endpoints := len(assignedHealth(pass, c.assignment))
	tight := c.limits.below(max(tightLimit, uint64(endpoints)))
	if len(tight) == 0 {
		return
	}
	f := c.finding(p)
	f.Message = fmt.Sprintf("%s allows only %s %d", c.Name(), tight[0].name, tight[0].value)
	if endpoints > 0 {
		f.Message += fmt.Sprintf(" for %s", countHosts(endpoints))
	}
	f.Evidence = tight.evidence()
	pass.Report(f)
}

// reportRefused reports a host once, at the tightest of its clusters: the metric has
// neither port nor subset.
func reportRefused(pass *analyze.Pass, p *mesh.Proxy, clusters []limitedCluster, host string, refused float64) {
	slices.SortStableFunc(clusters, func(a, b limitedCluster) int { return cmp.Compare(a.limits.lowest(), b.limits.lowest()) })
	tightest := clusters[0]
	f := tightest.finding(p)
	if len(clusters) == 1 {
		f.Confidence = analyze.Proven
		f.Message = fmt.Sprintf("%s refused %.0f requests with flag UO: its circuit breaker was open", tightest.Name(), refused)
		f.Evidence = tightest.limits.evidence()
	} else {
		f.Message = fmt.Sprintf("host %s refused %.0f requests with flag UO: the circuit breaker of one of its %d clusters with limits was open, and %s has the lowest limit", host, refused, len(clusters), tightest.Name())
		for _, c := range clusters[:min(len(clusters), listedPlaces)] {
			for _, e := range c.limits.evidence() {
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: c.Name() + " " + e.Name, Value: e.Value})
			}
		}
	}
	f.Evidence = append(f.Evidence, analyze.Evidence{Name: "requests refused with UO", Value: fmt.Sprintf("%.0f", refused)})
	pass.Report(f)
}
