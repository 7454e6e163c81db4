package mesh_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
)

func TestRouteTable(t *testing.T) {
	const v3 = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	hosts := `[{"name": "a", "domains": ["a", "a:80"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]},
		{"routes": [{"match": {"path": "/x"}, "redirect": {"host_redirect": "y"}}], "domains": ["*"], "name": "\u0062"}]`
	for name, tc := range map[string]struct{ typeURL, raw string }{
		"v3":              {v3, `{"name": "80", "virtual_hosts": ` + hosts + `, "ignore_port_in_host_matching": true}`},
		"camelCase":       {v3, `{"ignorePortInHostMatching": true, "virtualHosts": ` + hosts + `, "name": "80"}`},
		"escaped key":     {v3, `{"n\u0061me": "80", "virtual_hosts": ` + hosts + `, "ignore_port_in_host_matching": true}`},
		"trailing comma":  {v3, `{"name": "80", "virtual_hosts": ` + hosts + `, "ignore_port_in_host_matching": true,}`},
		"twice":           {v3, `{"name": "80", "virtual_hosts": [], "ignore_port_in_host_matching": true, "virtual_hosts": ` + hosts + `}`},
		"v2":              {"type.googleapis.com/envoy.api.v2.RouteConfiguration", `{"name": "80", "virtual_hosts": ` + hosts + `, "ignore_port_in_host_matching": true}`},
		"v2 field in v3":  {v3, `{"name": "80", "virtual_hosts": ` + strings.Replace(hosts, `"prefix": "/"`, `"regex": "/.*"`, 1) + `, "ignore_port_in_host_matching": true}`},
		"no virtual host": {v3, `{"name": "80", "ignore_port_in_host_matching": true}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := &mesh.Resource{Kind: mesh.Route, Content: &mesh.Content{Raw: []byte(tc.raw), TypeURL: tc.typeURL}}
			whole, err := r.RouteConfiguration()
			if err != nil {
				if name == "twice" {
					t.Skipf("protojson refuses it: %v", err)
				}
				t.Fatalf("decoding the whole: %v", err)
			}
			table, err := r.RouteTable()
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			if table.Config.GetName() != "80" || !table.Config.GetIgnorePortInHostMatching() {
				t.Errorf("got the configuration %v, want that of the whole", table.Config)
			}
			if len(table.Hosts) != len(whole.GetVirtualHosts()) {
				t.Fatalf("got %d virtual hosts, want %d", len(table.Hosts), len(whole.GetVirtualHosts()))
			}
			for i, host := range table.Hosts {
				want := whole.GetVirtualHosts()[i]
				got, err := host.Message()
				if err != nil || !proto.Equal(got, want) {
					t.Errorf("got virtual host %v, error %v; want %v", got, err, want)
				}
				if host.Name != want.GetName() || strings.Join(host.Domains, " ") != strings.Join(want.GetDomains(), " ") {
					t.Errorf("got %s %v before decoding, want %s %v", host.Name, host.Domains, want.GetName(), want.GetDomains())
				}
			}
		})
	}
}

func TestRouteTableDamaged(t *testing.T) {
	r := &mesh.Resource{Kind: mesh.Route, Content: &mesh.Content{
		Raw:     []byte(`{"name": "80", "virtual_hosts": [{"name": "a", "domains": ["*"], "routes": 7}]}`),
		TypeURL: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
	}}
	table, err := r.RouteTable()
	if err != nil {
		t.Fatalf("got error %v, want the damaged virtual host to wait until it is asked for", err)
	}
	if _, err := table.Hosts[0].Message(); err == nil || !strings.Contains(err.Error(), `virtual host "a"`) {
		t.Errorf("got error %v, want one that names the virtual host", err)
	}
}

// TestRouteTableForeignText has text that is no JSON between and in virtual hosts: those
// behind it must not pass for hosts that are not there.
func TestRouteTableForeignText(t *testing.T) {
	for name, hosts := range map[string]string{
		"between":         `[{"name": "a", "domains": ["a"]}, E1122] EOF {"name": "b", "domains": ["b"]}]`,
		"in the domains":  `[{"name": "a", "domains": [error: "a"]}, {"name": "b", "domains": ["b"]}]`,
		"before the name": `[{E1122 "name": "a", "domains": ["a"]}]`,
		"in the routes":   `[{"name": "a", "domains": ["a"], "routes": [{"match": {` + "\nE1122 v3.go:79] EOF\n" + `"prefix": "/"}}]}, {"name": "b", "domains": ["b"]}]`,
	} {
		t.Run(name, func(t *testing.T) {
			r := &mesh.Resource{Kind: mesh.Route, Content: &mesh.Content{
				Raw:     []byte(`{"name": "80", "virtual_hosts": ` + hosts + `}`),
				TypeURL: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
			}}
			if table, err := r.RouteTable(); err == nil {
				t.Errorf("got %d virtual hosts, want an error", len(table.Hosts))
			}
		})
	}
}
