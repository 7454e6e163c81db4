package main

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

type row struct {
	Name  string          `json:"name"`
	Count int             `json:"count"`
	Raw   json.RawMessage `json:"raw,omitempty"`
}

func TestWriteJSON(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, []row{{Name: "<a> & b", Count: 2, Raw: json.RawMessage(`{"z":1,"a":[]}`)}}); err != nil {
		t.Fatal(err)
	}
	want := `[
  {
    "name": "<a> & b",
    "count": 2,
    "raw": {
      "z": 1,
      "a": []
    }
  }
]
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	b.Reset()
	if err := writeJSON(&b, json.RawMessage("\"\xff\"")); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "\"\\ufffd\"\n"; got != want {
		t.Errorf("got %q for bytes that are no UTF-8, want %q", got, want)
	}
}

// TestInvisibleRunesAreEscaped checks both encodings: what is written shows, and reads back.
func TestInvisibleRunesAreEscaped(t *testing.T) {
	const hostile = "a\x1b[2J\u009b\u202e\u2066\u200b\U000e0041\u2028\u0085b 東京"
	decoders := map[string]func([]byte, any) error{"json": json.Unmarshal, "yaml": yaml.Unmarshal}
	for name, write := range map[string]func(io.Writer, any) error{"json": writeJSON, "yaml": writeYAML} {
		var b bytes.Buffer
		if err := write(&b, map[string]string{hostile: hostile}); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(b.String(), "\n", ""); !printable(got) {
			t.Errorf("%s: got %q, want printable text", name, got)
		}
		var got map[string]string
		if err := decoders[name](b.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got[hostile] != hostile {
			t.Errorf("%s: got %q, want %q", name, got, hostile)
		}
	}
}

func TestDocument(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want string
		err  string
	}{
		{name: "struct", v: row{Name: "a"}, want: `{"schemaVersion":1,"name":"a","count":0}`},
		{name: "empty object", v: struct{}{}, want: `{"schemaVersion":1}`},
		{name: "array", v: []int{1}, err: "marking []int with a schema version: want a JSON object"},
		{name: "null", v: (*row)(nil), err: "marking *main.row with a schema version: want a JSON object"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := document(test.v)
			if messageOf(err) != test.err || string(got) != test.want {
				t.Errorf("got %s and error %v, want %s and %q", got, err, test.want, test.err)
			}
		})
	}
}

func TestWriteYAML(t *testing.T) {
	doc, err := document(struct {
		Zone   string            `json:"zone"`
		Rows   []row             `json:"rows"`
		None   []row             `json:"none"`
		Nil    *row              `json:"nil"`
		Labels map[string]string `json:"labels"`
	}{
		Zone:   "on",
		Rows:   []row{{Name: "a: b\nc", Count: 15001, Raw: json.RawMessage(`{"z":1e3,"a":true,"m":"1.5"}`)}},
		None:   []row{},
		Labels: map[string]string{"b": "1:30", "a": "\x1b\u202e"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := writeYAML(&b, doc); err != nil {
		t.Fatal(err)
	}
	want := `schemaVersion: 1
zone: "on"
rows:
  - name: |-
      a: b
      c
    count: 15001
    raw:
      z: 1e3
      a: true
      m: "1.5"
none: []
nil: null
labels:
  a: "\e\u202e"
  b: "1:30"
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWriteYAMLRefusesDepth(t *testing.T) {
	deep := json.RawMessage(strings.Repeat("[", 5000) + strings.Repeat("]", 5000))
	err := writeYAML(&bytes.Buffer{}, deep)
	if err == nil || !strings.Contains(err.Error(), "use JSON") {
		t.Errorf("got error %v, want one that points to JSON", err)
	}
}

// FuzzYAMLCarriesStrings checks that what is written as YAML reads back as it was, as a key and
// as a value.
func FuzzYAMLCarriesStrings(f *testing.F) {
	for _, seed := range []string{"a", "", " a", "a ", "\n", "\na", "a\n", "a\n\n", " a\n b", "a\r\nb", "~", "yes", "0x1f", "1_000", ".inf", "2026-01-31", "12:30:45", "a\u2028b\n", "\ta", "# a", "- a", "a: b", "\u0085", "\ufeff", "!!str a", "&a", "*a", "---", "...", "<<", "\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := json.Marshal(map[string]any{text: []any{text, map[string]any{"k": text}}})
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := writeYAML(&b, json.RawMessage(raw)); err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("reading %q: %v", b.String(), err)
		}
		if !reflect.DeepEqual(any(got), want) {
			t.Errorf("got %#v from\n%s\nwant %#v", got, b.String(), want)
		}
	})
}
