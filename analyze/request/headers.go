package request

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Header is one header line.
type Header struct{ Name, Value string }

// Headers are header lines in the order of the wire. In JSON they are an object
// whose values are a string, or a list of strings for a header that repeats.
type Headers []Header

// Values returns the values of a header in their order; the name is compared
// without case.
func (h Headers) Values(name string) []string {
	var values []string
	for _, header := range h {
		if strings.EqualFold(header.Name, name) {
			values = append(values, header.Value)
		}
	}
	return values
}

// Get returns the value of a header, several lines joined with a comma, and whether
// there is one.
func (h Headers) Get(name string) (value string, found bool) {
	for _, header := range h {
		if !strings.EqualFold(header.Name, name) {
			continue
		}
		if found {
			value += "," + header.Value
			continue
		}
		value, found = header.Value, true
	}
	return value, found
}

// Has reports whether there is a header of this name.
func (h Headers) Has(name string) bool {
	return slices.ContainsFunc(h, func(header Header) bool { return strings.EqualFold(header.Name, name) })
}

// Set returns the headers with all lines of a name replaced by one.
func (h Headers) Set(name, value string) Headers {
	return append(h.Without(name), Header{Name: name, Value: value})
}

// Without returns the headers without those of a name. The receiver stays as it is.
func (h Headers) Without(name string) Headers {
	out := make(Headers, 0, len(h)+1)
	for _, header := range h {
		if !strings.EqualFold(header.Name, name) {
			out = append(out, header)
		}
	}
	return out
}

// MarshalJSON writes the headers in order, lines of one name together.
func (h Headers) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	done := map[string]bool{}
	for _, header := range h {
		name := strings.ToLower(header.Name)
		if done[name] {
			continue
		}
		if len(done) > 0 {
			out.WriteByte(',')
		}
		done[name] = true
		var value any = header.Value
		if values := h.Values(name); len(values) > 1 {
			value = values
		}
		if err := writeMember(&out, header.Name, value); err != nil {
			return nil, err
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

func writeMember(out *bytes.Buffer, name string, value any) error {
	key, err := json.Marshal(name)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	out.Write(key)
	out.WriteByte(':')
	out.Write(text)
	return nil
}

// UnmarshalJSON reads an object of strings and lists of strings, in its order.
func (h *Headers) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token == nil {
		*h = nil
		return nil
	}
	if token != json.Delim('{') {
		return fmt.Errorf("headers: expected an object of names and values")
	}
	var headers Headers
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		var value any
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		values, err := headerValues(name, value)
		if err != nil {
			return err
		}
		for _, v := range values {
			headers = append(headers, Header{Name: name, Value: v})
		}
	}
	*h = headers
	return nil
}

func headerValues(name string, value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case []any:
		var values []string
		for _, element := range v {
			s, ok := element.(string)
			if !ok {
				return nil, fmt.Errorf("header %q: expected a string or a list of strings", name)
			}
			values = append(values, s)
		}
		return values, nil
	}
	return nil, fmt.Errorf("header %q: expected a string or a list of strings", name)
}
