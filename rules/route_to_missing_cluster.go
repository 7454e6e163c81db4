package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// RouteToMissingCluster reports references to clusters that a proxy does not have.
var RouteToMissingCluster = &analyze.Rule{
	Name:       "route-to-missing-cluster",
	Code:       "RTE01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedBootstrap, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a route, filter or listener names a cluster that the proxy does not have",
		Finds: "Every cluster that an active listener can reach: `route.cluster`, `weighted_clusters`, `request_mirror_policies`, `tcp_proxy`, and the clusters that ext_authz, rate limits, JWT, access logs and tracing call, also by `typed_per_filter_config`. " +
			"Each must be among `static_clusters` or `dynamic_active_clusters`. The message says whether the subset, the port or the whole host is absent. One that is only among `dynamic_warming_clusters` is a warning.",
		Hurts: "istiod sends routes with `validate_clusters: false`, so Envoy accepts them and fails when a request comes: 503 with response flag NC (no cluster), TCP connections are closed. A weighted cluster fails its share of the requests.",
		Example: `route:
  weighted_clusters:
    clusters:
    - {name: outbound|9080|v7|ratings.default.svc.cluster.local, weight: 30} # no such cluster
    - {name: outbound|9080|v1|ratings.default.svc.cluster.local, weight: 70}`,
		Silent: "`cluster_header` and cluster specifier plugins name no cluster; on-demand CDS, of a listener or of routes, fetches it later; an HTTP filter that is disabled, and that no route enables, calls nobody; routes behind a catch-all and route configurations that no listener asks for are never used; a weight of 0, or a mirror with a `runtime_fraction` of 0, gets no request. " +
			"A VirtualService without a port is copied by istiod to every HTTP port of the mesh, its destinations getting that port: a plain bookinfo sidecar has `outbound|80|v1|reviews...` on route config `80`. " +
			"Such copies are one info for each route configuration: their virtual host `reviews...:80` is named after a service that the proxy knows on other ports but not on this one, so no Service has the port that a caller would have to use. " +
			"If the host of the virtual host has no cluster on any port, it is a mere name that callers may use on any port: that is a warning. Where the host does have the port, callers reach the route: an error.",
		Fix: "create the Service or the DestinationRule subset, or correct host, port and subset of the route; look at exportTo and at the Sidecar's egress hosts if the Service exists",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction",
			"https://istio.io/latest/docs/reference/config/analysis/ist0101/",
			"https://github.com/istio/istio/issues/49717",
		},
	},
	Run: runRouteToMissingCluster,
}

func runRouteToMissingCluster(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		refs, onDemand := clusterReferences(pass, p)
		if onDemand {
			continue
		}
		known := newClusterIndex(p)
		missing := map[string][]placed{}
		var order []string
		for _, ref := range refs {
			if known.active[ref.cluster] {
				continue
			}
			if missing[ref.cluster] == nil {
				order = append(order, ref.cluster)
			}
			missing[ref.cluster] = append(missing[ref.cluster], ref)
		}
		var idle []placed
		for _, name := range order {
			refs := missing[name]
			slices.SortStableFunc(refs, func(a, b placed) int { return cmp.Compare(known.severity(b), known.severity(a)) })
			if known.severity(refs[0]) == analyze.Info {
				idle = append(idle, refs...)
				continue
			}
			known.reportMissing(pass, p, name, refs)
		}
		reportIdle(pass, p, idle)
	}
}

// clusterIndex is what a proxy has, by name and by host.
type clusterIndex struct {
	active, warming map[string]bool
	// ports are the ports that a host has clusters for, whatever the subset.
	ports map[string][]string
}

func newClusterIndex(p *mesh.Proxy) *clusterIndex {
	known := &clusterIndex{active: map[string]bool{}, warming: map[string]bool{}, ports: map[string][]string{}}
	for _, r := range p.Clusters {
		name := r.Name()
		if r.State != mesh.Active {
			known.warming[name] = r.State == mesh.Warming
			continue
		}
		known.active[name] = true
		c, ok := parseIstioCluster(name)
		if ok && c.direction == "outbound" && !slices.Contains(known.ports[c.host], c.port) {
			known.ports[c.host] = append(known.ports[c.host], c.port)
		}
	}
	return known
}

// reportMissing makes one finding of all references to one cluster, the worst
// first.
func (k *clusterIndex) reportMissing(pass *analyze.Pass, p *mesh.Proxy, name string, refs []placed) {
	worst := refs[0]
	f := analyze.Finding{
		Severity: k.severity(worst),
		Ref:      p.Ref(mesh.Cluster, name),
		Source:   worst.in.Source,
		Message:  name + k.why(name),
		Essence:  "missing",
		Object:   worst.object,
	}
	if f.Severity != analyze.Error {
		f.Confidence = analyze.Likely
	}
	for _, ref := range refs {
		f.Related = append(f.Related, ref.location(p, k.describe(ref)))
	}
	if k.warming[name] {
		f.Evidence = []analyze.Evidence{{Name: "state", Value: "warming"}}
		f.Fix = "see why the cluster still waits: its endpoints or its secret have not come, or Envoy rejected it"
	}
	pass.Report(f)
}

func (k *clusterIndex) severity(ref placed) analyze.Severity {
	host, port := cutPort(ref.virtualHost)
	target, isIstio := parseIstioCluster(ref.cluster)
	switch {
	case k.warming[ref.cluster], ref.use == useMirror, ref.use == useTelemetry:
		return analyze.Warning
	case !isIstio, port == "", ref.in.Kind != mesh.Route, ref.in.Name() != port, slices.Contains(k.ports[host], port):
		return analyze.Error
	case len(k.ports[host]) > 0:
		return analyze.Info // nobody can call the host on this port
	case target.port == port && slices.Contains(k.ports[target.host], port):
		return analyze.Error
	}
	return analyze.Warning
}

// why completes the sentence that begins with the cluster's name.
func (k *clusterIndex) why(name string) string {
	target, isIstio := parseIstioCluster(name)
	ports := k.ports[target.host]
	switch {
	case k.warming[name]:
		return " is routed to, but still warming: it does not serve yet"
	case !isIstio:
		return " is routed to, but there is no such cluster"
	case len(ports) == 0:
		return fmt.Sprintf(" is routed to, but the proxy knows no host %s", target.host)
	case !slices.Contains(ports, target.port):
		return fmt.Sprintf(" is routed to, but host %s has no port %s, only %s", target.host, target.port, strings.Join(ports, ", "))
	case target.subset != "":
		return fmt.Sprintf(" is routed to, but host %s has no subset %s", target.host, target.subset)
	}
	return " is routed to, but there are only subsets of it"
}

const listedTargets = 25

// reportIdle makes one finding of each route configuration with targets that
// nobody can call.
func reportIdle(pass *analyze.Pass, p *mesh.Proxy, idle []placed) {
	slices.SortStableFunc(idle, func(a, b placed) int { return cmp.Compare(a.in.Name(), b.in.Name()) })
	for len(idle) > 0 {
		config := idle[0].in
		f := analyze.Finding{
			Severity:   analyze.Info,
			Confidence: analyze.Likely,
			Ref:        p.Ref(mesh.Route, config.Name()),
			Source:     config.Source,
			Object:     idle[0].object,
			Fix:        "nothing needs to be done; a port in the VirtualService's destination makes the copies go away",
		}
		var targets []string
		for len(idle) > 0 && idle[0].in == config {
			targets = append(targets, idle[0].cluster)
			idle = idle[1:]
		}
		slices.Sort(targets)
		targets = slices.Compact(targets)
		for _, name := range targets[:min(len(targets), listedTargets)] {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "target", Value: name})
		}
		f.Message = targets[0]
		if more := len(targets) - 1; more > 0 {
			f.Message += fmt.Sprintf(" and %d more", more)
		}
		f.Message += " are routed to and do not exist, but nobody can call them: the services of the virtual hosts have no port " + config.Name()
		f.Essence = strings.Join(targets, "\x00")
		pass.Report(f)
	}
}

func (k *clusterIndex) describe(ref placed) string {
	text := string(ref.use)
	if ref.share < 100 {
		text += fmt.Sprintf(", %.4g%% of the requests", ref.share)
	}
	if k.severity(ref) == analyze.Info {
		text += ", which nobody can call: its host does not have this port"
	}
	return text
}
