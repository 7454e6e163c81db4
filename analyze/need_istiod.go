package analyze

import (
	"bytes"
	"path"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// hasReplicas reports whether the registries or configurations of two istiods can
// be compared.
func hasReplicas(c *mesh.Capture) bool {
	services, objects := 0, 0
	for _, cp := range c.ControlPlanes {
		if cp.Debug["registryz"] != nil {
			services++
		}
	}
	for _, doc := range c.Objects {
		if path.Base(doc.Source.File) == "configz" {
			objects++
		}
	}
	return max(services, objects) > 1
}

// hasAllIstiods reports whether the capture has the pods of the cluster, and of
// every istiod among them the list of proxies that are connected to it.
func hasAllIstiods(c *mesh.Capture) bool {
	pods := istiodPods(c)
	unnamed := 0
	listing := map[string]bool{}
	for _, cp := range c.ControlPlanes {
		switch {
		case cp.Sync == nil && cp.Connections == nil:
		case cp.Namespace == "":
			unnamed++ // it may be any of them
		default:
			listing[cp.Name] = true
		}
	}
	missing := 0
	for _, name := range pods {
		if !listing[name] {
			missing++
		}
	}
	return len(pods) > 0 && missing <= unnamed
}

// istiodPods are the names of istiod's pods, each once. Only files with that
// word in them are parsed: all objects of a cluster are many.
func istiodPods(c *mesh.Capture) []string {
	var names []string
	for _, doc := range c.Objects {
		if !bytes.Contains(doc.Raw, []byte("istiod")) || !bytes.Contains(doc.Raw, []byte("Pod")) {
			continue
		}
		objects, _ := doc.Get()
		for _, o := range objects {
			if o.Kind == "Pod" && isIstiod(o) && !slices.Contains(names, o.Name) {
				names = append(names, o.Name)
			}
		}
	}
	return names
}

func isIstiod(o mesh.Object) bool {
	metadata, _ := o.Fields["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	status, _ := o.Fields["status"].(map[string]any)
	phase, _ := status["phase"].(string)
	app, _ := labels["app"].(string)
	return app == "istiod" && phase != "Succeeded" && phase != "Failed"
}
