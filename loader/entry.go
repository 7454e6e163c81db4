package loader

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// entry reads one entry of a list, such as a ClustersConfigDump.DynamicCluster.
func (x *index) entry(list entryList, base string, i int) {
	if x.scan.Kind() != '{' {
		x.scan.Skip()
		return
	}
	start := x.scan.Offset()
	before := len(x.resources)
	var owner, version string
	var updated time.Time
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			break
		}
		switch {
		case rawjson.Is(key, list.content):
			x.contents(list, base, i, x.step(key))
		case string(key) == "name":
			owner = x.scan.Text()
		case rawjson.Is(key, "version_info"):
			version = x.text()
		case rawjson.Is(key, "last_updated"):
			updated = x.timestamp()
		case rawjson.Is(key, "error_state"):
			x.errorState(list, start, base, i, x.step(key))
		case list.kind == mesh.Listener && listenerState(key) != "":
			x.listenerState(list, listenerState(key), base, i, x.step(key))
		default:
			x.scan.Skip()
		}
	}
	if len(x.resources) == before && list.origin == mesh.Static && owner != "" && x.scan.Err() == nil {
		// Envoy 1.7 put static resources into the list as they are.
		x.record(list, span{start: start, end: x.scan.Offset(), name: owner, typeURL: list.kind.TypeURL()}, base, i, "")
	}
	named := owner
	for _, sp := range x.spans[before:] {
		named = cmp.Or(named, sp.name)
	}
	for i, r := range x.resources[before:] {
		r.Owner = owner
		if x.spans[before+i].end == 0 {
			r.Owner = named // entries of clusters and routes have no name of their own
		}
		if r.State == mesh.Rejected {
			continue // version and time are those of what was loaded
		}
		if r.Version == "" {
			r.Version = version
		}
		if !updated.IsZero() {
			r.Updated = updated
		}
	}
}

// contents reads the resource of an entry, or the list of them that a set of
// scoped routes has.
func (x *index) contents(list entryList, base string, i int, tail string) {
	if x.scan.Kind() != '[' {
		x.resource(list, base, i, tail)
		return
	}
	n := 0
	for x.scan.Array(); x.scan.Element(); n++ {
		x.resource(list, base, i, tail+"/"+itoa(n))
	}
}

// resource records the resource that comes next, unless the text ends within it.
func (x *index) resource(list entryList, base string, i int, tail string) {
	if x.scan.Kind() != '{' {
		x.scan.Skip()
		return
	}
	sp := span{start: x.scan.Offset(), typeURL: list.kind.TypeURL()}
	x.inside, x.insideName = list.kind, ""
	sp.fields = len(x.fields)
	verbatim := true
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			break
		}
		at := x.scan.KeyOffset()
		verbatim = verbatim && at >= 0
		field := mesh.Field{Key: int32(at - sp.start), KeyEnd: int32(at - sp.start + len(key))}
		x.scan.Kind()
		field.Value = int32(x.scan.Offset() - sp.start)
		switch {
		case string(key) == "@type":
			sp.typeURL = x.text()
		case string(key) == "name" || list.kind == mesh.Endpoint && rawjson.Is(key, "cluster_name"):
			sp.name = x.scan.Text()
			x.insideName = sp.name
		default:
			x.scan.Skip()
		}
		field.End = int32(x.scan.Offset() - sp.start)
		x.fields = append(x.fields, field)
	}
	if verbatim && x.scan.Offset()-sp.start <= math.MaxInt32 {
		sp.fieldsEnd = len(x.fields)
	}
	if x.scan.Err() != nil {
		return
	}
	x.inside, x.insideName = "", ""
	sp.end = x.scan.Offset()
	x.record(list, sp, base, i, tail)
}

// record adds a resource. A span without an end stands for one whose content
// is not in the dump.
func (x *index) record(list entryList, sp span, base string, i int, tail string) {
	x.spans = append(x.spans, sp)
	if len(x.slab) == 0 {
		x.slab = make([]mesh.Resource, resourcesAtOnce)
	}
	r := &x.slab[0]
	x.slab = x.slab[1:]
	*r = mesh.Resource{Kind: list.kind, Origin: list.origin, State: list.state, Source: x.source(sp.start, base, i, tail)}
	x.resources = append(x.resources, r)
}

func listenerState(key []byte) mesh.State {
	switch {
	case rawjson.Is(key, "active_state"):
		return mesh.Active
	case rawjson.Is(key, "warming_state"):
		return mesh.Warming
	case rawjson.Is(key, "draining_state"):
		return mesh.Draining
	}
	return ""
}

// listenerState reads a ListenersConfigDump.DynamicListenerState.
func (x *index) listenerState(list entryList, state mesh.State, base string, i int, tail string) {
	if x.scan.Kind() != '{' {
		x.scan.Skip()
		return
	}
	list.state = state
	before := len(x.resources)
	var version string
	var updated time.Time
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			break
		}
		switch {
		case string(key) == "listener":
			x.resource(list, base, i, tail+"/listener")
		case rawjson.Is(key, "version_info"):
			version = x.text()
		case rawjson.Is(key, "last_updated"):
			updated = x.timestamp()
		default:
			x.scan.Skip()
		}
	}
	for _, r := range x.resources[before:] {
		r.Version, r.Updated = version, updated
	}
}

// errorState reads an envoy.admin.v3.UpdateFailureState. It becomes a resource of its
// own in State Rejected: what was loaded before stays active. Envoy fills it for
// listeners, CSDS and other control planes for all.
func (x *index) errorState(list entryList, start int, base string, i int, tail string) {
	if x.scan.Kind() != '{' {
		x.scan.Skip()
		return
	}
	list.state = mesh.Rejected
	failure := &mesh.ErrorState{Witness: mesh.InErrorState}
	before := len(x.resources)
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			break
		}
		switch {
		case rawjson.Is(key, "failed_configuration"):
			x.resource(list, base, i, tail+x.step(key))
		case string(key) == "details":
			failure.Details = x.scan.Text()
		case rawjson.Is(key, "version_info"):
			failure.Version = x.text()
		case rawjson.Is(key, "last_update_attempt"):
			failure.At = x.timestamp()
		default:
			x.scan.Skip()
		}
	}
	if len(x.resources) == before {
		if x.scan.Err() != nil {
			return // cut off before anything was said
		}
		x.record(list, span{start: start}, base, i, tail)
	}
	for _, r := range x.resources[before:] {
		r.Error, r.Version = failure, failure.Version
	}
}

// bind gives the resources their contents and sorts them into the config. It
// reports whether buf must be kept, see [store.intern].
func (x *index) bind(contents *store) (kept bool) {
	kept = contents.intern(x.buf, x.spans, x.fields)
	for i, r := range x.resources {
		r.Content = x.spans[i].content
		x.place(r)
	}
	x.config.Listeners = foldRejected(x.config.Listeners)
	return kept
}

func (x *index) place(r *mesh.Resource) {
	c := &x.config
	switch r.Kind {
	case mesh.Bootstrap:
		c.Bootstrap = r
	case mesh.Cluster:
		c.Clusters = append(c.Clusters, r)
	case mesh.Listener:
		c.Listeners = append(c.Listeners, r)
	case mesh.Route:
		c.Routes = append(c.Routes, r)
	case mesh.ScopedRoute:
		c.ScopedRoutes = append(c.ScopedRoutes, r)
	case mesh.Endpoint:
		c.Endpoints = append(c.Endpoints, r)
	case mesh.Secret:
		c.Secrets = append(c.Secrets, r)
	case mesh.Extension:
		c.Extensions = append(c.Extensions, r)
	}
}

// foldRejected drops the second report of a rejected listener: Envoy lists it
// by name and once more in an entry without a name.
func foldRejected(listeners []*mesh.Resource) []*mesh.Resource {
	named := map[string]bool{}
	for _, r := range listeners {
		if r.State == mesh.Rejected && r.Owner != "" {
			named[r.Owner+"\x00"+r.Error.Details] = true
		}
	}
	out := listeners[:0]
	for _, r := range listeners {
		if r.State == mesh.Rejected && r.Owner == "" && named[r.Name()+"\x00"+r.Error.Details] {
			continue
		}
		out = append(out, r)
	}
	return out
}

func itoa(i int) string { return strconv.Itoa(i) }

// escapePointer escapes a key for a JSON pointer.
func escapePointer(key []byte) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(string(key))
}

// cutPointer splits the last step, an index, off a JSON pointer.
func cutPointer(pointer string) (base string, i int) {
	at := strings.LastIndexByte(pointer, '/')
	i, err := strconv.Atoi(pointer[at+1:])
	if err != nil {
		return pointer, -1
	}
	return pointer[:at], i
}
