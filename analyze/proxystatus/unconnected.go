package proxystatus

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// addUnconnected adds the proxies that the capture has a dump or a pod of and
// that no istiod lists.
func (b *builder) addUnconnected() {
	link := NotConnected
	if len(b.table.Istiods) == 0 {
		link = NoIstiod
	}
	for _, p := range b.capture.Proxies {
		id := pod{p.Name, p.Namespace}
		if b.isConnected(id) {
			continue
		}
		b.connected[id] = true
		row := Row{Name: p.Name, Namespace: p.Namespace, Link: link, Types: columns(nil)}
		b.complete(&row, b.dump(p.Name, p.Namespace, ""))
		b.table.Rows = append(b.table.Rows, row)
	}
	for _, p := range b.pods("istio-proxy") {
		id := pod{p.Name, p.Namespace}
		if b.isConnected(id) || !hasProxy(p) {
			continue
		}
		b.connected[id] = true
		row := Row{Name: p.Name, Namespace: p.Namespace, Link: link, Types: columns(nil)}
		b.complete(&row, nil)
		b.table.Rows = append(b.table.Rows, row)
	}
}

// isConnected reports whether a row stands for the pod already. A dump without a
// namespace is any pod of its name.
func (b *builder) isConnected(id pod) bool {
	if id.namespace != "" {
		return b.connected[id]
	}
	return slices.ContainsFunc(b.table.Rows, func(r Row) bool { return r.Name == id.name })
}

// addUncaptured names the istiod pods that the capture has no list of proxies of.
// A list whose replica is not known may be that of any pod.
func (b *builder) addUncaptured() {
	unnamed := 0
	listing := map[string]bool{}
	for i, cp := range b.capture.ControlPlanes {
		switch {
		case !slices.Contains(b.table.Istiods, b.names[i]):
		case cp.Namespace == "":
			unnamed++
		default:
			listing[cp.Name] = true
		}
	}
	for _, name := range b.table.Istiods {
		listing[name] = true // as an xDS ClientConfig names it
	}
	var missing []string
	for _, p := range b.pods("istiod") {
		name := p.Name + "." + p.Namespace
		if text(p.Fields, "metadata", "labels", "app") == "istiod" && !listing[p.Name] && !slices.Contains(missing, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > unnamed {
		b.table.Uncaptured = missing
	}
}

// pods returns the pods that run, of the files that have word in them: to parse
// all objects of a cluster takes longer than everything else here.
func (b *builder) pods(word string) []mesh.Object {
	var out []mesh.Object
	for _, doc := range b.capture.Objects {
		if !bytes.Contains(doc.Raw, []byte(word)) || !bytes.Contains(doc.Raw, []byte("Pod")) {
			continue
		}
		objects, _ := doc.Get()
		for _, o := range objects {
			phase := text(o.Fields, "status", "phase")
			if o.Kind == "Pod" && phase != "Succeeded" && phase != "Failed" {
				out = append(out, o)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b mesh.Object) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// hasProxy reports whether the pod has the container of a sidecar, gateway,
// waypoint or ztunnel; a native sidecar is an init container.
func hasProxy(o mesh.Object) bool {
	spec, _ := o.Fields["spec"].(map[string]any)
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			if fields, _ := c.(map[string]any); text(fields, "name") == "istio-proxy" {
				return true
			}
		}
	}
	return false
}

// text returns the string at path; "" where there is none.
func text(fields map[string]any, path ...string) string {
	for _, step := range path[:len(path)-1] {
		fields, _ = fields[step].(map[string]any)
	}
	s, _ := fields[path[len(path)-1]].(string)
	return s
}
