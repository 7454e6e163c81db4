package mesh

import (
	"slices"
	"sync"
)

// Active returns the resource of this kind and name that serves traffic, the first of
// several, or nil.
func (c *Config) Active(kind ResourceKind, name string) *Resource {
	if byName, ok := c.active[kind]; ok {
		return byName()[name]
	}
	return activeByName(c.Resources(kind))[name]
}

// Complete says that no resource will be added or removed: from then on Active finds
// them without going through all.
func (c *Config) Complete() {
	c.active = map[ResourceKind]func() map[string]*Resource{}
	for _, kind := range []ResourceKind{Cluster, Listener, Route, Endpoint, Secret, Extension} {
		resources := c.Resources(kind)
		c.active[kind] = sync.OnceValue(func() map[string]*Resource { return activeByName(resources) })
	}
}

func activeByName(resources []*Resource) map[string]*Resource {
	byName := make(map[string]*Resource, len(resources))
	for _, r := range slices.Backward(resources) {
		if r.State == Active {
			byName[r.Name()] = r
		}
	}
	return byName
}
