package rules

import (
	"maps"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// offFilter is an HTTP filter that is disabled unless an override is there for it.
type offFilter struct {
	manager *hcmv3.HttpConnectionManager
	name    string
	references
}

// override is what a typed_per_filter_config makes of an HTTP filter that it leaves
// on, with what this refers to.
type override struct {
	// table is the route configuration that it stands in.
	table *routev3.RouteConfiguration
	// filter is the filter's name; Envoy ignores the override of one that is not there.
	filter string
	references
}

// httpFilters visits the HTTP filters of the chain, and those that are off apart.
func (w *walker) httpFilters(path string, as use, depth int) {
	for _, f := range w.at.http {
		if !f.Disabled {
			w.filter(f, path+"/"+f.Name, as, depth+1)
			continue
		}
		off := &walker{}
		off.filter(f, path+"/"+f.Name, as, depth+1)
		off.found.sort()
		w.found.off = append(w.found.off, &offFilter{w.at.manager, f.Name, off.found})
	}
}

// overrides collects the overrides of one route configuration, virtual host, route or
// weighted cluster. What they refer to gets the place at.
func (w *walker) overrides(configs map[string]*anypb.Any, at reference) {
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		config, disabled := perRoute(name, configs[name])
		if disabled {
			continue
		}
		own := &walker{}
		if config != nil {
			own.walk(config.ProtoReflect(), at.path, useCall, 0)
			own.found.sort()
		}
		for i, called := range own.found.clusters {
			own.found.clusters[i] = at
			own.found.clusters[i].cluster, own.found.clusters[i].use = called.cluster, called.use
		}
		w.found.overrides = append(w.found.overrides, override{w.table, name, own.found})
	}
}

// perRoute unpacks an entry of a typed_per_filter_config, which a FilterConfig may wrap.
func perRoute(name string, packed *anypb.Any) (config proto.Message, disabled bool) {
	config = mesh.Unpack(name, packed).Config
	if wrapped, ok := config.(*routev3.FilterConfig); ok {
		return mesh.Unpack(name, wrapped.GetConfig()).Config, wrapped.GetDisabled()
	}
	return config, false
}

// filterReferences adds what the overrides of a table refer to, and what the filters
// do that they enable.
func (t *routeTable) filterReferences(pass *analyze.Pass, enabled map[*offFilter]bool, add func(*mesh.Resource, *references)) {
	overrides := referencesOf(pass, t.in).overrides
	for i := range overrides {
		o := &overrides[i]
		if o.table != t.config {
			continue // of another filter chain of the listener
		}
		if slices.ContainsFunc(t.managers, func(m connectionManager) bool { return m.hasFilter(o.filter) }) {
			add(t.in, &o.references)
		}
		if len(o.clusters) > 0 {
			continue // its service takes the place of the filter's own
		}
		for _, m := range t.managers {
			for _, f := range referencesOf(pass, m.listener).off {
				if f.manager == m.config && f.name == o.filter && !enabled[f] {
					enabled[f] = true
					add(m.listener, &f.references)
				}
			}
		}
	}
}

func (m *connectionManager) hasFilter(name string) bool {
	return slices.ContainsFunc(m.chain.http, func(f mesh.Filter) bool { return f.Name == name })
}
