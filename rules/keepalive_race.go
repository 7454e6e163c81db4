package rules

import (
	"fmt"
	"maps"
	"slices"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// KeepaliveRace reports upstreams that close idle connections before Envoy does.
var KeepaliveRace = &analyze.Rule{
	Name:       "keepalive-race",
	Code:       "CLU13",
	Severity:   analyze.Info,
	Confidence: analyze.Heuristic,
	Category:   analyze.Outage,
	Profile:    analyze.Strict,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedStats},
	Doc: analyze.Doc{
		Title: "an upstream now and then closes a connection as Envoy reuses it",
		Finds: "Hosts for which `istio_requests_total` (reporter source) has requests with response flag UC (upstream connection termination), at most one in twenty, and whose clusters have no `idle_timeout` in `common_http_protocol_options`: Envoy then keeps idle connections for one hour.",
		Hurts: "An application with a shorter keep-alive closes the connection while a request is on its way: 503 with response flag UC, a few in a thousand, at quiet times more than under load.",
		Example: `istio_requests_total{reporter="source",destination_service="cart.shop.svc.cluster.local",response_flags="UC"} 12
istio_requests_total{reporter="source",destination_service="cart.shop.svc.cluster.local",response_flags="-"} 48210`,
		Silent: "clusters with an idle timeout; hosts where more than one request in twenty ends so, which is another fault; hosts without such requests. Rollouts leave the same trace.",
		Fix:    "set connectionPool.http.idleTimeout of the DestinationRule below the application's keep-alive timeout, or raise the latter",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts",
			"https://github.com/istio/istio/issues/55138",
			"https://github.com/istio/istio/issues/13205",
		},
	},
	Run: runKeepaliveRace,
}

// raceShare is the share of requests above which it is no race any more.
const raceShare = 0.05

func runKeepaliveRace(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		broken := countedCalls(p, func(labels map[string]string) bool { return labels["response_flags"] == "UC" })
		if len(broken) == 0 {
			continue
		}
		all := countedCalls(p, func(map[string]string) bool { return true })
		for _, host := range slices.Sorted(maps.Keys(broken)) {
			r := patientCluster(pass, p, host)
			if r == nil || broken[host] > raceShare*all[host] {
				continue
			}
			f := analyze.Finding{
				Ref:     p.Ref(mesh.Cluster, r.Name()),
				Source:  r.Source,
				Message: fmt.Sprintf("%.0f of %.0f requests to %s ended with flag UC, and idle connections are kept for an hour", broken[host], all[host], host),
				Essence: "race",
				Evidence: []analyze.Evidence{
					{Name: "requests with UC", Value: fmt.Sprintf("%.0f", broken[host])},
					{Name: "requests", Value: fmt.Sprintf("%.0f", all[host])},
				},
			}
			pass.Report(f)
		}
	}
}

// patientCluster is the outbound cluster that requests to the host go to, one without a
// subset before others; nil where one of several has an idle timeout of its own.
func patientCluster(pass *analyze.Pass, p *mesh.Proxy, host string) *mesh.Resource {
	var patient *mesh.Resource
	whole := false
	for _, c := range usedClusters(pass, p) {
		target, ok := parseIstioCluster(c.Name())
		if !ok || target.host != host || target.direction != "outbound" || protocolOf(c.refs) != "http" {
			continue
		}
		if analyze.Once(pass, c.Content, func() patience { return patienceOf(c.Resource) }) < patience(time.Hour) {
			return nil
		}
		if patient == nil || !whole && target.subset == "" {
			patient, whole = c.Resource, target.subset == ""
		}
	}
	return patient
}

// patience is how long a cluster keeps an idle connection.
type patience time.Duration

func patienceOf(r *mesh.Resource) patience {
	message, err := r.Cluster()
	if err != nil {
		return 0
	}
	timeout := message.GetCommonHttpProtocolOptions().GetIdleTimeout()
	if options := httpOptions(message); options.GetCommonHttpProtocolOptions().GetIdleTimeout() != nil {
		timeout = options.GetCommonHttpProtocolOptions().GetIdleTimeout()
	}
	if timeout == nil {
		return patience(time.Hour)
	}
	return patience(timeout.AsDuration())
}

// httpOptions are the HTTP options of a cluster, nil where it has none.
func httpOptions(c *clusterv3.Cluster) *httpv3.HttpProtocolOptions {
	const name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	options, _ := mesh.Unpack(name, c.GetTypedExtensionProtocolOptions()[name]).Config.(*httpv3.HttpProtocolOptions)
	return options
}
