package loader

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/fixtures"
)

// TestParseClustersAgreesWithJSON compares both forms of /clusters, saved at the same moment.
func TestParseClustersAgreesWithJSON(t *testing.T) {
	shared := fixtures.Shared(t)
	var pairs []string
	for _, pattern := range []string{"envoy-real/*", "bookinfo-*/*/*", "broken/*/*", "waypoint/*/*"} {
		found, err := filepath.Glob(filepath.Join(shared, "captures", pattern, "clusters.json"))
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, found...)
	}
	if len(pairs) < 20 {
		t.Fatalf("got %d pairs of clusters and clusters.json, want 20 or more", len(pairs))
	}
	for _, jsonPath := range pairs {
		name, _ := filepath.Rel(shared, jsonPath)
		t.Run(filepath.ToSlash(filepath.Dir(name)), func(t *testing.T) {
			want := &adminv3.Clusters{}
			if err := protojson.Unmarshal(readFile(t, jsonPath), want); err != nil {
				t.Fatal(err)
			}
			got, err := parseClusters(readFile(t, strings.TrimSuffix(jsonPath, ".json")))
			if err != nil {
				t.Errorf("got error %v, want none", err)
			}
			// Only Envoy itself wrote the statistics of both forms.
			whole := strings.Contains(name, "envoy-real")
			withoutOrder(got, whole)
			withoutOrder(want, whole)
			if !proto.Equal(got, want) {
				t.Error(fixtures.Diff(name, indented(t, want), indented(t, got)))
			}
		})
	}
}

// withoutOrder sorts clusters, which Envoy takes from a hash map.
func withoutOrder(c *adminv3.Clusters, whole bool) {
	slices.SortFunc(c.ClusterStatuses, func(a, b *adminv3.ClusterStatus) int { return strings.Compare(a.Name, b.Name) })
	if whole {
		return
	}
	for _, cluster := range c.ClusterStatuses {
		cluster.CircuitBreakers = nil
		for _, host := range cluster.HostStatuses {
			host.Stats = nil
			if internal := host.Address.GetEnvoyInternalAddress(); internal != nil {
				internal.EndpointId = ""
			}
		}
	}
}

// TestAdminPagesOfBugReport reads the pages of a real sidecar and gateway of Istio 1.25.
func TestAdminPagesOfBugReport(t *testing.T) {
	capture, err := Load([]string{filepath.Join(fixtures.Shared(t), "corpus", "bug-report-1.25", "bug-report.tar.gz")}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range capture.Proxies {
		clusters, err := p.ClusterStatus.Get()
		if got, want := len(clusters.GetClusterStatuses()), len(p.Clusters); err != nil || got != want {
			t.Errorf("%s: got %d clusters and error %v, want the %d of the dump", p.Key(), got, err, want)
		}
		listeners, err := p.ListenerStatus.Get()
		if got, want := len(listeners.GetListenerStatuses()), len(p.Listeners); err != nil || got != want {
			t.Errorf("%s: got %d listeners and error %v, want the %d of the dump", p.Key(), got, err, want)
		}
		stats, err := p.Stats.Get()
		if err != nil || len(stats.Samples) < 100 {
			t.Errorf("%s: got %v and error %v, want 100 samples or more", p.Key(), stats, err)
		}
		runtime, err := p.Runtime.Get()
		if got := runtime["re2.max_program_size.error_level"]; err != nil || got != "32768" {
			t.Errorf("%s: got re2.max_program_size.error_level %q and error %v, want 32768", p.Key(), got, err)
		}
	}
}

func indented(t testing.TB, m proto.Message) string {
	t.Helper()
	out, err := protojson.MarshalOptions{Multiline: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(out), ":  ", ": ")
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParseClusters(t *testing.T) {
	tests := []struct {
		name, page string
		want       string
		wantErr    string
	}{
		{
			name: "names and addresses with colons",
			page: "a::b::observability_name::a::b;\n" +
				"a::b::added_via_api::true\n" +
				"a::b::[fd00::1]:8080::cx_total::7\n" +
				"a::b::[fd00::1]:8080::hostname::fd00::1\n",
			want: `{"clusterStatuses":[{"name":"a::b","addedViaApi":true,"hostStatuses":[{"address":{"socketAddress":{"address":"fd00::1","portValue":8080}},"stats":[{"value":"7","name":"cx_total"}],"hostname":"fd00::1"}],"observabilityName":"a::b;"}]}`,
		},
		{
			name: "a cluster whose name begins as another's",
			page: "a::added_via_api::false\na::10.0.0.1:1::cx_total::1\na::b::added_via_api::true\na::b::10.0.0.1:1::cx_total::2\n",
			want: `{"clusterStatuses":[{"name":"a","hostStatuses":[{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"stats":[{"value":"1","name":"cx_total"}]}]},` +
				`{"name":"a::b","addedViaApi":true,"hostStatuses":[{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"stats":[{"value":"2","name":"cx_total"}]}]}]}`,
		},
		{
			name: "pipes, internal and abstract addresses",
			page: "x::./var/run/socket::cx_total::1\nx::/run/a::b.sock::cx_total::2\nx::@abstract::cx_total::3\nx::envoy://connect_originate/[fd00::1]:15008::cx_total::4\n",
			want: `{"clusterStatuses":[{"name":"x","hostStatuses":[{"address":{"pipe":{"path":"./var/run/socket"}},"stats":[{"value":"1","name":"cx_total"}]},` +
				`{"address":{"pipe":{"path":"/run/a::b.sock"}},"stats":[{"value":"2","name":"cx_total"}]},` +
				`{"address":{"pipe":{"path":"@abstract"}},"stats":[{"value":"3","name":"cx_total"}]},` +
				`{"address":{"envoyInternalAddress":{"serverListenerName":"connect_originate","endpointId":"[fd00::1]:15008"}},"stats":[{"value":"4","name":"cx_total"}]}]}]}`,
		},
		{
			name: "one address twice",
			page: "x::envoy://in/::cx_total::1\nx::envoy://in/::weight::1\nx::envoy://in/::cx_total::2\nx::envoy://in/::weight::3\n",
			want: `{"clusterStatuses":[{"name":"x","hostStatuses":[{"address":{"envoyInternalAddress":{"serverListenerName":"in"}},"stats":[{"value":"1","name":"cx_total"}],"weight":1},` +
				`{"address":{"envoyInternalAddress":{"serverListenerName":"in"}},"stats":[{"value":"2","name":"cx_total"}],"weight":3}]}]}`,
		},
		{
			name: "health",
			page: "x::10.0.0.1:1::health_flags::healthy\nx::10.0.0.2:1::health_flags::/failed_active_hc/failed_outlier_check/failed_eds_health\n" +
				"x::10.0.0.3:1::health_flags::/degraded_active_hc/degraded_eds_health/pending_dynamic_removal/pending_active_hc/excluded_via_immediate_hc_fail/active_hc_timeout\n" +
				"x::10.0.0.4:1::health_flags::/eds_status_draining\n",
			want: `{"clusterStatuses":[{"name":"x","hostStatuses":[` +
				`{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"healthStatus":{"edsHealthStatus":"HEALTHY"}},` +
				`{"address":{"socketAddress":{"address":"10.0.0.2","portValue":1}},"healthStatus":{"failedActiveHealthCheck":true,"failedOutlierCheck":true,"edsHealthStatus":"UNHEALTHY"}},` +
				`{"address":{"socketAddress":{"address":"10.0.0.3","portValue":1}},"healthStatus":{"failedActiveDegradedCheck":true,"pendingDynamicRemoval":true,"pendingActiveHc":true,"excludedViaImmediateHcFail":true,"activeHcTimeout":true,"edsHealthStatus":"DEGRADED"}},` +
				`{"address":{"socketAddress":{"address":"10.0.0.4","portValue":1}},"healthStatus":{"edsHealthStatus":"DRAINING"}}]}]}`,
		},
		{
			name: "old Envoy, CRLF",
			page: "version_info::static\r\nx::default_priority::max_connections::9\r\nx::high_priority::max_retries::3\r\nx::added_via_api::false\r\n" +
				"x::127.0.0.1:80::cx_active::5\r\nx::127.0.0.1:80::cx_total::6\r\nx::127.0.0.1:80::zone::z\r\nx::127.0.0.1:80::canary::false\r\nx::127.0.0.1:80::success_rate::-1\r\n",
			want: `{"clusterStatuses":[{"name":"x","hostStatuses":[{"address":{"socketAddress":{"address":"127.0.0.1","portValue":80}},"stats":[{"value":"6","name":"cx_total"},{"type":"GAUGE","value":"5","name":"cx_active"}],"locality":{"zone":"z"}}],` +
				`"circuitBreakers":{"thresholds":[{"maxConnections":9},{"priority":"HIGH","maxRetries":3}]}}]}`,
		},
		{
			name: "outlier detection",
			page: "x::outlier::success_rate_average::99.5\nx::outlier::success_rate_ejection_threshold::91.25\nx::outlier::local_origin_success_rate_average::-1\nx::outlier::local_origin_success_rate_ejection_threshold::-1\n" +
				"x::127.0.0.1:80::success_rate::98.5\nx::127.0.0.1:80::local_origin_success_rate::100\nx::127.0.0.1:80::priority::2\n",
			want: `{"clusterStatuses":[{"name":"x","successRateEjectionThreshold":{"value":91.25},"hostStatuses":[{"address":{"socketAddress":{"address":"127.0.0.1","portValue":80}},"successRate":{"value":98.5},"priority":2,"localOriginSuccessRate":{"value":100}}]}]}`,
		},
		{
			name:    "garbage among lines",
			page:    "Defaulted container \"istio-proxy\"\nx::added_via_api::true\nx::10.0.0.1:1::cx_total::many\nx::10.0.0.1:1::cx_total::1\n\x00\x00\n",
			want:    `{"clusterStatuses":[{"name":"x","addedViaApi":true,"hostStatuses":[{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"stats":[{"value":"1","name":"cx_total"}]}]}]}`,
			wantErr: `expected "cluster::address::statistic::value": lines passed over: 3, the first is line 1: "Defaulted container \"istio-proxy\""`,
		},
		{
			name:    "cut in the last line",
			page:    "x::10.0.0.1:1::cx_total::1\nx::10.0.0.1:1::cx_ac",
			want:    `{"clusterStatuses":[{"name":"x","hostStatuses":[{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"stats":[{"value":"1","name":"cx_total"}]}]}]}`,
			wantErr: `expected "cluster::address::statistic::value": lines passed over: 1, the first is line 2: "x::10.0.0.1:1::cx_ac"`,
		},
		{
			name: "invalid UTF-8",
			page: "x\xff::10.0.0.1:1::region::\xfe\n",
			want: `{"clusterStatuses":[{"name":"x�","hostStatuses":[{"address":{"socketAddress":{"address":"10.0.0.1","portValue":1}},"locality":{"region":"�"}}]}]}`,
		},
		{
			name:    "one huge line",
			page:    strings.Repeat("::", 1<<16),
			want:    `{}`,
			wantErr: `expected "cluster::address::statistic::value": lines passed over: 1, the first is line 1: "` + strings.Repeat("::", 30) + `..."`,
		},
		{name: "empty", page: "", want: `{}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			clusters, err := parseClusters([]byte(test.page))
			if got := message(err); got != test.wantErr {
				t.Errorf("got error %q\nwant %q", got, test.wantErr)
			}
			want := &adminv3.Clusters{}
			if err := protojson.Unmarshal([]byte(test.want), want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(clusters, want) {
				t.Error(fixtures.Diff("clusters", indented(t, want), indented(t, clusters)))
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func FuzzParseClusters(f *testing.F) {
	f.Add([]byte("a|b::observability_name::a|b;\na|b::outlier::success_rate_average::-1\na|b::default_priority::max_retries::3\na|b::added_via_api::true\n" +
		"a|b::[::1]:80::cx_active::1\na|b::[::1]:80::health_flags::/failed_eds_health\r\n"))
	f.Add([]byte("x::envoy://in/e::cx_total::1\nx::envoy://in/e::cx_total::1\n::::\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		clusters, err := parseClusters(raw)
		if clusters == nil {
			t.Fatalf("got no value with error %v, want what could be read", err)
		}
		if _, err := proto.Marshal(clusters); err != nil {
			t.Errorf("got a message that cannot be marshalled: %v", err)
		}
		for _, c := range clusters.ClusterStatuses {
			for _, h := range c.HostStatuses {
				if h.Address == nil {
					t.Errorf("got a host of %q without an address", c.Name)
				}
			}
		}
	})
}

func BenchmarkParseClusters(b *testing.B) {
	var page strings.Builder
	for i := range 15_000 {
		for _, rest := range []string{"cx_active::2", "cx_connect_fail::0", "cx_total::2", "rq_active::0", "rq_error::0", "rq_pending_active::0", "rq_success::17", "rq_timeout::0", "rq_total::17",
			"hostname::", "health_flags::healthy", "weight::1", "region::eu", "zone::a", "sub_zone::", "canary::false", "priority::0", "success_rate::-1", "local_origin_success_rate::-1"} {
			fmt.Fprintf(&page, "outbound|8080||service-%d.namespace.svc.cluster.local::10.%d.%d.7:18101::%s\n", i/5, i>>8&255, i&255, rest)
		}
	}
	raw := []byte(page.String())
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := parseClusters(raw); err != nil {
			b.Fatal(err)
		}
	}
}
