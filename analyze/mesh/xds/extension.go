package xds

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
)

// legacyNames are the extension names that Envoy deprecated, without `tls` and `raw_buffer`: those are
// everybody's words, and recognized only in a resource that is legacy anyway.
var legacyNames = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	for _, point := range extensionPoints {
		for _, row := range point.rows {
			if strings.HasPrefix(row.legacyName, "envoy.") {
				names[row.legacyName] = true
			}
		}
	}
	return names
})

// isLegacyWord recognizes the strings that v3 accepts although v2 may have meant something else.
func isLegacyWord(word []byte) bool {
	switch string(word) {
	case "deprecated_v1", "deprecatedV1", "host_rewrite", "hostRewrite":
		return true
	}
	return bytes.HasPrefix(word, []byte("envoy.")) && legacyNames()[string(word)]
}

// find gives the row of the extension with that name, canonical or legacy.
func (p extensionPoint) find(name string) (row extension, ok bool) {
	if name == "" {
		return extension{}, false
	}
	canonical, _ := strings.CutPrefix(name, p.names)
	i := slices.IndexFunc(p.rows, func(row extension) bool {
		return row.legacyName == name || row.name == canonical && canonical != name
	})
	if i < 0 {
		return extension{}, false
	}
	return p.rows[i], true
}

// configure moves the `config` Struct of an extension to its typed_config and makes its name canonical.
// An extension that a legacy name stood for alone gets its empty configuration, as Envoy gave it.
// `tls` beside a v3 type is not legacy: in v3 names are free.
func (p extensionPoint) configure(o, gone object) {
	name, _ := o["name"].(string)
	if name == "" {
		name, _ = o["provider_name"].(string)
	}
	row, ok := p.find(name)
	if ok && row.legacyName == name && (strings.HasPrefix(name, "envoy.") || !isTypedV3(o["typed_config"])) {
		o["name"] = p.names + row.name
	}
	if o["typed_config"] != nil || o["config_discovery"] != nil {
		return
	}
	config, present := gone["config"].(object)
	config = fromV1(config)
	switch {
	case len(list(child(config, "deprecated_v1"), "routes")) > 1: // by address and port: no form in v3
		o["typed_config"] = typedStruct(name, config)
	case row.typeName != "" && (present || row.legacyName == name):
		o["typed_config"] = typed(p.types+row.typeName, config)
	case present:
		o["typed_config"] = typedStruct(name, config)
	}
}

// isTypedV3 reports whether the JSON of an Any names a type that is not superseded.
func isTypedV3(v any) bool {
	o, _ := v.(object)
	url, _ := o["@type"].(string)
	return url != "" && successor(typeName(url)) == nil
}

// perRoute moves per_filter_config, Structs by filter name, to typed_per_filter_config.
func perRoute(o, gone object) {
	configs := object{}
	typedConfigs, _ := o["typed_per_filter_config"].(object)
	for _, name := range slices.Sorted(maps.Keys(typedConfigs)) { // both names of one filter: the canonical one wins
		configs[canonicalHTTPFilter(name)] = typedConfigs[name]
	}
	structs, _ := gone["per_filter_config"].(object)
	for _, name := range slices.Sorted(maps.Keys(structs)) {
		config, ok := structs[name].(object)
		row, known := httpFilters.find(name)
		switch {
		case !ok:
			continue
		case known && row.perRoute != "":
			configs[httpFilters.names+row.name] = typed(httpFilters.types+row.perRoute, config)
		default:
			configs[canonicalHTTPFilter(name)] = typedStruct(name, config)
		}
	}
	if len(configs) > 0 {
		o["typed_per_filter_config"] = configs
	}
}

func canonicalHTTPFilter(name string) string {
	if row, ok := httpFilters.find(name); ok {
		return httpFilters.names + row.name
	}
	return name
}

// fromV1 unwraps the JSON that Envoy's v1 API left in the filters of v2: {"deprecated_v1": true, "value": ...}.
func fromV1(config object) object {
	value, ok := config["value"].(object)
	if config["deprecated_v1"] != true || !ok {
		return config
	}
	value = maps.Clone(value)
	if routes, ok := value["route_config"]; ok {
		value["deprecated_v1"] = routes // where v2's TcpProxy kept them
		delete(value, "route_config")
	}
	return value
}

// typed is the JSON of an Any.
func typed(typeName string, config object) object {
	o := object{}
	maps.Copy(o, config)
	o["@type"] = "type.googleapis.com/" + typeName
	return o
}

// typedStruct is the JSON of an Any that keeps what no linked-in type describes.
func typedStruct(typeName string, content object) object {
	return object{"@type": typedStructURL, "type_url": "type.googleapis.com/" + typeName, "value": content}
}
