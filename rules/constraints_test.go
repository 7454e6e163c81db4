package rules

import (
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

// TestViolations: what is packed in a message is held against the constraints, too.
func TestViolations(t *testing.T) {
	const manager = `{"@type":"x/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",`
	listener := func(filter string) string {
		return `{"name":"l","filter_chains":[{"filters":[{"name":"http","typed_config":` + manager + filter + `}}]}]}`
	}
	tests := map[string]struct{ raw, want string }{
		"none":           {listener(`"stat_prefix":"x","rds":{"route_config_name":"r","config_source":{"ads":{}}}`), ""},
		"of the message": {`{"name":"l","filter_chains":[{"filters":[{"name":""}]}]}`, "Filter.Name: value length must be at least 1 runes"},
		"of a filter":    {listener(`"stat_prefix":"","rds":{"route_config_name":"r","config_source":{"ads":{}}}`), "invalid HttpConnectionManager.StatPrefix: value length must be at least 1 runes"},
		"deeper": {
			listener(`"stat_prefix":"x","rds":{"route_config_name":"r","config_source":{"ads":{}}},"http_filters":[{"name":"f","typed_config":{"@type":"x/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication","providers":{"p":{"from_headers":[{"name":""}]}}}}]`),
			"JwtHeader.Name: value length must be at least 1 runes",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := xds.Decode(mesh.Listener.TypeURL(), []byte(test.raw))
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(violations(m), "; ")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
