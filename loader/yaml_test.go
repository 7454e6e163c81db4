package loader

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestYAMLToJSON(t *testing.T) {
	tests := []struct{ name, text, want, wantErr string }{
		{
			name: "types and order",
			text: "node: {id: a, cluster: <b>}\nz: 1\na: [1.5, true, null, ~, 2019-01-01, 0x10, 1_000, yes, .inf, \"12\"]\n",
			want: `{"a":[1.5,true,null,null,"2019-01-01",16,1000,"yes",".inf","12"],"node":{"cluster":"<b>","id":"a"},"z":1}`,
		},
		{name: "integers beyond float64", text: "a: 9223372036854775807\nb: 9007199254740992\n", want: `{"a":"9223372036854775807","b":9007199254740992}`},
		{
			name: "aliases and merged keys",
			text: "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nkeep: {\"<<\": 1}\n",
			want: `{"base":{"x":1,"y":2},"keep":{"<<":1},"one":{"x":1,"y":3},"two":{"x":1,"y":2,"z":4}}`,
		},
		{name: "CRLF, first of two documents", text: "a: |\r\n  x\r\n---\r\nb: 1\r\n", want: `{"a":"x\n"}`},
		{name: "JSON", text: `{"a": {"b": 1}}`, want: `{"a":{"b":1}}`},
		{name: "sequence", text: "- a\n", want: `["a"]`},
		{name: "no mapping", text: "a\n", wantErr: "expected a mapping or a sequence at the top"},
		{name: "empty", text: "# nothing\n", wantErr: "expected a mapping or a sequence at the top"},
		{name: "cut off", text: "a: [1, 2", wantErr: "yaml: line 1: did not find expected ',' or ']'"},
		{name: "a mapping as key", text: "? {a: 1}\n: 2\n", wantErr: "line 1: expected a text as the key of a mapping"},
		{name: "deep", text: strings.Repeat("[", 300) + strings.Repeat("]", 300), wantErr: "line 1: nested deeper than 200 levels"},
		{name: "an alias of itself", text: "a: &a [*a]\n", wantErr: "line 1: nested deeper than 200 levels"},
		{name: "many aliases", text: aliasBomb(), wantErr: "line 1: its aliases stand for too much"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := yamlToJSON([]byte(test.text))
			if text := message(err); text != test.wantErr {
				t.Errorf("got error %q\nwant %q", text, test.wantErr)
			}
			if string(got) != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// aliasBomb is a small text with ten to the power of nine elements.
func aliasBomb() string {
	var text strings.Builder
	text.WriteString("a0: &a0 [x]\n")
	for i := range 9 {
		alias := fmt.Sprintf("*a%d,", i)
		fmt.Fprintf(&text, "a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(alias, 10))
	}
	return text.String()
}

func FuzzYAMLToJSON(f *testing.F) {
	f.Add([]byte("node: {id: a}\nx: &x [1, 2019-01-01]\ny: {<<: *x, z: |\n  text\n}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, err := yamlToJSON(raw)
		if err == nil && !json.Valid(text) {
			t.Errorf("got %q, want JSON", text)
		}
	})
}
