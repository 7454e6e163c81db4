package rules

import (
	"fmt"
	"slices"
	"sync"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// ClusterWithoutEndpoints reports clusters that are routed to and have no host.
var ClusterWithoutEndpoints = &analyze.Rule{
	Name:       "cluster-without-endpoints",
	Code:       "CLU01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners, analyze.NeedEndpoints},
	Doc: analyze.Doc{
		Title: "a cluster that the proxy routes to has no endpoint",
		Finds: "Active clusters of type EDS that an active listener reaches, directly or through its routes, without any `lb_endpoints` in their ClusterLoadAssignment and without a host in `/clusters`. " +
			"The assignment is looked up by `eds_cluster_config.service_name` where the cluster has one. The message tells whether the assignment never came or came empty.",
		Hurts: "Envoy answers 503 with response flag UH (no healthy upstream); TCP connections are reset.",
		Example: `"load_assignment": {
  "cluster_name": "outbound|9080|v3|reviews.default.svc.cluster.local",
  "endpoints": []
}`,
		Silent: "clusters that nothing routes to; warming clusters, which do not serve; STATIC clusters without hosts, which are sinks on purpose (`BlackHoleCluster`); ORIGINAL_DST, DNS and aggregate clusters, whose hosts are not assigned. " +
			"istiod writes a route or a listener for every Service, also for those that are scaled to zero. Where no VirtualService and no gateway sends traffic to it nobody may be calling, and it is info, " +
			"unless `istio_requests_total` has requests to the host that failed with UH: an error where this is the only cluster of the host that is routed to, else a warning, as the metric has neither port nor subset.",
		Fix: "look at the pods: readiness, the Service's selector and targetPort, the labels of the DestinationRule's subset",
		References: []string{
			"https://istio.io/latest/docs/ops/common-problems/network-issues/",
			"https://github.com/istio/istio/issues/29254",
		},
	},
	Run: runClusterWithoutEndpoints,
}

func runClusterWithoutEndpoints(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		hosts := hostIndexOf(pass, p)
		failed := countedCalls(p, func(labels map[string]string) bool { return labels["response_flags"] == "UH" })
		called := usedByHost(pass, p, failed)
		for _, c := range usedClusters(pass, p) {
			if c.Peek("type") != "EDS" {
				continue
			}
			if why := hosts.none(c.Resource); why != "" {
				f := emptyCluster(p, c.Resource, c.refs, why)
				if target, ok := parseIstioCluster(c.Name()); ok && failed[target.host] > 0 {
					f = failedWithUH(f, target.host, failed[target.host], len(called[target.host]))
				}
				pass.Report(f)
			}
		}
	}
}

func emptyCluster(p *mesh.Proxy, r *mesh.Resource, refs []placed, why string) analyze.Finding {
	f := analyze.Finding{
		Severity:   analyze.Info,
		Confidence: analyze.Likely,
		Ref:        p.Ref(mesh.Cluster, r.Name()),
		Source:     r.Source,
		Message:    fmt.Sprintf("%s is routed to and %s", r.Name(), why),
		Essence:    "empty",
	}
	for _, ref := range refs {
		switch {
		case ref.implicit || isServiceListener(ref):
		case ref.use == useMirror || ref.use == useTelemetry:
			f.Severity = max(f.Severity, analyze.Warning)
		default:
			f.Severity, f.Confidence, f.Object = analyze.Error, analyze.Proven, ref.object
		}
		f.Related = append(f.Related, ref.location(p, string(ref.use)))
	}
	return f
}

// failedWithUH adds that requests to the host failed, which proves the fault of a
// cluster only where they can have gone to no other one.
func failedWithUH(f analyze.Finding, host string, requests float64, clusters int) analyze.Finding {
	f.Evidence = []analyze.Evidence{{Name: "requests to host " + host + " failed with UH", Value: fmt.Sprintf("%.0f", requests)}}
	f.Severity = max(f.Severity, analyze.Warning)
	if clusters == 1 {
		f.Severity, f.Confidence = analyze.Error, analyze.Proven
	}
	return f
}

// isServiceListener recognises the listener that istiod makes for each TCP port
// of a Service, as implicit as the default routes of HTTP ports.
func isServiceListener(ref placed) bool {
	target, ok := parseIstioCluster(ref.cluster)
	return ok && ref.use == useTCP && target.direction == "outbound" && target.subset == "" && ref.share == 100 &&
		ref.in.Peek("traffic_direction") == "OUTBOUND"
}

// hostIndex tells which clusters have hosts.
type hostIndex struct {
	pass *analyze.Pass
	// assigned are the assignments by name.
	assigned map[string][]*mesh.Resource
	// listed are the clusters with a host in /clusters, which is parsed for the
	// clusters only that the assignments leave empty.
	listed func() map[string]bool
	// complete is set where the dump has all assignments.
	complete bool
}

// hostIndexOf is made once for each proxy.
func hostIndexOf(pass *analyze.Pass, p *mesh.Proxy) *hostIndex {
	return analyze.OnceForProxy(pass, p, func() *hostIndex { return newHostIndex(pass, p) })
}

func newHostIndex(pass *analyze.Pass, p *mesh.Proxy) *hostIndex {
	index := &hostIndex{pass: pass, assigned: map[string][]*mesh.Resource{}, complete: p.Whole(mesh.Endpoint)}
	for _, r := range p.Endpoints {
		index.assigned[r.Name()] = append(index.assigned[r.Name()], r)
	}
	index.listed = sync.OnceValue(func() map[string]bool { return clustersWithHosts(p) })
	return index
}

func clustersWithHosts(p *mesh.Proxy) map[string]bool {
	listed := map[string]bool{}
	status, _ := p.ClusterStatus.Get()
	for _, c := range status.GetClusterStatuses() {
		if len(c.GetHostStatuses()) > 0 {
			listed[c.GetName()] = true
		}
	}
	return listed
}

// populated says whether an assignment has an endpoint.
type populated bool

// hasHosts reads the JSON of a ClusterLoadAssignment: there are as many of them
// as clusters, and decoding one is dear.
func (h *hostIndex) hasHosts(r *mesh.Resource) bool {
	if r.Content == nil {
		return false
	}
	return bool(analyze.Once(h.pass, r.Content, func() populated {
		for _, locality := range rawjson.Elements(rawjson.Get(r.Raw(), "endpoints")) {
			if len(rawjson.Elements(rawjson.Get(locality, "lb_endpoints"))) > 0 {
				return true
			}
		}
		return false
	}))
}

// none says why the cluster has no host; "" if it has one.
func (h *hostIndex) none(r *mesh.Resource) string {
	assignments := h.assigned[assignmentName(r)]
	switch {
	case slices.ContainsFunc(assignments, h.hasHosts) || h.listed()[r.Name()]:
		return ""
	case len(assignments) > 0:
		return "has no endpoint: its load assignment is empty"
	case h.complete:
		return "has no endpoint: no load assignment has come for it"
	}
	return "has no host in /clusters"
}
