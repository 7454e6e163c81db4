package mesh

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Meshes splits a capture in which a pod was captured twice, or one address belongs to
// different pods: captures of several meshes, or of several times, were opened together,
// and what one says of an address does not hold in the other. They are told apart by
// the first folder of their paths. A capture of one mesh is returned as it is.
func (c *Capture) Meshes() []*Capture {
	if !c.overlaps() {
		return []*Capture{c}
	}
	return c.split(root)
}

// Opened splits a capture by [Input.Capture], in the order of Inputs. Each part has
// at least one of them.
func (c *Capture) Opened() []*Capture {
	captures := map[string]string{}
	for _, in := range c.Inputs {
		captures[in.Path] = in.Capture
	}
	parts := c.split(func(path string) string { return captures[path] })
	return slices.DeleteFunc(parts, func(part *Capture) bool { return len(part.Inputs) == 0 })
}

// InNamespace returns the capture without the proxies of other namespaces and what only
// they have: their files and the problems of those. Without a namespace it is c itself.
func (c *Capture) InNamespace(namespace string) *Capture {
	if namespace == "" {
		return c
	}
	narrowed := &Capture{ControlPlanes: c.ControlPlanes, Objects: c.Objects, AsOf: c.AsOf}
	others := map[string]bool{}
	for _, p := range c.Proxies {
		if p.Namespace == namespace {
			narrowed.Proxies = append(narrowed.Proxies, p)
			continue
		}
		for _, in := range p.Files {
			others[in.Path] = true
		}
	}
	for _, p := range narrowed.Proxies {
		for _, in := range p.Files {
			delete(others, in.Path)
		}
	}
	for _, in := range c.Inputs {
		if !others[in.Path] {
			narrowed.Inputs = append(narrowed.Inputs, in)
		}
	}
	for _, problem := range c.Problems {
		if !others[problem.Source.File] {
			narrowed.Problems = append(narrowed.Problems, problem)
		}
	}
	return narrowed
}

// split returns the parts of c whose paths have one key, each with its own time
// unless the time of c was given.
func (c *Capture) split(key func(path string) string) []*Capture {
	var parts []*Capture
	byKey := map[string]*Capture{}
	part := func(path string) *Capture {
		p := byKey[key(path)]
		if p == nil {
			p = &Capture{}
			byKey[key(path)] = p
			parts = append(parts, p)
		}
		return p
	}
	for _, in := range c.Inputs {
		p := part(in.Path)
		p.Inputs = append(p.Inputs, in)
	}
	for _, proxy := range c.Proxies {
		p := part(firstPath(proxy.Files))
		p.Proxies = append(p.Proxies, proxy)
	}
	for _, cp := range c.ControlPlanes {
		p := part(firstPath(cp.Files))
		p.ControlPlanes = append(p.ControlPlanes, cp)
	}
	for _, objects := range c.Objects {
		p := part(objects.Source.File)
		p.Objects = append(p.Objects, objects)
	}
	for _, problem := range c.Problems {
		p := part(problem.Source.File)
		p.Problems = append(p.Problems, problem)
	}
	given := !c.AsOf.Equal(c.Newest())
	for _, p := range parts {
		if p.AsOf = p.Newest(); given {
			p.AsOf = c.AsOf
		}
	}
	return parts
}

// overlaps reports whether two folders have the same pod, each with a dump of its own,
// or pods with the same address. Only sidecars and waypoints tell of addresses: pods of
// a node's own network share them.
func (c *Capture) overlaps() bool {
	type owner struct{ root, pod string }
	owners := map[netip.Addr]owner{}
	roots := map[string]string{} // of pods that were captured several times
	for _, p := range c.Proxies {
		own := owner{root(firstPath(p.Files)), p.Name + "." + p.Namespace}
		if p.Label != "" {
			if other, known := roots[own.pod]; known && other != own.root {
				return true
			}
			roots[own.pod] = own.root
		}
		if p.Kind != Sidecar && p.Kind != Waypoint {
			continue
		}
		for _, address := range p.Addresses {
			ip, err := netip.ParseAddr(address)
			if err != nil || ip.IsLoopback() || ip.IsUnspecified() {
				continue
			}
			other, taken := owners[ip.Unmap()]
			if taken && other.root != own.root && other.pod != own.pod {
				return true
			}
			owners[ip.Unmap()] = own
		}
	}
	return false
}

func firstPath(files []*Input) string {
	if len(files) == 0 {
		return ""
	}
	return files[0].Path
}

// root is the first folder of a path; empty for a file that is in none.
func root(path string) string {
	folder, _, found := strings.Cut(path, "/")
	if !found {
		return ""
	}
	return folder
}

// Newest is the newest moment that the capture itself knows of; zero when it knows
// none.
func (c *Capture) Newest() time.Time {
	var newest time.Time
	later := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	for _, p := range c.Proxies {
		later(p.Captured)
	}
	for _, cp := range c.ControlPlanes {
		later(cp.NewestPush())
		connections, _ := cp.Connections.Get()
		for _, connection := range connections {
			later(connection.ConnectedAt)
		}
	}
	return newest
}
