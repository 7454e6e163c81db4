// Package drift compares what istiod would send a proxy with what the proxy has,
// by meaning: order that Envoy ignores, API versions and spellings are no
// difference.
package drift

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// Verdict is the outcome of a comparison.
type Verdict string

const (
	// Same: both sides have equal resources.
	Same Verdict = "same"
	// Differ: at least one resource is different or on one side only.
	Differ Verdict = "differ"
	// Missing: a side is not in the capture, so nothing is known.
	Missing Verdict = "missing"
)

// Comparison is the difference of one kind of resource between istiod's view of
// a proxy and the proxy's own. Only dynamic resources are compared, and of
// Envoy's only the active ones: istiod knows no others.
type Comparison struct {
	Kind    mesh.ResourceKind
	Verdict Verdict
	// Missing says which side is not in the capture, for Verdict Missing.
	Missing string
	// Compared is the number of resources of both sides.
	Compared int
	// Changes are the resources that differ, sorted by name.
	Changes []Change
	// Apart are Envoy's resources of this kind that wait, drain or were refused.
	// They are not compared.
	Apart []*mesh.Resource
	// Problems are resources that could not be decoded; they were compared as the
	// JSON that was captured.
	Problems []error
}

// Change is a resource that is not the same on both sides.
type Change struct {
	Name string
	// Pilot and Envoy are nil where the side does not have the resource.
	Pilot, Envoy *mesh.Resource
	// Pending is Envoy's resource of this name that is not active, where it has no
	// active one: it waits, or was refused.
	Pending *mesh.Resource

	pilot, envoy []byte // normal forms
}

// Which says what kind of change it is, in words.
func (c Change) Which() string {
	switch {
	case c.Pending != nil:
		return fmt.Sprintf("%s in Envoy", c.Pending.State)
	case c.Envoy == nil:
		return "only in istiod's view"
	case c.Pilot == nil:
		return "only in Envoy"
	}
	return "different"
}

// item is a resource to be compared.
type item struct {
	name     string
	resource *mesh.Resource
	text     []byte
}

// Compare compares one kind of resource. Either config may be nil.
func Compare(pilot, envoy *mesh.Config, kind mesh.ResourceKind) *Comparison {
	c := &Comparison{Kind: kind}
	if c.Missing = missing(pilot, envoy, kind); c.Missing != "" {
		c.Verdict = Missing
		return c
	}
	mine, theirs := dynamic(pilot, kind), dynamic(envoy, kind)
	if kind == mesh.Endpoint {
		theirs = served(theirs, edsServices(envoy))
	}
	for _, r := range envoy.Resources(kind) {
		if r.State != mesh.Active {
			c.Apart = append(c.Apart, r)
		}
	}
	c.Compared = len(mine) + len(theirs)
	c.compare(without(mine, theirs), without(theirs, mine))
	c.markPending()
	c.Verdict = Same
	if len(c.Changes) > 0 {
		c.Verdict = Differ
	}
	return c
}

// missing says which side the capture lacks. A side with resources of the kind
// has them, whatever its sections say.
func missing(pilot, envoy *mesh.Config, kind mesh.ResourceKind) string {
	has := func(c *mesh.Config) bool { return c != nil && (c.Has(kind) || len(c.Resources(kind)) > 0) }
	switch {
	case !has(pilot) && !has(envoy):
		return fmt.Sprintf("the capture has no %ss of either side", kind)
	case !has(pilot):
		return fmt.Sprintf("the capture has no %ss in istiod's view of the proxy", kind)
	case !has(envoy):
		return fmt.Sprintf("the capture has no %ss in the proxy's config_dump", kind)
	}
	return ""
}

func dynamic(c *mesh.Config, kind mesh.ResourceKind) []*mesh.Resource {
	var out []*mesh.Resource
	for _, r := range c.Resources(kind) {
		if r.Origin == mesh.Dynamic && r.State == mesh.Active && r.Content != nil {
			out = append(out, r)
		}
	}
	return out
}

func served(resources []*mesh.Resource, services map[string]bool) []*mesh.Resource {
	if services == nil {
		return resources
	}
	return slices.DeleteFunc(resources, func(r *mesh.Resource) bool { return !services[r.Name()] })
}

// without returns the resources whose content the other side does not have: what
// both share needs no decoding.
func without(resources, other []*mesh.Resource) []*mesh.Resource {
	shared := map[*mesh.Content]bool{}
	for _, r := range other {
		shared[r.Content] = true
	}
	var out []*mesh.Resource
	for _, r := range resources {
		if !shared[r.Content] {
			out = append(out, r)
		}
	}
	return out
}

// compare pairs the resources of both sides by name.
func (c *Comparison) compare(pilot, envoy []*mesh.Resource) {
	mine, theirs := c.items(pilot), c.items(envoy)
	for len(mine) > 0 || len(theirs) > 0 {
		switch {
		case len(theirs) == 0 || len(mine) > 0 && mine[0].name < theirs[0].name:
			c.Changes = append(c.Changes, Change{Name: mine[0].name, Pilot: mine[0].resource, pilot: mine[0].text})
			mine = mine[1:]
		case len(mine) == 0 || theirs[0].name < mine[0].name:
			c.Changes = append(c.Changes, Change{Name: theirs[0].name, Envoy: theirs[0].resource, envoy: theirs[0].text})
			theirs = theirs[1:]
		default:
			if !bytes.Equal(mine[0].text, theirs[0].text) {
				c.Changes = append(c.Changes, Change{
					Name: mine[0].name, Pilot: mine[0].resource, Envoy: theirs[0].resource, pilot: mine[0].text, envoy: theirs[0].text,
				})
			}
			mine, theirs = mine[1:], theirs[1:]
		}
	}
}

func (c *Comparison) markPending() {
	apart := map[string]*mesh.Resource{}
	for _, r := range c.Apart {
		apart[r.Name()] = r
	}
	for i := range c.Changes {
		if change := &c.Changes[i]; change.Envoy == nil {
			change.Pending = apart[change.Name]
		}
	}
}

// items returns the resources with their normal forms, sorted by name.
func (c *Comparison) items(resources []*mesh.Resource) []item {
	items := make([]item, 0, len(resources))
	for _, r := range resources {
		text, err := Normalize(r)
		if err != nil {
			c.Problems = append(c.Problems, err)
			text = captured(r.Raw())
		}
		items = append(items, item{name: r.Name(), resource: r, text: text})
	}
	slices.SortStableFunc(items, byName)
	return items
}

// captured is the JSON as captured with its keys sorted, or an excuse for it.
func captured(raw []byte) []byte {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	err := d.Decode(&v)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(v); err == nil {
			return text
		}
	}
	text, _ := json.Marshal(errors.Join(errors.New("not readable as JSON"), err).Error())
	return text
}
