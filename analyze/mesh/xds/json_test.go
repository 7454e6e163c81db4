package xds

import (
	"testing"

	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
)

func indented(t testing.TB, m proto.Message) string {
	t.Helper()
	text, err := JSON(m, "  ")
	if err != nil {
		t.Fatalf("JSON: %v", err)
	}
	return string(text)
}

func TestJSON(t *testing.T) {
	m := &route.VirtualHost{Name: "a<b>&c", Domains: []string{"*"}}
	tests := map[string]string{
		"":   `{"name":"a<b>&c","domains":["*"]}`,
		"  ": "{\n  \"name\": \"a<b>&c\",\n  \"domains\": [\n    \"*\"\n  ]\n}",
	}
	for indent, want := range tests {
		if got, err := JSON(m, indent); err != nil || string(got) != want {
			t.Errorf("JSON with indent %q: got %s (%v), want %s", indent, got, err, want)
		}
	}
}
