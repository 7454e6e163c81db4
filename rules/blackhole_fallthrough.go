package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
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
		Finds: "Sidecars that send what nobody claims to `BlackHoleCluster` (outboundTrafficPolicy REGISTRY_ONLY). Of the hosts and ports that the rest of the capture knows (outbound clusters of other proxies, istiod's registryz, ServiceEntries) those are listed that this proxy has no cluster for and whose requests, by HTTP, by TLS and as plain TCP, end there when they are followed through its listeners and routes. " +
			"Each finding says what stops them: the Sidecar resource that does not import them, an `exportTo` that leaves out the namespace, or a push from istiod that the proxy has not acknowledged. " +
			"Destinations that were really tried, by `istio_requests_total` and `istio_tcp_connections_opened_total` with destination_service_name BlackHoleCluster, are a warning of their own.",
		Hurts: "HTTP requests get 502 from the virtual host `block_all`, all other connections are reset (response flag UH in the access log). The application sees a service that is up as down.",
		Example: `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: details-egress, namespace: default}
spec:
  workloadSelector: {labels: {app: details}}
  egress: [{hosts: ["istio-system/*"]}] # hides every service of its own namespace`,
		Silent: "with ALLOW_ANY unknown destinations leave through PassthroughCluster; gateways have no such listener. A Sidecar's egress hosts are usually meant as they are, so a destination that is merely out of sight is info. " +
			"A wildcard virtual host, or a TCP listener on 0.0.0.0 that takes the port for another host, does not end in BlackHoleCluster; what was tried and has been opened since is left out.",
		Fix: "add the host to egress.hosts of the Sidecar resource, export the service to this namespace (exportTo), or write a ServiceEntry for a host outside of the mesh",
		References: []string{
			"https://istio.io/latest/docs/reference/config/networking/sidecar/",
			"https://istio.io/latest/docs/tasks/traffic-management/egress/egress-control/",
			"https://istio.io/latest/blog/2019/monitoring-external-service-traffic/",
		},
	},
	Run: runBlackholeFallthrough,
}

const (
	blackHole = "BlackHoleCluster"
	// listedDestinations bounds the evidence of one finding.
	listedDestinations = 25
)

func runBlackholeFallthrough(pass *analyze.Pass) {
	var s *survey
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Sidecar {
			continue
		}
		out := newExits(engineOf(pass), p)
		if !out.isRegistryOnly() {
			continue
		}
		if s == nil {
			s = newSurvey(pass.Capture)
		}
		out.closed = s.closed
		visible := visibleDestinations(p)
		s.reportTried(pass, out, visible)
		var hidden []destination
		for _, d := range s.destinations {
			if !visible[d] && out.isClosed(d) {
				hidden = append(hidden, d)
			}
		}
		s.reportHidden(pass, p, hidden)
	}
}

// reportHidden makes one finding of the destinations that are stopped by one thing.
func (s *survey) reportHidden(pass *analyze.Pass, p *mesh.Proxy, hidden []destination) {
	if len(hidden) == 0 {
		return
	}
	obstacles := s.obstaclesOf(p)
	byObstacle := map[obstacle][]destination{}
	for _, d := range hidden {
		o := obstacles.of(d)
		byObstacle[o] = append(byObstacle[o], d)
	}
	for _, o := range slices.SortedFunc(maps.Keys(byObstacle), compareObstacles) {
		stopped := byObstacle[o]
		f := analyze.Finding{
			Severity: analyze.Info,
			Ref:      p.Ref(mesh.Cluster, blackHole),
			Message:  fmt.Sprintf("%s end in %s: %s", count(stopped), blackHole, o.words),
			Object:   o.object,
			Essence:  o.words + "\x00" + cmp.Or(o.object, fmt.Sprint(stopped)),
			Fix:      s.opening(o, p, stopped),
			Evidence: []analyze.Evidence{{Name: "outboundTrafficPolicy", Value: "REGISTRY_ONLY " + obstacles.policy}},
		}
		if r := p.Active(mesh.Cluster, blackHole); r != nil {
			f.Source = r.Source
		}
		for _, d := range stopped[:min(len(stopped), listedDestinations)] {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "out of sight", Value: d.String()})
		}
		if more := len(stopped) - listedDestinations; more > 0 {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "out of sight", Value: fmt.Sprintf("%d more", more)})
		}
		pass.Report(f)
	}
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

// reportTried reports the destinations that the proxy's own metrics know to have
// ended in the black hole, unless they have been opened since.
func (s *survey) reportTried(pass *analyze.Pass, out *exits, visible map[destination]bool) {
	p := out.proxy
	tried := countedCalls(p, func(labels map[string]string) bool { return labels["destination_service_name"] == blackHole })
	if len(tried) == 0 {
		return
	}
	obstacles := s.obstaclesOf(p)
	for _, host := range slices.Sorted(maps.Keys(tried)) {
		name, port := cutPort(host)
		known := s.portsOf(name)
		asked := slices.Clone(known)
		if len(known) == 0 {
			asked = []destination{{name, cmp.Or(port, "80")}}
		}
		closed := func(d destination) bool { return !visible[d] && out.isClosed(d) }
		if isNamed(host) && !slices.ContainsFunc(asked, closed) {
			continue
		}
		f := analyze.Finding{
			Ref:      p.Ref(mesh.Cluster, blackHole),
			Source:   p.Stats.Source,
			Message:  fmt.Sprintf("%s was called %.0f times in vain: the calls ended in %s", calledName(host), tried[host], blackHole),
			Essence:  host,
			Evidence: []analyze.Evidence{{Name: "destination_service", Value: host}, {Name: "outboundTrafficPolicy", Value: "REGISTRY_ONLY " + obstacles.policy}},
			Object:   sidecarOf(pass.Capture, p),
			Fix:      "if the calls are wanted: write a ServiceEntry for the host",
		}
		if len(known) > 0 {
			o := obstacles.of(known[0])
			f.Object, f.Fix = o.object, s.opening(o, p, known)
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "stopped by", Value: o.words})
		}
		pass.Report(f)
	}
}

// isNamed reports whether a metric names the destination, which for plain TCP it
// does not.
func isNamed(host string) bool { return host != "" && host != "unknown" && host != blackHole }

func calledName(host string) string {
	if isNamed(host) {
		return host
	}
	return "a destination without a name"
}
