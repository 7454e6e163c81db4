package drift

import (
	"google.golang.org/protobuf/types/known/structpb"
)

// camelKeys renames the fields in the content of a type that is not linked in to
// camelCase: Envoy wrote it in snake_case, istiod in camelCase. Keys that both
// spellings of one object would share stay as they are.
func camelKeys(s *structpb.Struct) {
	renamed := make(map[string]*structpb.Value, len(s.GetFields()))
	for key, value := range s.GetFields() {
		camelValue(value)
		renamed[camel(key)] = value
	}
	if len(renamed) > 0 && len(renamed) == len(s.GetFields()) {
		s.Fields = renamed
	}
}

func camelValue(v *structpb.Value) {
	if inner := v.GetStructValue(); inner != nil {
		camelKeys(inner)
	}
	for _, element := range v.GetListValue().GetValues() {
		camelValue(element)
	}
}

// camel is the JSON name of a proto field; a key that cannot be a field's name,
// as those of maps, stays as it is.
func camel(key string) string {
	out := make([]byte, 0, len(key))
	upper := false
	for i := range len(key) {
		c := key[i]
		switch {
		case c == '_' && i > 0:
			upper = true
			continue
		case c >= 'a' && c <= 'z' && upper:
			c -= 'a' - 'A'
		case (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9'):
			return key
		}
		upper = false
		out = append(out, c)
	}
	return string(out)
}
