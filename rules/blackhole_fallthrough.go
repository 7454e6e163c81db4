package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// BlackholeFallthrough reports destinations that a proxy refuses to call.
var BlackholeFallthrough = &analyze.Rule{
	Name:       "blackhole-fallthrough",
	Code:       "LIS10",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "calls to destinations that the mesh knows, or that were tried, end in BlackHoleCluster",
		Finds: "Sidecars whose `virtualOutbound` listener hands unknown destinations to `BlackHoleCluster` (outboundTrafficPolicy REGISTRY_ONLY). Of the hosts and ports that the rest of the capture knows (outbound clusters of other proxies, istiod's registryz, ServiceEntries) it lists those that this proxy has no cluster and no virtual host for. " +
			"Destinations that were really tried, by `istio_requests_total` and `istio_tcp_connections_opened_total` with destination_service_name BlackHoleCluster, are a warning of their own.",
		Hurts: "HTTP requests get 502 from the virtual host `block_all`, all other connections are reset (response flag UH in the access log). The application sees a service that is up as down.",
		Example: `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: details-egress, namespace: default}
spec:
  workloadSelector: {labels: {app: details}}
  egress: [{hosts: ["istio-system/*"]}] # hides every service of its own namespace`,
		Silent: "with ALLOW_ANY unknown destinations leave through PassthroughCluster; gateways have no such listener. A Sidecar's egress hosts are usually meant as they are, so a destination that is merely out of sight is info. " +
			"A port that some TCP listener on 0.0.0.0 takes for another host does not end in BlackHoleCluster.",
		Fix: "add the host to egress.hosts of the Sidecar resource, export the service to this namespace (exportTo), or write a ServiceEntry for a host outside of the mesh",
		References: []string{
			"https://istio.io/latest/docs/reference/config/networking/sidecar/",
			"https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/",
			"https://istio.io/latest/blog/2019/monitoring-external-service-traffic/",
		},
	},
	Run: runBlackholeFallthrough,
}

const blackHole = "BlackHoleCluster"

func runBlackholeFallthrough(pass *analyze.Pass) {
	var known map[destination]string
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar || !registryOnly(pass, p) {
			continue
		}
		if known == nil {
			known = knownDestinations(pass.Capture)
		}
		visible := visibleDestinations(p)
		reportTried(pass, p, visible, known)
		var hidden []destination
		for d := range known {
			if !visible[d] && !isOpen(pass, p, d) {
				hidden = append(hidden, d)
			}
		}
		slices.SortFunc(hidden, compareDestinations)
		if len(hidden) > 0 {
			reportHidden(pass, p, hidden, known)
		}
	}
}

// outbound is how a listener treats connections that no service claims.
type outbound struct {
	// catchAll is set for the listener that iptables leads to.
	catchAll bool
	// cluster is where the chain for anything goes; "" if there is none.
	cluster string
	// routes is the route configuration of its HTTP chain.
	routes string
}

func outboundOf(pass *analyze.Pass, r *mesh.Resource) outbound {
	return analyze.Once(pass, r.Content, func() outbound {
		listener, err := r.Listener()
		if err != nil {
			return outbound{}
		}
		o := outbound{catchAll: listener.GetUseOriginalDst().GetValue() && r.Peek("traffic_direction") != "INBOUND"}
		for _, chain := range mesh.FilterChains(listener) {
			if hcm := mesh.HTTPConnectionManager(chain); hcm != nil {
				o.routes = hcm.GetRds().GetRouteConfigName()
				continue
			}
			match := chain.GetFilterChainMatch()
			if match.GetDestinationPort() == nil && len(match.GetPrefixRanges()) == 0 && len(match.GetServerNames()) == 0 {
				o.cluster = mesh.TCPProxy(chain).GetCluster()
			}
		}
		return o
	})
}

func registryOnly(pass *analyze.Pass, p *mesh.Proxy) bool {
	for _, r := range p.Listeners {
		if r.State != mesh.Active || r.Content == nil || rawjson.Get(r.Raw(), "use_original_dst") == nil {
			continue
		}
		if o := outboundOf(pass, r); o.catchAll {
			return o.cluster == blackHole
		}
	}
	return false
}

// isOpen reports whether a destination that the proxy has no cluster for is led
// somewhere else than into the black hole.
func isOpen(pass *analyze.Pass, p *mesh.Proxy, d destination) bool {
	wildcard := p.Active(mesh.Listener, "0.0.0.0_"+d.port)
	if wildcard == nil {
		return false
	}
	o := outboundOf(pass, wildcard)
	if o.cluster != "" && o.cluster != blackHole {
		return true
	}
	config := p.Active(mesh.Route, o.routes)
	if config == nil {
		return false
	}
	served := analyze.Once(pass, config.Content, func() servedHosts { return servedBy(config) })
	return served.covers(d.host)
}

// servedHosts are the domains of a route configuration whose virtual hosts lead
// to a cluster.
type servedHosts []string

func servedBy(r *mesh.Resource) servedHosts {
	config, err := r.RouteConfiguration()
	if err != nil {
		return nil
	}
	var out servedHosts
	for _, vh := range config.GetVirtualHosts() {
		leads := func(route *routev3.Route) bool { return route.GetDirectResponse() == nil }
		if slices.ContainsFunc(vh.GetRoutes(), leads) {
			out = append(out, vh.GetDomains()...)
		}
	}
	return out
}

func (s servedHosts) covers(host string) bool {
	return slices.ContainsFunc(s, func(domain string) bool {
		suffix, wildcard := strings.CutPrefix(domain, "*")
		return domain == host || wildcard && strings.HasSuffix(host, suffix)
	})
}

const listedDestinations = 25

func reportHidden(pass *analyze.Pass, p *mesh.Proxy, hidden []destination, known map[destination]string) {
	f := analyze.Finding{
		Severity: analyze.Info,
		Ref:      p.Ref(mesh.Cluster, blackHole),
		Message:  fmt.Sprintf("%s end in %s: the proxy knows nothing of them, though the mesh does", count(hidden), blackHole),
	}
	if r := p.Active(mesh.Cluster, blackHole); r != nil {
		f.Source = r.Source
	}
	for _, d := range hidden[:min(len(hidden), listedDestinations)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "out of sight", Value: d.String()})
	}
	if more := len(hidden) - listedDestinations; more > 0 {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "out of sight", Value: fmt.Sprintf("%d more", more)})
	}
	f.Object = sidecarOf(pass.Capture, p)
	f.Essence = cmp.Or(f.Object, fmt.Sprint(hidden))
	f.Fix = opening(f.Object, hidden, known)
	pass.Report(f)
}

func count(hidden []destination) string {
	if len(hidden) == 1 {
		return "calls to " + hidden[0].String()
	}
	text := hidden[0].String() + ", " + hidden[1].String()
	if more := len(hidden) - 2; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("calls to %d destinations (%s)", len(hidden), text)
}

// opening says what would open the destinations.
func opening(sidecar string, hidden []destination, known map[destination]string) string {
	var hosts []string
	for _, d := range hidden {
		host := cmp.Or(known[d], "*") + "/" + d.host
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	const listed = 5
	text := `"` + strings.Join(hosts[:min(len(hosts), listed)], `", "`) + `"`
	if sidecar == "" {
		return "if they are needed: add " + text + " to egress.hosts of the Sidecar resource that selects the workload; without one, the services are not exported to this namespace (exportTo)"
	}
	return "if they are needed: add " + text + " to egress.hosts of " + sidecar
}

// reportTried reports the destinations that the proxy's own metrics know to have
// ended in the black hole, unless they have been opened since.
func reportTried(pass *analyze.Pass, p *mesh.Proxy, visible map[destination]bool, known map[destination]string) {
	tried := countedCalls(p, func(labels map[string]string) bool { return labels["destination_service_name"] == blackHole })
	if len(tried) == 0 {
		return
	}
	opened := map[string]bool{}
	for d := range visible {
		opened[d.host] = true
	}
	for _, host := range slices.Sorted(maps.Keys(tried)) {
		name, _ := cutPort(host)
		if opened[name] {
			continue
		}
		f := analyze.Finding{
			Ref:      p.Ref(mesh.Cluster, blackHole),
			Source:   p.Stats.Source,
			Message:  fmt.Sprintf("%s was called %.0f times in vain: the calls ended in %s", named(host), tried[host], blackHole),
			Essence:  host,
			Evidence: []analyze.Evidence{{Name: "destination_service", Value: host}},
			Object:   sidecarOf(pass.Capture, p),
			Fix:      "if the calls are wanted: write a ServiceEntry for the host",
		}
		var ports []destination
		for d := range known {
			if d.host == name {
				ports = append(ports, d)
			}
		}
		slices.SortFunc(ports, compareDestinations)
		if len(ports) > 0 {
			f.Fix = opening(f.Object, ports, known)
		}
		pass.Report(f)
	}
}

// named is the host that a metric gives, which for plain TCP is none.
func named(host string) string {
	if host == "" || host == "unknown" || host == blackHole {
		return "a destination without a name"
	}
	return host
}
