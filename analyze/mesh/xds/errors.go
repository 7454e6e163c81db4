package xds

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// placeError is an error at a JSON path, which grows at its front as the error travels up.
type placeError struct {
	path, reason string
}

func (e *placeError) Error() string {
	if e.path == "" {
		return e.reason
	}
	return e.path + ": " + e.reason
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// at says that err happened in the member key.
func at(key string, err error) error {
	if !plainKey.MatchString(key) {
		return prefix(fmt.Sprintf("[%q]", key), err)
	}
	return prefix(key, err)
}

// atIndex says that err happened in the i-th element.
func atIndex(i int, err error) error {
	return prefix(fmt.Sprintf("[%d]", i), err)
}

func prefix(step string, err error) error {
	var place *placeError
	if !errors.As(err, &place) {
		return &placeError{step, err.Error()}
	}
	if place.path == "" || place.path[0] == '[' {
		return &placeError{step + place.path, place.reason}
	}
	return &placeError{step + "." + place.path, place.reason}
}

// expected is the error of a value of the wrong shape.
func expected(what string, got any) error {
	return &placeError{reason: "expected " + what + ", got " + describe(got)}
}

// describe names a JSON value in an error.
func describe(v any) string {
	const most = 40
	switch v := v.(type) {
	case nil:
		return "null"
	case object:
		return "an object"
	case []any:
		return "a list"
	case string:
		if runes := []rune(v); len(runes) > most {
			v = string(runes[:most]) + "..."
		}
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}

// locate finds the place in the JSON of an Any that makes protojson refuse the whole with cause.
func locate(v any, cause error) error {
	if err := locateAny(v); err != nil {
		return err
	}
	return fmt.Errorf("expected the JSON of a protobuf message: %w", cause)
}

func locateAny(v any) error {
	o, _ := v.(object)
	url, _ := o["@type"].(string)
	t, err := messageType(url)
	if err != nil {
		return expected("an object with an @type", v)
	}
	if hasCustomJSON(t.Descriptor().FullName()) {
		return at("value", expected(string(t.Descriptor().FullName()), o["value"]))
	}
	return locateMessage(t.Descriptor(), o)
}

// locateMessage goes down into the first member that does not decode.
func locateMessage(md protoreflect.MessageDescriptor, o object) error {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		fd := md.Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			continue
		}
		if err := locateField(fd, o[name]); err != nil {
			return at(name, err)
		}
	}
	return &placeError{reason: "expected at most one member of each oneof of " + string(md.FullName())}
}

func locateField(fd protoreflect.FieldDescriptor, v any) error {
	if fd.IsMap() {
		o, _ := v.(object)
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if err := locateValue(fd.MapValue(), o[key]); err != nil {
				return at(key, err)
			}
		}
		return nil
	}
	if !fd.IsList() {
		return locateValue(fd, v)
	}
	elements, _ := v.([]any)
	for i, element := range elements {
		if err := locateValue(fd, element); err != nil {
			return atIndex(i, err)
		}
	}
	return nil
}

func locateValue(fd protoreflect.FieldDescriptor, v any) error {
	if fits(fd, v) {
		return nil
	}
	md := fd.Message()
	if md != nil && md.FullName() == "google.protobuf.Any" {
		return locateAny(v)
	}
	if o, ok := v.(object); ok && md != nil && !hasCustomJSON(md.FullName()) {
		return locateMessage(md, o)
	}
	return expected(typeOf(fd), v)
}

// fits reports whether v alone decodes as a value of the field.
func fits(fd protoreflect.FieldDescriptor, v any) bool {
	if fd.IsList() {
		v = []any{v}
	}
	body, err := json.Marshal(object{string(fd.Name()): v})
	return err == nil && strict.Unmarshal(body, dynamicpb.NewMessage(fd.ContainingMessage())) == nil
}

func typeOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return string(fd.Message().FullName())
	case fd.Enum() != nil:
		return string(fd.Enum().FullName())
	}
	return fd.Kind().String()
}
