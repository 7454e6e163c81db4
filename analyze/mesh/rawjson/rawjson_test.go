package rawjson

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// BenchmarkEnd passes over text that is set as Envoy sets its dumps.
func BenchmarkEnd(b *testing.B) {
	const cluster = `
    {
     "version_info": "2026-01-02T03:04:05Z/7",
     "cluster": {
      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      "name": "outbound|9080||reviews.default.svc.cluster.local",
      "type": "EDS",
      "connect_timeout": "10s",
      "circuit_breakers": {
       "thresholds": [
        {
         "max_connections": 4294967295,
         "track_remaining": true
        }
       ]
      }
     },
     "last_updated": "2026-01-02T03:04:05.678Z"
    },`
	data := []byte("{\n   \"dynamic_active_clusters\": [" + strings.Repeat(cluster, 10_000) + "\n   ]\n}")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := End(data, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEnd(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int // offset behind the first value; -1 cut, -2 not JSON
	}{
		{`{}`, 2},
		{` {"a": [1, {"b": "}"}]} trailing`, 23},
		{`"a\"b" x`, 6},
		{`"a\\" x`, 5},
		{`"a\\\" x`, -1},
		{`[1, 2`, -1},
		{`{"a": "`, -1},
		{"", -1},
		{"}", -2},
		{":", -2},
		{"12", 2},
		{"{\n        \n                \"a\": 1}", 34},
	} {
		got, err := End([]byte(tc.text), 0)
		var syntax *SyntaxError
		switch {
		case errors.Is(err, ErrTruncated):
			got = -1
		case errors.As(err, &syntax):
			got = -2
		}
		if got != tc.want {
			t.Errorf("End(%q) = %d (%v), want %d", tc.text, got, err, tc.want)
		}
	}
}

func TestWalk(t *testing.T) {
	for _, tc := range []struct{ text, want, err string }{
		{`{"a": 1, "b": [true, "x",], "c\u0041": {},}`, `a=1 b=[true "x"] cA={}`, ""},
		{`{"a": 1, "b": [1, 2`, `a=1 b=[1`, "cut off"},
		{`{"a": 1 "b": 2}`, `a=1`, "expected a member or '}'"},
		{`{,}`, ``, "expected a member or '}'"},
		{`{"a" 1}`, ``, "expected ':' after a key"},
		{`{a: 1}`, ``, "expected a quoted key"},
		{`[1]`, ``, "expected an object"},
		{``, ``, "cut off"},
	} {
		got, err := walk(tc.text)
		if got != tc.want {
			t.Errorf("walk(%q) = %q, want %q", tc.text, got, tc.want)
		}
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("walk(%q) error %v, want %q", tc.text, err, tc.err)
		}
	}
}

// walk prints the members of an object; arrays are walked by element.
func walk(text string) (string, error) {
	s := New([]byte(text), 0)
	var out []string
	for s.Object(); ; {
		key, ok := s.Key()
		if !ok {
			return strings.Join(out, " "), s.Err()
		}
		if s.Kind() != '[' {
			value, ok := s.Value()
			if ok {
				out = append(out, string(key)+"="+string(value))
			}
			continue
		}
		var elements []string
		for s.Array(); s.Element(); {
			if value, ok := s.Value(); ok {
				elements = append(elements, string(value))
			}
		}
		closing := "]"
		if s.Err() != nil {
			closing = ""
		}
		out = append(out, string(key)+"=["+strings.Join(elements, " ")+closing)
	}
}

func TestGet(t *testing.T) {
	const text = `{"lbPolicy": "A", "edsClusterConfig": {"service_name": "s\n"}, "metadata": {"filter_metadata": {"istio": {"config": "x"}}}, "type": 1, "type": "EDS"}`
	for _, tc := range []struct {
		path string
		want string
	}{
		{"lb_policy", "A"},
		{"eds_cluster_config.service_name", "s\n"},
		{"metadata.filter_metadata.istio.config", "x"},
		{"type", "EDS"},
		{"type.deeper", ""},
		{"missing", ""},
		{"lb_policies", ""},
	} {
		if got := GetText([]byte(text), strings.Split(tc.path, ".")...); got != tc.want {
			t.Errorf("GetText(%s) = %q, want %q", tc.path, got, tc.want)
		}
	}
}

func TestUnquote(t *testing.T) {
	for raw, want := range map[string]string{
		`"a"`: "a", `"\u0041\n"`: "A\n", "\"\xff\"": "\uFFFD", `"\x"`: `\x`, `1`: "", `"`: "", ``: "",
	} {
		if got, _ := Unquote([]byte(raw)); got != want {
			t.Errorf("Unquote(%q) = %q, want %q", raw, got, want)
		}
	}
}

// FuzzScanner holds the scanner against encoding/json: where that finds valid
// JSON, End finds the same end; nothing panics, whatever the text.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"x\"",{}]}`, `[`, `"\\`, ` tru`, "{\n  \"k\": -1.5e3\n}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(text)
		end, err := End(data, 0)
		if json.Valid(data) && (err != nil || strings.TrimSpace(text[end:]) != "") {
			t.Fatalf("End(%q) = %d, %v, but the text is valid JSON", text, end, err)
		}
		if _, err := walk(text); err == nil && end == 0 {
			t.Fatalf("walk(%q) succeeded where End failed", text)
		}
		Get(data, "a", "b")
		Elements(data)
	})
}

func TestSalvage(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{`[{"a": 1}, {"b": 2}, {"c":`, `[{"a": 1}, {"b": 2}]`},
		{`{"x": 1, "clusters": [{"hosts": [1, 2]}, {"hosts": [1, 2`, `{"x": 1, "clusters": [{"hosts": [1, 2]}]}`},
		{`{"a": {"b": 1}, "c": {"d": 2, "e":`, `{"a": {"b": 1}}`},
		{`{"a": {"l": [1, {"x": 2}, 3`, `{"a": {"l": [1, {"x": 2}]}}`},
		{`{"a": 1, "b": "cut`, `{"a": 1}`},
		{`{`, `{}`},
		{`[`, `[]`},
		{`"cut`, ``},
		{``, ``},
	} {
		got, _ := Salvage([]byte(tc.text))
		if string(got) != tc.want {
			t.Errorf("Salvage(%q) = %q, want %q", tc.text, got, tc.want)
		}
	}
}

func TestStripTrailingCommas(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": [1, 2, ], "b": ",}", }`: `{"a": [1, 2 ], "b": ",}" }`,
		`{"a": 1}`:                     `{"a": 1}`,
		`[1,"cut`:                      `[1,"cut`,
	} {
		if got := string(StripTrailingCommas([]byte(text))); got != want {
			t.Errorf("StripTrailingCommas(%q) = %q, want %q", text, got, want)
		}
	}
}
