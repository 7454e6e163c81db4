package loader

import (
	"bytes"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// index is what one pass over a config_dump finds: where every resource stands,
// and what the dump says around it. Nothing is decoded.
type index struct {
	file string
	buf  []byte
	scan *rawjson.Scanner

	config    mesh.Config
	resources []*mesh.Resource // parallel to spans until bind
	spans     []span
	fields    []mesh.Field // of all spans, in turn
	// newest is the newest timestamp in the dump.
	newest time.Time
	// asked is set where entries stand alone, as Envoy answers to ?resource=.
	asked bool
	// inside and insideName tell the resource that is being read, for the report
	// of a cut; inside is empty between resources.
	inside     mesh.ResourceKind
	insideName string

	line, lineAt int // lines are counted up to lineAt
	// texts holds strings that recur: types, versions, steps of pointers.
	texts map[string]string
	slab  []mesh.Resource
}

// resourcesAtOnce is how many resources are set aside together.
const resourcesAtOnce = 256

// textsHeld bounds the strings that are kept for being met again.
const textsHeld = 4096

// entryList says what the entries of one list of a config_dump section are.
type entryList struct {
	field string // snake_case
	kind  mesh.ResourceKind
	// content is the field of an entry that holds the resource.
	content string
	origin  mesh.Origin
	state   mesh.State
}

var entryLists = []entryList{
	{"static_clusters", mesh.Cluster, "cluster", mesh.Static, mesh.Active},
	{"dynamic_active_clusters", mesh.Cluster, "cluster", mesh.Dynamic, mesh.Active},
	{"dynamic_warming_clusters", mesh.Cluster, "cluster", mesh.Dynamic, mesh.Warming},
	{"static_listeners", mesh.Listener, "listener", mesh.Static, mesh.Active},
	{"dynamic_listeners", mesh.Listener, "listener", mesh.Dynamic, mesh.Active},
	{"dynamic_active_listeners", mesh.Listener, "listener", mesh.Dynamic, mesh.Active},
	{"dynamic_warming_listeners", mesh.Listener, "listener", mesh.Dynamic, mesh.Warming},
	{"dynamic_draining_listeners", mesh.Listener, "listener", mesh.Dynamic, mesh.Draining},
	{"static_route_configs", mesh.Route, "route_config", mesh.Static, mesh.Active},
	{"dynamic_route_configs", mesh.Route, "route_config", mesh.Dynamic, mesh.Active},
	{"inline_scoped_route_configs", mesh.ScopedRoute, "scoped_route_configs", mesh.Static, mesh.Active},
	{"dynamic_scoped_route_configs", mesh.ScopedRoute, "scoped_route_configs", mesh.Dynamic, mesh.Active},
	{"static_endpoint_configs", mesh.Endpoint, "endpoint_config", mesh.Static, mesh.Active},
	{"dynamic_endpoint_configs", mesh.Endpoint, "endpoint_config", mesh.Dynamic, mesh.Active},
	{"static_secrets", mesh.Secret, "secret", mesh.Static, mesh.Active},
	{"dynamic_active_secrets", mesh.Secret, "secret", mesh.Dynamic, mesh.Active},
	{"dynamic_warming_secrets", mesh.Secret, "secret", mesh.Dynamic, mesh.Warming},
	{"ecds_filters", mesh.Extension, "ecds_filter", mesh.Dynamic, mesh.Active},
}

// sectionKinds tells the kind of a section by the last word of its type, for
// sections without entries.
var sectionKinds = map[string]mesh.ResourceKind{
	"BootstrapConfigDump":    mesh.Bootstrap,
	"ClustersConfigDump":     mesh.Cluster,
	"ListenersConfigDump":    mesh.Listener,
	"RoutesConfigDump":       mesh.Route,
	"ScopedRoutesConfigDump": mesh.ScopedRoute,
	"EndpointsConfigDump":    mesh.Endpoint,
	"SecretsConfigDump":      mesh.Secret,
	"EcdsConfigDump":         mesh.Extension,
}

// bareEntries are the types that stand alone in configs where the dump was
// asked for one list only (/config_dump?resource=dynamic_active_clusters).
var bareEntries = map[string]string{
	"ClustersConfigDump.StaticCluster":                 "static_clusters",
	"ClustersConfigDump.DynamicCluster":                "dynamic_active_clusters",
	"ListenersConfigDump.StaticListener":               "static_listeners",
	"ListenersConfigDump.DynamicListener":              "dynamic_listeners",
	"RoutesConfigDump.StaticRouteConfig":               "static_route_configs",
	"RoutesConfigDump.DynamicRouteConfig":              "dynamic_route_configs",
	"ScopedRoutesConfigDump.InlineScopedRouteConfigs":  "inline_scoped_route_configs",
	"ScopedRoutesConfigDump.DynamicScopedRouteConfigs": "dynamic_scoped_route_configs",
	"EndpointsConfigDump.StaticEndpointConfig":         "static_endpoint_configs",
	"EndpointsConfigDump.DynamicEndpointConfig":        "dynamic_endpoint_configs",
	"SecretsConfigDump.StaticSecret":                   "static_secrets",
	"SecretsConfigDump.DynamicSecret":                  "dynamic_active_secrets",
	"EcdsConfigDump.EcdsFilterConfig":                  "ecds_filters",
}

func newIndex(file string, buf []byte, at int) *index {
	return &index{file: file, buf: buf, scan: rawjson.NewHopping(buf, at), line: 1, texts: map[string]string{}}
}

// dump reads {"configs": ...}. The error is that of the scanner: what was found
// before it is in the index.
func (x *index) dump(pointer string) error {
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			return x.scan.Err()
		}
		if string(key) != "configs" {
			x.scan.Skip()
			continue
		}
		x.configs(pointer + "/configs")
	}
}

// configs reads the sections: a list, or the map of 2018.
func (x *index) configs(pointer string) {
	if x.scan.Kind() == '{' {
		for x.scan.Object(); ; {
			key, ok := x.scan.Key()
			if !ok {
				return
			}
			x.section(pointer + "/" + escapePointer(key))
		}
	}
	i := 0
	for x.scan.Array(); x.scan.Element(); i++ {
		x.section(pointer + "/" + itoa(i))
	}
}

// section reads one *ConfigDump, or a resource or entry that stands in its place.
func (x *index) section(pointer string) {
	if x.scan.Kind() != '{' {
		x.scan.Skip()
		return
	}
	start := x.scan.Offset()
	section := mesh.Section{Source: x.source(start, pointer, -1, "")}
	before := len(x.resources)
	for x.scan.Object(); ; {
		key, ok := x.scan.Key()
		if !ok {
			break
		}
		switch {
		case string(key) == "@type":
			section.TypeURL = x.text()
			if x.bare(section.TypeURL, start, pointer) {
				return
			}
		case rawjson.Is(key, "version_info"):
			section.Version = x.text()
		case rawjson.Is(key, "last_updated"):
			section.Updated = x.timestamp()
		case string(key) == "bootstrap":
			section.Kind = mesh.Bootstrap
			x.resource(entryList{kind: mesh.Bootstrap, origin: mesh.Static, state: mesh.Active}, pointer, -1, "/bootstrap")
		default:
			x.list(key, pointer, &section)
		}
	}
	if section.Kind == "" {
		section.Kind = sectionKinds[shortType(section.TypeURL)]
	}
	for _, r := range x.resources[before:] {
		if r.Kind == mesh.Bootstrap {
			r.Updated = section.Updated
		}
	}
	section.Count = len(x.resources) - before
	section.Cut = x.scan.Err() != nil
	if section.Kind == "" && x.scan.Err() == nil {
		section.Raw = bytes.Clone(x.buf[start:x.scan.Offset()])
	}
	x.config.Sections = append(x.config.Sections, section)
}

// list reads one list of entries of a section; an unknown member is passed over.
func (x *index) list(key []byte, pointer string, section *mesh.Section) {
	for _, list := range entryLists {
		if !rawjson.Is(key, list.field) {
			continue
		}
		section.Kind = list.kind
		base := pointer + "/" + string(key)
		i := 0
		if x.scan.Kind() != '[' {
			break
		}
		for x.scan.Array(); x.scan.Element(); i++ {
			x.entry(list, base, i)
		}
		return
	}
	x.scan.Skip()
}

// bare reads an element of configs that is an entry or a resource itself, from
// its start again, and reports whether it was one.
func (x *index) bare(typeURL string, start int, pointer string) bool {
	list, ok := bareList(typeURL)
	if !ok {
		return false
	}
	base, at := cutPointer(pointer)
	if x.scan.Hops() {
		x.scan = rawjson.NewHopping(x.buf, start)
	} else {
		x.scan = rawjson.New(x.buf, start)
	}
	x.asked = x.asked || list.content != ""
	section := mesh.Section{TypeURL: typeURL, Kind: list.kind, Count: 1, Source: x.source(start, pointer, -1, "")}
	if list.content == "" {
		x.resource(list, base, at, "")
	} else {
		x.entry(list, base, at)
	}
	x.config.Sections = append(x.config.Sections, section)
	return true
}

// bareList finds the list that an entry of the given type would stand in; for a
// whole resource the list has no content field.
func bareList(typeURL string) (entryList, bool) {
	name := typeURL[strings.LastIndexByte(typeURL, '/')+1:]
	for suffix, field := range bareEntries {
		if strings.HasSuffix(name, suffix) {
			for _, list := range entryLists {
				if list.field == field {
					return list, true
				}
			}
		}
	}
	if kind := kindOfType(typeURL); kind != "" {
		return entryList{kind: kind, origin: mesh.Dynamic, state: mesh.Active}, true
	}
	return entryList{}, false
}

// kindOfType tells the resource kind of a v2 or v3 type URL; "" for others.
func kindOfType(typeURL string) mesh.ResourceKind {
	switch shortType(typeURL) {
	case "Cluster":
		return mesh.Cluster
	case "Listener":
		return mesh.Listener
	case "RouteConfiguration":
		return mesh.Route
	case "ScopedRouteConfiguration":
		return mesh.ScopedRoute
	case "ClusterLoadAssignment":
		return mesh.Endpoint
	case "Secret":
		return mesh.Secret
	case "TypedExtensionConfig":
		return mesh.Extension
	case "Bootstrap":
		return mesh.Bootstrap
	}
	return ""
}

// shortType is the part of a type URL behind the last dot.
func shortType(typeURL string) string { return typeURL[strings.LastIndexByte(typeURL, '.')+1:] }
