package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// ProxyNotConnected reports proxies that no istiod knows of.
var ProxyNotConnected = &analyze.Rule{
	Name:       "proxy-not-connected",
	Code:       "SYN06",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedIstiods, analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "a pod with a proxy is connected to no istiod",
		Finds: "Running pods with a container `istio-proxy` that neither `debug/syncz` nor `debug/adsz` of any istiod lists. " +
			"It is an error where the pod is not ready, or where Envoy says so itself (`control_plane.connected_state` of its stats is 0); without that it may be about to connect again, and it is a warning.",
		Hurts:   "The proxy keeps its last configuration and ages: calls go to pods that are gone (503 UF, UH), its certificate is not renewed. One that never was connected does not become ready.",
		Example: `pods: web-1 (istio-proxy, Running); syncz of istiod-a and istiod-b: cart-1, cart-2`,
		Silent:  "captures without the pods, or with an istiod whose connections were not captured: nothing can be said. Pods that are being deleted or started within a minute of the capture; ztunnels; proxies of another revision or another istiod than those of the cluster (`istio.io/rev`, `discoveryAddress`).",
		Fix:     "see that the pod reaches istiod on port 15012 (NetworkPolicy, DNS), that its token is accepted (log of istiod), and that istiod serves this revision",
		References: []string{
			"https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/",
			"https://github.com/istio/istio/issues/31277",
		},
	},
	Run: runProxyNotConnected,
}

func runProxyNotConnected(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	pods := proxyPods(pass.Capture)
	for _, pod := range pods {
		key := pod.Name + "." + pod.Namespace
		now := pass.Capture.AsOf
		if pod.istiod || len(g.lists[key]) > 0 || now.Sub(pod.started) <= warmingPatience {
			continue
		}
		dumps := g.dumps[key]
		if !slices.ContainsFunc(pods, func(istiod proxyPod) bool { return istiod.istiod && pod.belongsTo(istiod, dumps) }) {
			continue
		}
		f := analyze.Finding{
			Ref: mesh.Ref{Proxy: key}, Source: pod.source, Severity: analyze.Warning, Confidence: analyze.Likely, Essence: "not connected",
			Message: "no istiod lists the pod among its connections",
		}
		if !pod.started.IsZero() {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "started", Value: pod.started.UTC().Format(time.RFC3339)})
		}
		if !pod.ready {
			f.Severity, f.Confidence = analyze.Error, analyze.Proven
			f.Message += ", and it is not ready"
			f.Essence = "not connected, not ready"
		}
		for _, p := range dumps {
			f.Ref = p.Ref("", "")
			if saysDisconnected(p) {
				f.Severity, f.Confidence = analyze.Error, analyze.Proven
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: "control_plane.connected_state", Value: "0"})
			}
		}
		pass.Report(f)
	}
}

// saysDisconnected reports whether Envoy counts no connection to a control plane.
func saysDisconnected(p *mesh.Proxy) bool {
	stats, _ := p.Stats.Get()
	if stats == nil {
		return false
	}
	return slices.ContainsFunc(stats.Samples, func(s mesh.Sample) bool {
		return s.Value == 0 && (s.Name == "control_plane.connected_state" || s.Name == "envoy_control_plane_connected_state")
	})
}

// proxyPod is a running pod with a proxy, or with istiod.
type proxyPod struct {
	mesh.Object
	source   mesh.Source
	started  time.Time
	ready    bool
	istiod   bool
	revision string
}

// proxyPods returns the running pods that matter for connections, sorted.
func proxyPods(c *mesh.Capture) []proxyPod {
	var out []proxyPod
	for _, doc := range c.Objects {
		// All objects of a cluster are many: only these files are parsed.
		if !bytes.Contains(doc.Raw, []byte("Pod")) || !bytes.Contains(doc.Raw, []byte("istio")) {
			continue
		}
		objects, _ := doc.Get()
		for _, o := range objects {
			if o.Kind != "Pod" {
				continue
			}
			pod, ok := readPod(o)
			if pod.source = (mesh.Source{File: doc.Source.File, Line: o.Line}); ok {
				out = append(out, pod)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b proxyPod) int { return compareObjects(a.Object, b.Object) })
	return slices.CompactFunc(out, func(a, b proxyPod) bool { return compareObjects(a.Object, b.Object) == 0 })
}

func readPod(o mesh.Object) (proxyPod, bool) {
	metadata, _ := o.Fields["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	status, _ := o.Fields["status"].(map[string]any)
	pod := proxyPod{Object: o, istiod: labels["app"] == "istiod"}
	started, _ := status["startTime"].(string)
	pod.started = parseTime(started)
	pod.revision, _ = labels["istio.io/rev"].(string)
	if revision, ok := annotations["istio.io/rev"].(string); ok {
		pod.revision = revision
	}
	conditions, _ := status["conditions"].([]any)
	pod.ready = len(conditions) == 0 // not known
	for _, c := range conditions {
		fields, _ := c.(map[string]any)
		if fields["type"] == "Ready" {
			pod.ready = fields["status"] != "False"
		}
	}
	stays := status["phase"] == "Running" && metadata["deletionTimestamp"] == nil && labels["app"] != "ztunnel"
	return pod, stays && (pod.istiod || hasProxyContainer(o))
}

// hasProxyContainer reports whether the pod has the container of a sidecar, gateway
// or waypoint; a native sidecar is an init container.
func hasProxyContainer(o mesh.Object) bool {
	spec, _ := o.Fields["spec"].(map[string]any)
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			if fields, _ := c.(map[string]any); fields["name"] == "istio-proxy" {
				return true
			}
		}
	}
	return false
}

// belongsTo reports whether the pod should be connected to this istiod, as far as
// its revision and its discoveryAddress tell.
func (pod proxyPod) belongsTo(istiod proxyPod, dumps []*mesh.Proxy) bool {
	if pod.revision != "" && istiod.revision != "" && pod.revision != istiod.revision {
		return false
	}
	for _, p := range dumps {
		if p.Bootstrap == nil {
			continue
		}
		address := rawjson.GetText(p.Bootstrap.Raw(), "node", "metadata", "PROXY_CONFIG", "discoveryAddress")
		service, rest, _ := strings.Cut(address, ".")
		if address != "" && (!strings.HasPrefix(istiod.Name, service) || !strings.HasPrefix(rest, fmt.Sprintf("%s.svc", istiod.Namespace))) {
			return false
		}
	}
	return true
}
