package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// dumpOf is a config_dump of one proxy.
func dumpOf(kind string, listeners, routes, clusters string) string {
	return `{"configs": [
	{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "` + kind + `~10.0.0.1~web-6d5f8c7b9d-x2x4z.ns~ns.svc.cluster.local"}}},
	{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [` + clusters + `]},
	{"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [` + listeners + `]},
	{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [` + routes + `]}]}`
}

func listenerOf(name, address string, port int, more string) string {
	return fmt.Sprintf(`{"name": %q, "active_state": {"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": %q,
		"address": {"socket_address": {"address": %q, "port_value": %d}}, %s}}}`, name, name, address, port, more)
}

const unbound = `"bind_to_port": false, "traffic_direction": "OUTBOUND", `

func tcpChain(match, cluster string) string {
	return `{"filter_chain_match": {` + match + `}, "filters": [{"name": "tcp", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "` + cluster + `"}}]}`
}

func httpChain(match, routes, socket string) string {
	return `{"filter_chain_match": {` + match + `}, "filters": [{"name": "http", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "x",
		"rds": {"route_config_name": "` + routes + `"},
		"http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]` + socket + `}`
}

func tlsSocket(mutual bool) string {
	return fmt.Sprintf(`, "transport_socket": {"name": "tls", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext", "require_client_certificate": %t}}`, mutual)
}

func routesOf(name string, hosts ...string) string {
	return `{"route_config": {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "` + name + `",
		"ignore_port_in_host_matching": true, "virtual_hosts": [` + strings.Join(hosts, ",") + `]}}`
}

func hostOf(name, action string, domains ...string) string {
	return fmt.Sprintf(`{"name": %q, "domains": ["%s"], "routes": [{"match": {"prefix": "/"}, %s}]}`, name, strings.Join(domains, `","`), action)
}

func staticCluster(name string, endpoints ...string) string {
	var hosts []string
	for _, e := range endpoints {
		hosts = append(hosts, `{"endpoint": {"address": {"socket_address": {"address": "`+e+`", "port_value": 80}}}}`)
	}
	return `{"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "` + name + `", "type": "STATIC",
		"load_assignment": {"cluster_name": "` + name + `", "endpoints": [{"lb_endpoints": [` + strings.Join(hosts, ",") + `]}]}}}`
}

const (
	toA       = `"route": {"cluster": "outbound|80||a.ns.svc.cluster.local"}`
	toAAndOld = `"route": {"weighted_clusters": {"clusters": [{"name": "outbound|80||a.ns.svc.cluster.local", "weight": 40}, {"name": "outbound|80||a.ns.svc.cluster.local", "weight": 30}, {"name": "outbound|80|old|b.ns.svc.cluster.local", "weight": 30}]}}`
	blockAll  = `"direct_response": {"status": 502}`
)

func sidecarDump() string {
	listeners := []string{
		listenerOf("virtualOutbound", "0.0.0.0", 15001, `"use_original_dst": true, "traffic_direction": "OUTBOUND", "filter_chains": [`+tcpChain("", "BlackHoleCluster")+`]`),
		listenerOf("virtualInbound", "0.0.0.0", 15006, `"traffic_direction": "INBOUND", "filter_chains": [`+tcpChain("", "BlackHoleCluster")+`]`),
		listenerOf("0.0.0.0_80", "0.0.0.0", 80, unbound+`"filter_chains": [`+
			httpChain(`"application_protocols": ["http/1.1"]`, "80", "")+","+tcpChain(`"prefix_ranges": [{"address_prefix": "10.0.0.1", "prefix_len": 32}]`, "BlackHoleCluster")+
			`], "listener_filters": [{"name": "envoy.filters.listener.http_inspector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"}}],
			"default_filter_chain": `+tcpChain("", "BlackHoleCluster")),
		listenerOf("10.9.0.5_3306", "10.9.0.5", 3306, unbound+`"filter_chains": [`+tcpChain("", "outbound|3306||db.ns.svc.cluster.local")+`]`),
		listenerOf("0.0.0.0_443", "0.0.0.0", 443, unbound+`"listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
			"filter_chains": [`+tcpChain(`"server_names": ["*.example.org", "api.example.com"]`, "outbound|443||example.org")+`]`),
		listenerOf("0.0.0.0_7000", "0.0.0.0", 7000, unbound+`"filter_chains": [`+tcpChain("", "outbound|7000||any.example.net")+`]`),
		listenerOf("127.0.0.1_9999", "127.0.0.1", 9999, `"traffic_direction": "OUTBOUND", "filter_chains": [`+tcpChain("", "outbound|80||a.ns.svc.cluster.local")+`]`),
	}
	routes := routesOf("80",
		hostOf("a.ns.svc.cluster.local:80", toA, "a", "a.ns.svc.cluster.local.", "a.ns.svc.cluster.local", "10.9.0.2"),
		hostOf("b.ns.svc.cluster.local:80", toAAndOld, "b.ns.svc.cluster.local"),
		hostOf("empty", `"route": {"cluster": "empty"}`, "empty.example.com"),
		hostOf("wild", toA, "*.example.com"),
		hostOf("shadowed", toA, "a.ns.svc.cluster.local"),
		hostOf("block_all", blockAll, "*"))
	clusters := []string{
		staticCluster("BlackHoleCluster"), staticCluster("empty"),
		staticCluster("outbound|80||a.ns.svc.cluster.local", "10.0.0.7", "10.0.0.8"),
		staticCluster("outbound|3306||db.ns.svc.cluster.local", "10.0.0.9"),
		staticCluster("outbound|443||example.org", "192.0.2.9"),
		staticCluster("outbound|7000||any.example.net", "192.0.2.7"),
	}
	return dumpOf("sidecar", strings.Join(listeners, ","), routes, strings.Join(clusters, ","))
}

func gatewayDump() string {
	tls := `"listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}], `
	listeners := []string{
		listenerOf("0.0.0.0_8080", "0.0.0.0", 8080, `"filter_chains": [`+httpChain("", "http.8080", "")+`]`),
		listenerOf("0.0.0.0_8443", "0.0.0.0", 8443, tls+`"filter_chains": [`+
			httpChain(`"server_names": ["shop.example.com"]`, "https.shop", tlsSocket(false))+","+
			httpChain(`"server_names": ["partner.example.com"]`, "https.partner", tlsSocket(true))+","+
			httpChain(`"server_names": ["*.empty.example.com"]`, "https.none", tlsSocket(false))+","+
			tcpChain(`"server_names": ["legacy.example.com"]`, "outbound|80||a.ns.svc.cluster.local")+`]`),
		listenerOf("0.0.0.0_15443", "0.0.0.0", 15443, tls+`"filter_chains": [{"filter_chain_match": {"server_names": ["*.local"]}, "filters": [
			{"name": "envoy.filters.network.sni_cluster", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.sni_cluster.v3.SniCluster"}},
			{"name": "tcp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "BlackHoleCluster"}}]}]`),
		listenerOf("0.0.0.0_9000", "0.0.0.0", 9000, `"filter_chains": [`+tcpChain("", "outbound|80||a.ns.svc.cluster.local")+`]`),
	}
	routes := []string{
		routesOf("http.8080", hostOf("www.example.com:8080", toA, "www.example.com", "example.com"), hostOf("all", blockAll, "*")),
		routesOf("https.shop", hostOf("shop", toA, "shop.example.com")),
		routesOf("https.partner", hostOf("any", toA, "*")),
	}
	return dumpOf("router", strings.Join(listeners, ","), strings.Join(routes, ","),
		staticCluster("outbound|80||a.ns.svc.cluster.local", "10.0.0.7")+","+staticCluster("outbound_.80_._.a.ns.svc.cluster.local", "10.0.0.7"))
}

// TestReach lists the targets of hand-made proxies: the host, how it is asked for,
// and what becomes of the request.
func TestReach(t *testing.T) {
	for _, tc := range []struct {
		name, dump string
		want       []string
	}{
		{"sidecar", sidecarDump(), []string{
			"*.example.com:80 http [for example any.example.com] GET http://any.example.com/ to 192.0.2.1:80 => routed outbound|80||a.ns.svc.cluster.local 2/2",
			"a.ns.svc.cluster.local:80 http [] GET http://a.ns.svc.cluster.local/ to 10.9.0.2:80 => routed outbound|80||a.ns.svc.cluster.local 2/2",
			"b.ns.svc.cluster.local:80 http [] GET http://b.ns.svc.cluster.local/ to 192.0.2.1:80 => no-cluster 0.3 outbound|80|old|b.ns.svc.cluster.local 0/0; routed 0.7 outbound|80||a.ns.svc.cluster.local 2/2",
			"empty.example.com:80 http [] GET http://empty.example.com/ to 192.0.2.1:80 => no-healthy-endpoint empty 0/0",
			"*:80 http [any other host] GET http://any-other-host.invalid/ to 192.0.2.1:80 => blackhole  0/0",
			"*:80 tcp [any other address on the port] tcp://192.0.2.1:80 to 192.0.2.1:80 => blackhole BlackHoleCluster 0/0",
			"*.example.org:443 tls [for example any.example.org] tls://any.example.org:443 sni any.example.org to 192.0.2.1:443 => routed outbound|443||example.org 1/1",
			"api.example.com:443 tls [] tls://api.example.com:443 sni api.example.com to 192.0.2.1:443 => routed outbound|443||example.org 1/1",
			"db.ns.svc.cluster.local:3306 tcp [] tcp://10.9.0.5:3306 to 10.9.0.5:3306 => routed outbound|3306||db.ns.svc.cluster.local 1/1",
			"any.example.net:7000 tcp [any address on the port] tcp://192.0.2.1:7000 to 192.0.2.1:7000 => routed outbound|7000||any.example.net 1/1",
			"a.ns.svc.cluster.local:9999 tcp [] tcp://127.0.0.1:9999 to 127.0.0.1:9999 => routed outbound|80||a.ns.svc.cluster.local 2/2",
			"*:0 tcp [any other address] tcp://192.0.2.1:1 to 192.0.2.1:1 => blackhole BlackHoleCluster 0/0",
		}},
		{"gateway", gatewayDump(), []string{
			"www.example.com:8080 http [] GET http://www.example.com/ to 10.0.0.1:8080 => routed outbound|80||a.ns.svc.cluster.local 1/1",
			"*:8080 http [any other host] GET http://any-other-host.invalid/ to 10.0.0.1:8080 => direct-response  0/0",
			"*.empty.example.com:8443 https [for example any.empty.example.com] GET https://any.empty.example.com/ sni any.empty.example.com to 10.0.0.1:8443 => no-route  0/0",
			"legacy.example.com:8443 tls [] tls://legacy.example.com:8443 sni legacy.example.com to 10.0.0.1:8443 => routed outbound|80||a.ns.svc.cluster.local 1/1",
			"partner.example.com:8443 https [client certificate required] GET https://partner.example.com/ sni partner.example.com to 10.0.0.1:8443 => routed outbound|80||a.ns.svc.cluster.local 1/1",
			"shop.example.com:8443 https [] GET https://shop.example.com/ sni shop.example.com to 10.0.0.1:8443 => routed outbound|80||a.ns.svc.cluster.local 1/1",
			"a.ns.svc.cluster.local:9000 tcp [] tcp://10.0.0.1:9000 to 10.0.0.1:9000 => routed outbound|80||a.ns.svc.cluster.local 1/1",
			"outbound_.80_._.a.ns.svc.cluster.local:15443 tls [] tls://outbound_.80_._.a.ns.svc.cluster.local:15443 sni outbound_.80_._.a.ns.svc.cluster.local to 10.0.0.1:15443 => routed outbound_.80_._.a.ns.svc.cluster.local 1/1",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			capture, err := loader.Load([]string{"-"}, strings.NewReader(tc.dump), loader.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range trace.New(capture).Reach(capture.Proxies[0], trace.Options{}) {
				got = append(got, reachedText(&r))
			}
			if want := strings.Join(tc.want, "\n"); strings.Join(got, "\n") != want {
				t.Errorf("reach:\n%s", fixtures.Diff(tc.name, want+"\n", strings.Join(got, "\n")+"\n"))
			}
		})
	}
}

func reachedText(r *trace.Reached) string {
	sni := ""
	if r.Request.TLS != nil {
		sni = " sni " + r.Request.TLS.SNI
	}
	var ways []string
	for _, w := range r.Ways {
		text := string(w.Verdict)
		if len(r.Ways) > 1 {
			text += fmt.Sprintf(" %.1f", w.Share)
		}
		ways = append(ways, fmt.Sprintf("%s %s %d/%d", text, w.Cluster, w.Usable, w.Endpoints))
	}
	return fmt.Sprintf("%s:%d %s [%s] %s%s to %s => %s", r.Host, r.Port, r.Protocol, r.Label, r.Request.String(), sni, r.Request.To, strings.Join(ways, "; "))
}
