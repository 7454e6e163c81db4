package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// destination is a host and a port that somebody in the mesh may call.
type destination struct {
	host, port string
}

func (d destination) String() string { return d.host + ":" + d.port }

func compareDestinations(a, b destination) int {
	return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port))
}

// knownDestinations returns what the capture knows of: the outbound clusters of
// all proxies, istiod's registry, and ServiceEntries. The value is the namespace
// that the service belongs to, "" where it is not known.
func knownDestinations(c *mesh.Capture) map[destination]string {
	known := map[destination]string{}
	add := func(host, port, namespace string) {
		if host == "" || port == "" {
			return
		}
		d := destination{host, port}
		known[d] = cmp.Or(known[d], namespace, serviceNamespace(host))
	}
	for _, p := range c.Proxies {
		for d := range visibleDestinations(p) {
			add(d.host, d.port, "")
		}
	}
	for _, cp := range c.ControlPlanes {
		registry, _ := cp.Debug["registryz"].Get()
		for _, service := range rawjson.Elements(registry) {
			host, namespace := rawjson.GetText(service, "hostname"), rawjson.GetText(service, "Attributes", "Namespace")
			for _, port := range rawjson.Elements(rawjson.Get(service, "ports")) {
				add(host, string(rawjson.Get(port, "port")), namespace)
			}
		}
	}
	for _, o := range objectsOf(c, "ServiceEntry") {
		spec, _ := o.Fields["spec"].(map[string]any)
		hosts, _ := spec["hosts"].([]any)
		ports, _ := spec["ports"].([]any)
		for _, h := range hosts {
			for _, p := range ports {
				host, _ := h.(string)
				port, _ := p.(map[string]any)
				number, _ := port["number"].(float64)
				if number > 0 {
					add(host, strconv.Itoa(int(number)), o.Namespace)
				}
			}
		}
	}
	return known
}

// visibleDestinations are those that a proxy has an outbound cluster for.
func visibleDestinations(p *mesh.Proxy) map[destination]bool {
	visible := map[destination]bool{}
	for _, r := range p.Clusters {
		c, ok := parseIstioCluster(r.Name())
		if ok && r.State == mesh.Active && strings.HasPrefix(c.direction, "outbound") {
			visible[destination{c.host, c.port}] = true
		}
	}
	return visible
}

// serviceNamespace reads the namespace out of "name.namespace.svc.domain".
func serviceNamespace(host string) string {
	if labels := strings.SplitN(host, ".", 4); len(labels) > 3 && labels[2] == "svc" {
		return labels[1]
	}
	return ""
}

// objectsOf returns the captured Istio objects of a kind, sorted, each once.
func objectsOf(c *mesh.Capture, kind string) []mesh.Object {
	var out []mesh.Object
	for _, doc := range c.Objects {
		objects, _ := doc.Get()
		for _, o := range objects {
			if o.Kind == kind && strings.HasPrefix(o.APIVersion, "networking.istio.io/") {
				out = append(out, o)
			}
		}
	}
	slices.SortStableFunc(out, compareObjects)
	return slices.CompactFunc(out, func(a, b mesh.Object) bool { return compareObjects(a, b) == 0 })
}

func compareObjects(a, b mesh.Object) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// sidecarOf names the Sidecar resource that applies to the proxy; "" if the capture
// has none.
func sidecarOf(c *mesh.Capture, p *mesh.Proxy) string {
	if o, found := sidecarFor(c, p); found {
		return fmt.Sprintf("Sidecar %s/%s", o.Namespace, o.Name)
	}
	return ""
}

// sidecarFor is the Sidecar resource that applies to the proxy: one that selects it,
// else its namespace's own, else the root namespace's.
func sidecarFor(c *mesh.Capture, p *mesh.Proxy) (found mesh.Object, ok bool) {
	labels := nodeLabels(p)
	root := rootNamespace(c)
	for _, o := range objectsOf(c, "Sidecar") {
		spec, _ := o.Fields["spec"].(map[string]any)
		selector, selects := spec["workloadSelector"].(map[string]any)
		wanted, _ := selector["labels"].(map[string]any)
		switch {
		case o.Namespace != p.Namespace && (o.Namespace != root || selects):
		case !selects:
			if !ok || found.Namespace != p.Namespace {
				found, ok = o, true
			}
		case hasLabels(labels, wanted):
			return o, true
		}
	}
	return found, ok
}

// rootNamespace is where the objects for the whole mesh are.
func rootNamespace(c *mesh.Capture) string {
	for _, cp := range c.ControlPlanes {
		config, _ := cp.Debug["mesh"].Get()
		if root := rawjson.GetText(config, "rootNamespace"); root != "" {
			return root
		}
	}
	return "istio-system"
}

// nodeLabels are the labels of the pod, from the metadata of the proxy's node.
func nodeLabels(p *mesh.Proxy) map[string]string {
	labels := map[string]string{}
	if p.Bootstrap != nil {
		// Labels that cannot be read select nothing.
		_ = json.Unmarshal(rawjson.Get(p.Bootstrap.Raw(), "node", "metadata", "LABELS"), &labels)
	}
	return labels
}

func hasLabels(labels map[string]string, wanted map[string]any) bool {
	for key, value := range wanted {
		if text, ok := value.(string); !ok || labels[key] != text {
			return false
		}
	}
	return true
}
