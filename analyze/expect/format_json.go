package expect

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
)

// maxFormatDepth bounds the objects in each other of a format dictionary.
const maxFormatDepth = 16

// jsonFormat is a format dictionary: the format of each value by its key.
type jsonFormat struct {
	keys []jsonKey // sorted by name
}

type jsonKey struct {
	name string
	// One of the two is set.
	text   *textFormat
	object *jsonFormat
}

// CompileJSONFormat returns the reader of a format dictionary, as in
// envoy.config.core.v3.SubstitutionFormatString.json_format.
func CompileJSONFormat(dictionary *structpb.Struct) (*Format, error) {
	compiled, err := compileJSON(dictionary, maxFormatDepth)
	if err != nil {
		return nil, fmt.Errorf("reading a JSON access log format: %w", err)
	}
	operators := compiled.operators()
	if len(operators) == 0 {
		return nil, errors.New("reading a JSON access log format: expected values with command operators such as %RESPONSE_CODE%")
	}
	return &Format{Name: "JSON format", Notes: notesOn(operators), json: compiled}, nil
}

func compileJSON(dictionary *structpb.Struct, depth int) (*jsonFormat, error) {
	if depth == 0 {
		return nil, fmt.Errorf("expected at most %d objects in each other", maxFormatDepth)
	}
	f := &jsonFormat{}
	for _, name := range slices.Sorted(maps.Keys(dictionary.GetFields())) {
		key := jsonKey{name: name}
		var err error
		switch kind := dictionary.GetFields()[name].GetKind().(type) {
		case *structpb.Value_StringValue:
			key.text, err = compileText(strings.TrimSpace(kind.StringValue))
		case *structpb.Value_StructValue:
			key.object, err = compileJSON(kind.StructValue, depth-1)
		default:
			continue // a constant tells nothing about a request
		}
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		f.keys = append(f.keys, key)
	}
	return f, nil
}

func (f *jsonFormat) operators() []operator {
	var out []operator
	for _, key := range f.keys {
		if key.object != nil {
			out = append(out, key.object.operators()...)
			continue
		}
		out = append(out, key.text.operators()...)
	}
	return out
}

// read puts the values of a line into r. The line is of the format where it has
// most of its keys: those without a value may be left out.
func (f *jsonFormat) read(object map[string]any, r *record) bool {
	if !f.fits(object) {
		return false
	}
	return f.readObject(object, r)
}

func (f *jsonFormat) fits(object map[string]any) bool {
	present := 0
	for _, key := range f.keys {
		if _, ok := object[key.name]; ok {
			present++
		}
	}
	return 2*present > len(f.keys)
}

func (f *jsonFormat) readObject(object map[string]any, r *record) bool {
	for _, key := range f.keys {
		value := object[key.name]
		if key.object != nil {
			inner, _ := value.(map[string]any)
			if !key.object.readObject(inner, r) {
				return false
			}
			continue
		}
		if !key.text.readValue(value, r) {
			return false
		}
	}
	return true
}

// readValue puts a JSON value into r; an absent one says that the field is known
// to be absent.
func (t *textFormat) readValue(value any, r *record) bool {
	text, ok := scalar(value)
	if ok && text != "" && text != "-" {
		return t.read(text, r)
	}
	for _, v := range t.values {
		r.set(v.operator, "")
	}
	return true
}

// scalar is the text of a string, a number or a boolean.
func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

// jsonObject reads a line that is one JSON object.
func jsonObject(line string) (map[string]any, bool) {
	if !strings.HasPrefix(line, "{") {
		return nil, false
	}
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil || decoder.More() {
		return nil, false
	}
	return object, true
}
