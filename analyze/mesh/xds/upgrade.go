package xds

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// object is a JSON object; the keys of one that stands for a message are the proto field names once upgraded.
type object = map[string]any

// upgradeAny rewrites the JSON form of an Any, and all that is inside, to v3.
func upgradeAny(v any) (any, error) {
	o, ok := v.(object)
	if !ok {
		return nil, expected("an object with an @type", v)
	}
	if len(o) == 0 {
		return o, nil
	}
	url, _ := o["@type"].(string)
	content := maps.Clone(o)
	delete(content, "@type")
	t, err := messageType(url)
	if err != nil {
		return object{"@type": typedStructURL, "type_url": url, "value": content}, nil
	}
	md := t.Descriptor()
	if hasCustomJSON(md.FullName()) {
		inner, err := upgradeMessage(md, content["value"])
		if err != nil {
			return nil, at("value", err)
		}
		return object{"@type": url, "value": inner}, nil
	}
	upgraded, err := upgradeMessage(md, content)
	if err != nil {
		return nil, err
	}
	o = upgraded.(object)
	o["@type"] = url
	if typeName(url) != md.FullName() {
		o["@type"] = urlOf(md.FullName())
	}
	return o, nil
}

// upgradeMessage rewrites the JSON of a message, which may be v2's, to what md defines.
func upgradeMessage(md protoreflect.MessageDescriptor, v any) (any, error) {
	switch {
	case md.FullName() == "google.protobuf.Any":
		return upgradeAny(v)
	case md.FullName() == "google.protobuf.BoolValue":
		return boolValue(v), nil
	case md.FullName() == "google.protobuf.BytesValue":
		return bytesText(v), nil
	case hasCustomJSON(md.FullName()):
		return v, nil
	}
	o, ok := v.(object)
	if !ok {
		return nil, expected("an object ("+string(md.FullName())+")", v)
	}
	o, gone := sortFields(md, o)
	carry(md.FullName(), o, gone)
	for _, name := range slices.Sorted(maps.Keys(o)) {
		value, err := upgradeField(md.Fields().ByName(protoreflect.Name(name)), o[name])
		if err != nil {
			return nil, at(name, err)
		}
		if o[name] = value; value == nil {
			delete(o, name)
		}
	}
	return o, nil
}

// sortFields gives the members of o their v3 names and sets aside, under their v2 names, those that
// v3 dropped, and as they are those of neither generation: a newer Envoy's, or of v2's first days.
func sortFields(md protoreflect.MessageDescriptor, o object) (kept, gone object) {
	kept, gone = object{}, object{}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if o[key] == nil {
			continue
		}
		if fd := fieldOf(md, key); fd != nil {
			kept[string(fd.Name())] = o[key]
			continue
		}
		old := previousField(md, key)
		if old == nil {
			gone[key] = o[key]
			continue
		}
		if fd := md.Fields().ByNumber(old.Number()); fd != nil {
			kept[string(fd.Name())] = o[key]
			continue
		}
		gone[string(old.Name())] = o[key]
	}
	return kept, gone
}

// previousField finds the field of the v2 message before md that key stands for.
func previousField(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	previous := predecessor(md.FullName())
	if previous == nil {
		return nil
	}
	return fieldOf(previous, key)
}

// fieldOf finds the field that key stands for in any spelling.
func fieldOf(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	fields := md.Fields()
	if fd := fields.ByJSONName(key); fd != nil {
		return fd
	}
	if fd := fields.ByTextName(key); fd != nil {
		return fd
	}
	if rest, ok := strings.CutPrefix(key, "hidden_envoy_deprecated_"); ok {
		return fields.ByTextName(rest)
	}
	if rest, ok := strings.CutPrefix(key, "hiddenEnvoyDeprecated"); ok && rest != "" {
		return fields.ByJSONName(strings.ToLower(rest[:1]) + rest[1:])
	}
	return nil
}

// upgradeField returns nil for a value that leaves the field unset.
func upgradeField(fd protoreflect.FieldDescriptor, v any) (any, error) {
	switch {
	case v == nil:
		return nil, nil
	case fd.IsMap():
		o, ok := v.(object)
		if !ok {
			return nil, expected("an object", v)
		}
		return upgradeMap(fd.MapValue(), o)
	case fd.IsList():
		list, ok := v.([]any)
		if !ok {
			list = []any{v} // as C++ protobuf reads it; Istio's bootstrap template relied on that up to 1.5
		}
		return upgradeList(fd, list)
	}
	return upgradeValue(fd, v)
}

func upgradeMap(fd protoreflect.FieldDescriptor, o object) (any, error) {
	upgraded := make(object, len(o))
	for _, key := range slices.Sorted(maps.Keys(o)) {
		value, err := upgradeValue(fd, o[key])
		if err != nil {
			return nil, at(key, err)
		}
		if value != nil {
			upgraded[key] = value
		}
	}
	return upgraded, nil
}

func upgradeList(fd protoreflect.FieldDescriptor, list []any) (any, error) {
	upgraded := make([]any, 0, len(list))
	for i, v := range list {
		value, err := upgradeValue(fd, v)
		if err != nil {
			return nil, atIndex(i, err)
		}
		if value != nil {
			upgraded = append(upgraded, value)
		}
	}
	return upgraded, nil
}

func upgradeValue(fd protoreflect.FieldDescriptor, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return upgradeMessage(fd.Message(), v)
	case protoreflect.EnumKind:
		return enumValue(fd.Enum(), v), nil
	case protoreflect.BytesKind:
		return bytesText(v), nil
	case protoreflect.BoolKind:
		return boolValue(v), nil
	}
	return v, nil
}

// boolValue reads a quoted bool as C++ protobuf does; Istio's bootstrap template relied on that, too.
func boolValue(v any) any {
	switch v {
	case "true":
		return true
	case "false":
		return false
	}
	return v
}

// renamedEnumValues are the values that v3 calls differently.
var renamedEnumValues = map[protoreflect.FullName]map[string]string{
	"envoy.config.cluster.v3.Cluster.LbPolicy":                       {"ORIGINAL_DST_LB": "CLUSTER_PROVIDED"},
	"envoy.config.listener.v3.FilterChainMatch.ConnectionSourceType": {"LOCAL": "SAME_IP_OR_LOOPBACK"},
}

// enumValue is nil for a name that this build does not know: better the field unset than the resource lost.
func enumValue(ed protoreflect.EnumDescriptor, v any) any {
	name, ok := v.(string)
	if !ok || ed.Values().ByName(protoreflect.Name(name)) != nil {
		return v
	}
	if renamed, ok := renamedEnumValues[ed.FullName()][name]; ok {
		return renamed
	}
	return nil
}

// bytesText makes a text that is not base64, by protojson's rules, stand for itself.
func bytesText(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	encoding := base64.StdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.URLEncoding
	}
	if len(text)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	if _, err := encoding.DecodeString(text); err == nil {
		return v
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}
