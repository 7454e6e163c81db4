package loader

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

func TestParseRuntime(t *testing.T) {
	tests := []struct {
		name, page string
		want       map[string]string
		wantErr    string
	}{
		{
			name: "final values",
			page: `{"entries":{"a.b":{"layer_values":["1","2"],"final_value":"2"},"c":{"final_value":"x"}},"layers":["base","admin"]}`,
			want: map[string]string{"a.b": "2", "c": "x"},
		},
		{name: "empty", page: `{"entries":{},"layers":[]}`, want: map[string]string{}},
		{
			name: "not JSON", page: "x: 1",
			wantErr: `reading runtime: expected {"entries": {key: {"final_value": "..."}}}: invalid character 'x' looking for beginning of value`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseRuntime([]byte(test.page))
			if text := message(err); text != test.wantErr {
				t.Errorf("got error %q\nwant %q", text, test.wantErr)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestParseRuntimeOfEnvoy(t *testing.T) {
	path := filepath.Join(fixtures.Shared(t), "captures", "envoy-real", "after", "runtime.json")
	got, err := parseRuntime(readFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if got["edge.api.rollout"] != "25" {
		t.Errorf("got edge.api.rollout %q of %v, want 25", got["edge.api.rollout"], got)
	}
}
