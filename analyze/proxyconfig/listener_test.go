package proxyconfig

import (
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
)

func TestChainMatch(t *testing.T) {
	tests := []struct{ match, want, source string }{
		{`{}`, "ALL", ""},
		{`{"server_names": ["a", "b"], "transport_protocol": "tls"}`, "SNI: a,b; Trans: tls", ""},
		{`{"application_protocols": ["http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"]}`, "App: HTTP TLS", ""},
		{`{"application_protocols": ["istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"]}`, "App: Istio HTTP Plain", ""},
		{`{"application_protocols": ["istio-peer-exchange", "istio"]}`, "App: TCP TLS", ""},
		{`{"application_protocols": ["http/1.0", "http/1.1", "h2c"]}`, "App: HTTP", ""},
		{`{"application_protocols": ["h2"]}`, "App: h2", ""},
		{`{"destination_port": 80}`, "Addr: *:80", ""},
		{`{"prefix_ranges": [{"address_prefix": "10.0.0.1", "prefix_len": 32}], "destination_port": 80}`, "Addr: 10.0.0.1/32:80", ""},
		{
			`{"source_type": "EXTERNAL", "source_prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}], "source_ports": [7], "address_suffix": "1", "suffix_len": 8}`,
			"ALL", "Source: EXTERNAL; Source: 10.0.0.0/8; Source port: 7; Suffix: 1/8",
		},
		{`{"direct_source_prefix_ranges": [{"address_prefix": "::1", "prefix_len": 128}]}`, "ALL", "Direct source: ::1/128"},
	}
	for _, test := range tests {
		rows := Listeners(&mesh.Proxy{Config: mesh.Config{Listeners: []*mesh.Resource{
			resource(mesh.Listener, `{"name": "l", "filter_chains": [{"filter_chain_match": `+test.match+`}]}`),
		}}}, ListenerFilter{})
		if chain := rows[0].Chains[0]; chain.Match != test.want || chain.Source != test.source {
			t.Errorf("%s: got %q and source %q, want %q and %q", test.match, chain.Match, chain.Source, test.want, test.source)
		}
	}
}

func TestListeners(t *testing.T) {
	const (
		tcp     = `{"filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "TO"}}]}`
		manager = `{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", CONFIG}}]}`
	)
	to := func(cluster string) string { return strings.Replace(tcp, "TO", cluster, 1) }
	http := func(config string) string { return strings.Replace(manager, "CONFIG", config, 1) }
	at := func(name, address, port, chains string) *mesh.Resource {
		return resource(mesh.Listener, `{"name": "`+name+`", "address": {"socket_address": {"address": "`+address+`", "port_value": `+port+`}}, "filter_chains": [`+chains+`]}`)
	}
	p := &mesh.Proxy{Config: mesh.Config{Listeners: []*mesh.Resource{
		at("mixed", "0.0.0.0", "90", to("a")+","+http(`"rds": {"route_config_name": "90"}`)),
		at("inline", "0.0.0.0", "80", http(`"route_config": {"virtual_hosts": [{"domains": ["x", "y"], "routes": [{"match": {"prefix": "/p"}}, {"match": {"path": "/q"}}]}, {"domains": ["*"]}]}`)),
		at("catch all", "1.1.1.1", "80", http(`"route_config": {"virtual_hosts": [{"domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]}]}`)),
		at("hole", "0.0.0.0", "70", to("BlackHoleCluster")),
		at("open", "0.0.0.0", "60", to("PassthroughCluster")),
		at("srds", "0.0.0.0", "50", http(`"scoped_routes": {"name": "scopes"}`)),
		resource(mesh.Listener, `{"name": "udp", "address": {"socket_address": {"protocol": "UDP", "address": "0.0.0.0", "port_value": 53}}}`),
		resource(mesh.Listener, `{"name": "pipe", "address": {"pipe": {"path": "/run/x"}}, "filter_chains": [{"filters": [{"name": "own"}]}]}`),
	}}}
	tests := []struct {
		name   string
		filter ListenerFilter
		want   []string
	}{
		{"all, by port and address", ListenerFilter{}, []string{
			"pipe /run/x UNKNOWN: Non-HTTP/Non-TCP",
			"srds 0.0.0.0 HTTP: Scoped Routes: scopes",
			"udp 0.0.0.0 UNKNOWN: Non-HTTP/Non-TCP",
			"open 0.0.0.0 TCP: PassthroughCluster",
			"hole 0.0.0.0 UNKNOWN: Non-HTTP/Non-TCP",
			"inline 0.0.0.0 HTTP: Inline Route: x/y /p*, /q; ",
			"catch all 1.1.1.1 HTTP: Cluster: c",
			"mixed 0.0.0.0 HTTP+TCP: Route: 90 | Cluster: a",
		}},
		{"by type", ListenerFilter{Type: "http+tcp"}, []string{"mixed 0.0.0.0 HTTP+TCP: Route: 90 | Cluster: a"}},
		{"by address and port", ListenerFilter{Address: "1.1.1.1", Port: 80}, []string{"catch all 1.1.1.1 HTTP: Cluster: c"}},
		{"by path", ListenerFilter{Address: "/RUN/x"}, []string{"pipe /run/x UNKNOWN: Non-HTTP/Non-TCP"}},
		{"none", ListenerFilter{Port: 1}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, row := range Listeners(p, test.filter) {
				var chains []string
				for _, chain := range row.Chains {
					chains = append(chains, chain.Destination)
				}
				got = append(got, row.Resource.Name()+" "+strings.Join(row.Addresses, ",")+" "+row.Type+": "+strings.Join(chains, " | "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
