package loader

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// parseObjects reads Kubernetes objects: single ones, Lists, several YAML or JSON
// documents, and the array of istiod's debug/configz. Numbers are float64, as in
// encoding/json. Objects that are damaged are left out and told of in the error.
func parseObjects(raw []byte) ([]mesh.Object, error) {
	var r objectReader
	switch firstByte(bytes.TrimSpace(raw)) {
	case '{', '[':
		r.readJSON(raw)
	default:
		r.readYAML(raw)
	}
	return r.objects, r.err()
}

// objectReader collects objects, and counts what it could not read.
type objectReader struct {
	objects []mesh.Object
	broken  int
	// firstErr and firstLine tell of the first that is broken.
	firstErr  error
	firstLine int
}

// typeMeta is the type of a list, which its items may leave out.
type typeMeta struct{ apiVersion, kind string }

func (r *objectReader) fail(line int, err error) {
	if r.broken == 0 {
		r.firstErr, r.firstLine = err, line
	}
	r.broken++
}

func (r *objectReader) err() error {
	if r.broken == 0 {
		return nil
	}
	return fmt.Errorf("left out %d damaged objects of %d; the first begins at line %d: %w",
		r.broken, r.broken+len(r.objects), r.firstLine, r.firstErr)
}

var errNoObject = errors.New("expected a Kubernetes object, a mapping with apiVersion and kind")

// add takes in one decoded document or item. line is 0 where it is not known.
func (r *objectReader) add(value any, line int, list typeMeta) {
	fields, ok := value.(map[string]any)
	if !ok || len(fields) == 0 {
		if value != nil && !ok {
			r.fail(line, errNoObject)
		}
		return // an empty document, or the "{}" that ends lists of old istiods
	}
	fields = fromModelConfig(fields)
	meta := typeMeta{text(fields, "apiVersion"), text(fields, "kind")}
	if items, ok := fields["items"].([]any); ok && strings.HasSuffix(meta.kind, "List") {
		for _, item := range items {
			r.add(item, 0, meta)
		}
		return
	}
	if kind, ok := strings.CutSuffix(list.kind, "List"); ok && kind != "" && meta.kind == "" {
		meta = typeMeta{list.apiVersion, kind}
	}
	if meta.kind == "" {
		r.fail(line, errNoObject)
		return
	}
	metadata, _ := fields["metadata"].(map[string]any)
	r.objects = append(r.objects, mesh.Object{
		APIVersion: meta.apiVersion, Kind: meta.kind,
		Namespace: text(metadata, "namespace"), Name: text(metadata, "name"),
		Fields: fields, Line: line,
	})
}

func text(fields map[string]any, key string) string {
	value, _ := fields[key].(string)
	return value
}

// fromModelConfig gives an element of configz before Istio 1.5, {"type",
// "group", "version", "name", ..., "Spec"}, the form of a Kubernetes object.
func fromModelConfig(fields map[string]any) map[string]any {
	kind, group, version := text(fields, "type"), text(fields, "group"), text(fields, "version")
	if kind == "" || version == "" || fields["kind"] != nil {
		return fields
	}
	if !strings.Contains(group, ".") {
		group += ".istio.io"
	}
	metadata := map[string]any{}
	for _, key := range []string{"name", "namespace", "labels", "annotations", "resourceVersion", "creationTimestamp"} {
		if value, ok := fields[key]; ok {
			metadata[key] = value
		}
	}
	spec := fields["Spec"]
	if spec == nil {
		spec = fields["spec"]
	}
	return map[string]any{
		"apiVersion": group + "/" + version, "kind": camelKind(kind), "metadata": metadata, "spec": spec,
	}
}

// camelKind turns the type "virtual-service" into the kind "VirtualService".
func camelKind(kind string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(kind, "-") {
		switch word {
		case "":
		case "http", "api":
			out.WriteString(strings.ToUpper(word))
		default:
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String()
}
