package trace_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

var verdicts = []trace.Verdict{
	trace.Routed, trace.Redirect, trace.DirectResponse, trace.Denied, trace.BlackHole, trace.Passthrough, trace.NoListener,
	trace.NoFilterChain, trace.NoVirtualHost, trace.NoRoute, trace.NoCluster, trace.NoHealthyEndpoint, trace.TLSMismatch, trace.Unmodelled,
}

// holds checks what holds of every trace: it ends in verdicts, its shares add up,
// and a second one is the same.
func holds(t *testing.T, capture *mesh.Capture, p *mesh.Proxy, req request.Request, direction request.Direction) {
	t.Helper()
	options := trace.Options{Why: true}
	first, err := trace.New(capture).Trace(p, req, direction, options)
	if err != nil {
		return
	}
	total := 0.0
	for _, path := range first.Paths {
		total += path.Share
		if len(path.Hops) == 0 {
			t.Fatal("got a way without a proxy")
		}
		for _, hop := range path.Hops {
			if !slices.Contains(verdicts, hop.Outcome.Verdict) || hop.Outcome.Reason == "" {
				t.Fatalf("got verdict %q for the reason %q, want one of the verdicts and a reason", hop.Outcome.Verdict, hop.Outcome.Reason)
			}
		}
	}
	if len(first.Paths) == 0 || !first.Truncated && (total < 0.999 || total > 1.001) {
		t.Fatalf("got %d ways with %v of the requests, want all of them", len(first.Paths), total)
	}
	second, err := trace.New(capture).Trace(p, req, direction, options)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Fatalf("got another trace the second time, error %v:\n%+v\n%+v", err, first, second)
	}
}

// FuzzRequest sends any request through the proxies of a mesh.
func FuzzRequest(f *testing.F) {
	f.Add(uint8(0), "http://reviews:9080/ratings/7", "POST", "end-user", "jason", "", "", "", false)
	f.Add(uint8(1), "tcp://10.96.0.4:9080", "", "", "", "10.96.0.4:9080", "10.1.1.1", "", false)
	f.Add(uint8(2), "https://shop.example.com/a%2f..//b?q=%zz#f", "CONNECT", ":path", "/x", "[::1]:15006", "::ffff:1.2.3.4", "spiffe://x/ns/a/sa/b", true)
	f.Add(uint8(3), "grpc://ghost", "OPTIONS", "origin", "*", "", "", "", true)
	capture, err := loader.Load([]string{filepath.Join(fixtures.Root(f), "fixtures", "bookinfo.tar.gz")}, nil, loader.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint8, target, method, header, value, to, from, principal string, inbound bool) {
		req, err := request.Parse(target)
		if err != nil {
			return
		}
		if method != "" {
			req.Method = method
		}
		req.To, req.From = to, from
		if header != "" {
			req.Headers = request.Headers{{Name: header, Value: value}}
		}
		if principal != "" {
			req.TLS = &request.TLS{SNI: value, ALPN: strings.Split(header, ","), ClientURISAN: principal}
		}
		direction := request.Direction("")
		if inbound {
			direction = request.Inbound
		}
		holds(t, capture, capture.Proxies[int(which)%len(capture.Proxies)], req, direction)
	})
}

// FuzzConfiguration sends a few requests through any configuration.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range configurationSeeds {
		f.Add(seed)
	}
	requests := []string{"http://a.example.com/b/c?d=e", "https://a.example.com/", "tcp://10.0.0.1:80", "grpc://b:81/s/m", "tls://a.example.com:443"}
	f.Fuzz(func(t *testing.T, dump string) {
		capture, err := loader.Load([]string{"-"}, strings.NewReader(dump), loader.Options{})
		if err != nil {
			return
		}
		for _, p := range capture.Proxies {
			for _, target := range requests {
				req, err := request.Parse(target)
				if err != nil {
					t.Fatal(err)
				}
				holds(t, capture, p, req, "")
				req.To = "10.0.0.1:80"
				holds(t, capture, p, req, request.Outbound)
			}
		}
	})
}

// configurationSeeds are small dumps that between them have most of what a request
// can meet.
var configurationSeeds = []string{
	`{"configs": [
	{"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [
	 {"name": "virtualOutbound", "active_state": {"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "virtualOutbound",
	  "address": {"socket_address": {"address": "0.0.0.0", "port_value": 15001}}, "use_original_dst": true, "traffic_direction": "OUTBOUND",
	  "filter_chains": [{"filters": [{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "weighted_clusters": {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 2}]}}}]}]}}},
	 {"name": "80", "active_state": {"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "80",
	  "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}}, "bind_to_port": false,
	  "listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}],
	  "default_filter_chain": {"filters": [{"name": "h", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "rds": {"route_config_name": "80"}, "normalize_path": true,
	   "http_filters": [{"name": "envoy.filters.http.rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", "policies": {"p": {"permissions": [{"header": {"name": ":method", "exact_match": "POST"}}], "principals": [{"any": true}]}}}}},
	    {"name": "envoy.filters.http.fault", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault", "abort": {"http_status": 418, "percentage": {"numerator": 30}}}},
	    {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]},
	  "filter_chains": [{"filter_chain_match": {"server_names": ["*.example.com"], "transport_protocol": "tls"}, "filters": [{"name": "t", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "c"}}]}]}}}]},
	{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [{"route_config": {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "80", "virtual_hosts": [
	  {"name": "v", "domains": ["*.example.com", "b:81"], "routes": [
	   {"match": {"prefix": "/b", "headers": [{"name": "x", "present_match": true, "invert_match": true}], "runtime_fraction": {"default_value": {"numerator": 40}}}, "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 3}, {"name": "d", "weight": 1}]}, "prefix_rewrite": "/z"}},
	   {"match": {"safe_regex": {"regex": "/[a-z]+"}}, "redirect": {"host_redirect": "r", "regex_rewrite": {"pattern": {"regex": "(.)"}, "substitution": "\\1\\1"}}},
	   {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "x"}}}]}]}}]},
	{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
	  {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a", "type": "EDS", "lb_subset_config": {"subset_selectors": [{"keys": ["v"], "fallback_policy": "ANY_ENDPOINT"}]}}},
	  {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "b", "type": "ORIGINAL_DST"}},
	  {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "c", "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": ["a", "c", "b"]}}}},
	  {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "d", "type": "STATIC", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": "80"}}}}]}]}}}]},
	{"@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "dynamic_endpoint_configs": [{"endpoint_config": {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "a", "endpoints": [
	  {"priority": 0, "lb_endpoints": [{"health_status": "UNHEALTHY", "endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}}}]},
	  {"priority": 1, "lb_endpoints": [{"health_status": "DEGRADED", "endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 80}}}}]}]}}]}
	]}`,
	`{"configs": {"listeners": {"@type": "type.googleapis.com/envoy.admin.v2alpha.ListenersConfigDump", "dynamicActiveListeners": [{"listener": {"name": "0.0.0.0_80", "address": {"socketAddress": {"address": "0.0.0.0", "portValue": 80}}, "deprecatedV1": {"bindToPort": false},
	  "filterChains": [{"filters": [{"name": "envoy.http_connection_manager", "config": {"route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "x"}}]}]}, "http_filters": [{"name": "envoy.router"}]}}]}]}}]}}}`,
}
