package drift_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/drift"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// resource wraps the JSON of one resource.
func resource(kind mesh.ResourceKind, raw string) *mesh.Resource {
	return &mesh.Resource{
		Kind: kind, Origin: mesh.Dynamic, State: mesh.Active, Owner: "x",
		Content: &mesh.Content{Raw: []byte(raw), Name: "x", TypeURL: kind.TypeURL()},
	}
}

func TestNormalize(t *testing.T) {
	const v3 = "type.googleapis.com/envoy.extensions.filters."
	tests := []struct {
		name string
		kind mesh.ResourceKind
		a, b string
		same bool
	}{
		{"order of virtual hosts and domains", mesh.Route,
			`{"virtual_hosts":[{"name":"a","domains":["x","y"]},{"name":"b","domains":["z"]}]}`,
			`{"virtualHosts":[{"domains":["z"],"name":"b"},{"name":"a","domains":["y","x"]}]}`, true},
		{"order of routes", mesh.Route,
			`{"virtual_hosts":[{"name":"a","domains":["*"],"routes":[{"match":{"prefix":"/a"}},{"match":{"prefix":"/"}}]}]}`,
			`{"virtual_hosts":[{"name":"a","domains":["*"],"routes":[{"match":{"prefix":"/"}},{"match":{"prefix":"/a"}}]}]}`, false},
		{"order of different headers", mesh.Route,
			`{"request_headers_to_add":[{"header":{"key":"a","value":"1"}},{"header":{"key":"b","value":"2"}}]}`,
			`{"request_headers_to_add":[{"header":{"key":"b","value":"2"}},{"header":{"key":"a","value":"1"}}]}`, true},
		{"order of one header's values", mesh.Route,
			`{"request_headers_to_add":[{"header":{"key":"a","value":"1"}},{"header":{"key":"a","value":"2"}}]}`,
			`{"request_headers_to_add":[{"header":{"key":"a","value":"2"}},{"header":{"key":"a","value":"1"}}]}`, false},
		{"defaults written out", mesh.Cluster,
			`{"name":"x","type":"STATIC","lb_policy":"ROUND_ROBIN","connect_timeout":"1.000s","dns_lookup_family":"AUTO"}`,
			`{"name":"x","connectTimeout":"1s"}`, true},
		{"a wrapped value is no default", mesh.Cluster,
			`{"name":"x","circuit_breakers":{"thresholds":[{"max_requests":0}]}}`,
			`{"name":"x","circuit_breakers":{"thresholds":[{}]}}`, false},
		{"v2 and v3", mesh.Cluster,
			`{"@type":"type.googleapis.com/envoy.api.v2.Cluster","name":"x","hosts":[{"socket_address":{"address":"10.0.0.1","port_value":80}}],"type":"STATIC"}`,
			`{"@type":"type.googleapis.com/envoy.config.cluster.v3.Cluster","name":"x","load_assignment":{"cluster_name":"x","endpoints":[
				{"lb_endpoints":[{"endpoint":{"address":{"socket_address":{"address":"10.0.0.1","port_value":80}}}}]}]}}`, true},
		{"order of network filters", mesh.Listener,
			`{"filter_chains":[{"filters":[{"name":"a","typed_config":{"@type":"` + v3 + `network.echo.v3.Echo"}},{"name":"b","typed_config":{"@type":"` + v3 + `network.echo.v3.Echo"}}]}]}`,
			`{"filter_chains":[{"filters":[{"name":"b","typed_config":{"@type":"` + v3 + `network.echo.v3.Echo"}},{"name":"a","typed_config":{"@type":"` + v3 + `network.echo.v3.Echo"}}]}]}`, false},
		{"order within a filter chain match", mesh.Listener,
			`{"filter_chains":[{"filter_chain_match":{"server_names":["a","b"],"application_protocols":["h2","http/1.1"]}}]}`,
			`{"filterChains":[{"filterChainMatch":{"applicationProtocols":["http/1.1","h2"],"serverNames":["b","a"]}}]}`, true},
		{"inside an Any", mesh.Listener,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"` + v3 + `network.http_connection_manager.v3.HttpConnectionManager","route_config":{"virtual_hosts":[{"name":"a","domains":["x","y"]}]}}}]}]}`,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"` + v3 + `network.http_connection_manager.v3.HttpConnectionManager","routeConfig":{"virtualHosts":[{"name":"a","domains":["y","x"]}]}}}]}]}`, true},
		{"spelling inside a type that is not known", mesh.Listener,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"type.googleapis.com/example.Filter","some_field":{"in_side":[{"a_b":1}]}}}]}]}`,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"type.googleapis.com/example.Filter","someField":{"inSide":[{"aB":1}]}}}]}]}`, true},
		{"values inside a type that is not known", mesh.Listener,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"type.googleapis.com/example.Filter","a":1}}]}]}`,
			`{"filter_chains":[{"filters":[{"name":"h","typed_config":{"@type":"type.googleapis.com/example.Filter","a":2}}]}]}`, false},
		{"what Envoy adds to endpoints", mesh.Endpoint,
			`{"cluster_name":"x","endpoints":[{"locality":{},"lb_endpoints":[{"endpoint":{"address":{"pipe":{"path":"/b"}},"health_check_config":{}},"health_status":"HEALTHY","metadata":{},"load_balancing_weight":1},
				{"endpoint":{"address":{"pipe":{"path":"/a"}}},"health_status":"HEALTHY","load_balancing_weight":1}]}],"policy":{"overprovisioning_factor":140}}`,
			`{"clusterName":"x","endpoints":[{"lbEndpoints":[{"endpoint":{"address":{"pipe":{"path":"/a"}}}},{"endpoint":{"address":{"pipe":{"path":"/b"}}}}]},{"locality":{"zone":"empty"}}]}`, true},
		{"an endpoint that is not healthy", mesh.Endpoint,
			`{"cluster_name":"x","endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"pipe":{"path":"/a"}}},"health_status":"UNHEALTHY"}]}]}`,
			`{"cluster_name":"x","endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"pipe":{"path":"/a"}}}}]}]}`, false},
		{"draining counts as unhealthy", mesh.Endpoint,
			`{"cluster_name":"x","endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"pipe":{"path":"/a"}}},"health_status":"UNHEALTHY"}]}]}`,
			`{"cluster_name":"x","endpoints":[{"lb_endpoints":[{"endpoint":{"address":{"pipe":{"path":"/a"}}},"health_status":"DRAINING"}]}]}`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, err := drift.Normalize(resource(test.kind, test.a))
			if err != nil {
				t.Fatal(err)
			}
			b, err := drift.Normalize(resource(test.kind, test.b))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(a) == string(b); got != test.same {
				t.Errorf("got same %t, want %t\na %s\nb %s", got, test.same, a, b)
			}
		})
	}
}

func TestNormalizeLeavesTheResourceAlone(t *testing.T) {
	r := resource(mesh.Route, `{"virtual_hosts":[{"name":"b","domains":["y","x"]},{"name":"a","domains":["*"]}]}`)
	if _, err := drift.Normalize(r); err != nil {
		t.Fatal(err)
	}
	routes, err := r.RouteConfiguration()
	if err != nil {
		t.Fatal(err)
	}
	if got := routes.GetVirtualHosts()[0]; got.GetName() != "b" || got.GetDomains()[0] != "y" {
		t.Errorf("got virtual host %v first, want b with y and x: the message is shared", got)
	}
}

// side is a config with the given clusters.
func side(raw ...string) *mesh.Config {
	c := &mesh.Config{Sections: []mesh.Section{{Kind: mesh.Cluster}}}
	for _, text := range raw {
		r := resource(mesh.Cluster, text)
		r.Content.Name, r.Owner = r.Peek("name"), ""
		c.Clusters = append(c.Clusters, r)
	}
	return c
}

func TestCompare(t *testing.T) {
	waiting := side(`{"name":"b"}`, `{"name":"a"}`)
	waiting.Clusters[1].State = mesh.Warming
	static := side(`{"name":"a"}`)
	static.Clusters[0].Origin = mesh.Static
	tests := []struct {
		name         string
		pilot, envoy *mesh.Config
		want         string
	}{
		{"equal in another order", side(`{"name":"a"}`, `{"name":"b"}`), side(`{"name":"b"}`, `{"name":"a"}`), "same"},
		{"changed, removed and added", side(`{"name":"a","type":"EDS"}`, `{"name":"b"}`), side(`{"name":"a"}`, `{"name":"c"}`),
			"differ; a: different; b: only in istiod's view; c: only in Envoy"},
		{"one that waits is not compared, and said", side(`{"name":"a"}`, `{"name":"b"}`), waiting, "differ; a: warming in Envoy; apart a"},
		{"static ones are not compared", side(), static, "same"},
		{"one name twice", side(`{"name":"a"}`, `{"name":"a","type":"EDS"}`), side(`{"name":"a","type":"EDS"}`, `{"name":"a"}`), "same"},
		{"no view of istiod", nil, side(), "missing; the capture has no clusters in istiod's view of the proxy"},
		{"no dump", side(), &mesh.Config{}, "missing; the capture has no clusters in the proxy's config_dump"},
		{"neither", &mesh.Config{}, nil, "missing; the capture has no clusters of either side"},
		{"one that cannot be decoded is compared as captured", side(`{"name":"a","connect_timeout":"soon"}`), side(`{"connect_timeout":"soon","name":"a"}`), "same; 2 problems"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := summary(drift.Compare(test.pilot, test.envoy, mesh.Cluster)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestCompareEndpoints: Envoy's dump has endpoints of all clusters, under the name
// that EDS knows them by; istiod's view has those of EDS clusters.
func TestCompareEndpoints(t *testing.T) {
	endpoints := func(names ...string) *mesh.Config {
		c := side(`{"name":"dns","type":"STRICT_DNS"}`, `{"name":"eds","type":"EDS"}`,
			`{"name":"renamed","type":"EDS","eds_cluster_config":{"service_name":"service"}}`)
		c.Sections = append(c.Sections, mesh.Section{Kind: mesh.Endpoint})
		for _, name := range names {
			r := resource(mesh.Endpoint, `{"cluster_name":"`+name+`"}`)
			r.Content.Name = name
			c.Endpoints = append(c.Endpoints, r)
		}
		return c
	}
	got := summary(drift.Compare(endpoints("eds", "service"), endpoints("dns", "eds", "service"), mesh.Endpoint))
	if want := "same"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = summary(drift.Compare(endpoints("eds"), endpoints("dns", "eds", "service"), mesh.Endpoint))
	if want := "differ; service: only in Envoy"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func summary(c *drift.Comparison) string {
	parts := []string{string(c.Verdict)}
	if c.Missing != "" {
		parts = append(parts, c.Missing)
	}
	for _, change := range c.Changes {
		parts = append(parts, change.Name+": "+change.Which())
	}
	for _, r := range c.Apart {
		parts = append(parts, "apart "+r.Name())
	}
	if len(c.Problems) > 0 {
		parts = append(parts, fmt.Sprintf("%d problems", len(c.Problems)))
	}
	return strings.Join(parts, "; ")
}

func TestUnified(t *testing.T) {
	pilot := side(`{"name":"a","circuit_breakers":{"thresholds":[{"max_requests":1}]}}`, `{"name":"b"}`)
	envoy := side(`{"name":"a","circuit_breakers":{"thresholds":[{}]},"alt_stat_name":"s"}`)
	labels := drift.Labels{Pilot: "Istiod Clusters", Envoy: "Envoy Clusters", Indent: "  "}
	const want = `--- Istiod Clusters
+++ Envoy Clusters
@@ -1,10 +1,10 @@ a
 {
   "name": "a",
+  "altStatName": "s",
   "circuitBreakers": {
     "thresholds": [
       {
-        "maxRequests": 1
       }
     ]
   }
 }
@@ -1,3 +0,0 @@ b
-{
-  "name": "b"
-}
`
	if got := drift.Compare(pilot, envoy, mesh.Cluster).Unified(labels); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := drift.Compare(pilot, pilot, mesh.Cluster).Unified(labels); got != "" {
		t.Errorf("got %q for equal sides, want nothing", got)
	}
}

func TestUnifiedOfDeepNesting(t *testing.T) {
	deep := side(`{"name":"a","connect_timeout":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`)
	got := drift.Compare(deep, side(`{"name":"a"}`), mesh.Cluster).Unified(drift.Labels{Indent: "    "})
	if len(got) > 100_000 {
		t.Errorf("got a diff of %d bytes for 18 kB, want it not indented", len(got))
	}
	if !strings.Contains(got, "@@ -1,1 +1,3 @@ a") {
		t.Errorf("got %.200s, want one line replaced by three", got)
	}
}

func load(t *testing.T, paths ...string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load(paths, strings.NewReader(""), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// changed are the lines of a unified diff that were removed or added, without
// blanks, and without the brackets that JSON renderers set differently.
func changed(diff string) []string {
	var out []string
	for line := range strings.Lines(diff) {
		text := strings.TrimSuffix(strings.TrimSpace(strings.TrimLeft(line, "+-")), ",")
		header := strings.HasPrefix(line, "---") || strings.HasPrefix(line, "+++")
		if !header && (line[0] == '-' || line[0] == '+') && strings.Trim(text, "{}[]") != "" {
			out = append(out, line[:1]+text)
		}
	}
	return out
}

// TestPeerDifferences compares with what istioctl 1.0 prints for its own pair of
// dumps: the same lines, but for the filter that has its v3 name here, and with it
// the configuration that v2 left out.
func TestPeerDifferences(t *testing.T) {
	folder := filepath.Join(fixtures.Shared(t), "corpus/peer-goldens/istioctl-1.0/compare/testdata")
	kinds := []struct {
		kind   mesh.ResourceKind
		golden string
	}{{mesh.Cluster, "clusterdiff.txt"}, {mesh.Listener, "listenerdiff.txt"}, {mesh.Route, "routediff.txt"}}
	own := map[string][]string{
		`-"name": "envoy.router"`: {
			`-"name": "envoy.filters.http.router"`, `-"typedConfig": {`,
			`-"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"`,
		},
	}
	pilot, equal, differing := filepath.Join(folder, "pilotconfigdump.json"), filepath.Join(folder, "envoyconfigdump.json"), filepath.Join(folder, "diffenvoyconfigdump.json")
	for _, k := range kinds {
		p := load(t, pilot, equal).Proxies[0]
		if got := drift.Compare(p.Pilot, &p.Config, k.kind).Verdict; got != drift.Same {
			t.Errorf("%s: got %s for the pair that matches, want %s", k.kind, got, drift.Same)
		}
		p = load(t, pilot, differing).Proxies[0]
		golden, err := os.ReadFile(filepath.Join(folder, k.golden))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, line := range changed(string(golden)) {
			if lines, ok := own[line]; ok {
				want = append(want, lines...)
				continue
			}
			want = append(want, line)
		}
		got := changed(drift.Compare(p.Pilot, &p.Config, k.kind).Unified(drift.Labels{Indent: "   "}))
		slices.Sort(got)
		slices.Sort(want)
		if len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", k.kind, got, want)
		}
	}
}

func TestSharedCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	late := func(names string) string { return "differ; " + names }
	const (
		newClusters  = "outbound|3306||late.example.com: only in istiod's view; outbound|8888||late.example.com: only in istiod's view"
		newListeners = "0.0.0.0_8888: only in istiod's view; 240.1.2.3_3306: only in istiod's view"
	)
	same := []string{"same", "same", "same", "same"}
	tests := []struct {
		capture, proxy string
		want           []string // clusters, listeners, routes, endpoints
	}{
		{"captures/bookinfo-allow-any", "details-v1", same},
		{"captures/bookinfo-allow-any", "productpage-v1", same},
		{"captures/bookinfo-allow-any", "ratings-v1", same},
		{"captures/bookinfo-allow-any", "reviews-v1", same},
		{"captures/bookinfo-allow-any", "reviews-v2", same},
		{"captures/bookinfo-allow-any", "reviews-v3", same},
		{"captures/bookinfo-allow-any", "istio-ingressgateway", same},
		{"captures/bookinfo-drift", "details-v1", same},
		{"captures/bookinfo-drift", "ratings-v1", []string{late(newClusters), late(newListeners), "same", "same"}},
		{"captures/bookinfo-drift", "reviews-v3", []string{late(newClusters), late(newListeners), "same", "same"}},
		{"captures/bookinfo-drift", "reviews-v1", []string{"same", late(newListeners + "; apart 0.0.0.0_9080"), "same", "same"}},
		{"corpus/istio-1.5-pair", "", []string{"same", "same", "same", "missing; the capture has no endpoints of either side"}},
		{"corpus/istio-1.0-pair", "", []string{"same", "same", "same", "missing; the capture has no endpoints of either side"}},
	}
	for _, test := range tests {
		t.Run(test.capture+"/"+test.proxy, func(t *testing.T) {
			p, err := load(t, filepath.Join(shared, test.capture)).FindProxy(test.proxy, "")
			if err != nil {
				t.Fatal(err)
			}
			for i, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint} {
				if got := summary(drift.Compare(p.Pilot, &p.Config, kind)); got != test.want[i] {
					t.Errorf("%s: got  %s\nwant %s", kind, got, test.want[i])
				}
			}
		})
	}
}

// FuzzNormalize feeds resources of any content; two runs must agree.
func FuzzNormalize(f *testing.F) {
	f.Add(uint8(0), `{"name":"x","type":"STATIC","circuit_breakers":{"thresholds":[{}]}}`)
	f.Add(uint8(1), `{"filter_chains":[{"filters":[{"typed_config":{"@type":"type.googleapis.com/udpa.type.v1.TypedStruct","type_url":"a/b.C","value":{"a_b":[{"c_d":1}]}}}]}]}`)
	f.Add(uint8(2), `{"virtual_hosts":[{"domains":["b","a"],"request_headers_to_add":[{"header":{"key":"a"}},{}]}]}`)
	f.Add(uint8(3), `{"endpoints":[{"lb_endpoints":[{"endpoint":{}},{"endpoint_name":"x"}]},{}],"policy":{"overprovisioning_factor":140}}`)
	kinds := []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint}
	f.Fuzz(func(t *testing.T, kind uint8, raw string) {
		r := resource(kinds[int(kind)%len(kinds)], raw)
		first, err := drift.Normalize(r)
		second, again := drift.Normalize(r)
		if string(first) != string(second) || (err == nil) != (again == nil) {
			t.Errorf("got %s (%v), then %s (%v)", first, err, second, again)
		}
	})
}
