//go:build conformance

package loader_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader"
)

// realEnvoy is an Envoy that runs in a folder of its own, configured by files.
type realEnvoy struct {
	dir   string
	admin string // address of the admin interface
}

// startEnvoy starts the Envoy that MESHRAY_ENVOY names with the first set of
// resources, and skips the test where there is none.
func startEnvoy(t *testing.T, clusters, listeners []string) *realEnvoy {
	t.Helper()
	binary := os.Getenv("MESHRAY_ENVOY")
	if binary == "" {
		t.Skip("needs a real Envoy: `make conformance` installs one, or set MESHRAY_ENVOY to its path")
	}
	e := &realEnvoy{dir: t.TempDir()}
	e.push(t, "v1", clusters, listeners)
	e.write(t, "bootstrap.json", fmt.Sprintf(`{
	 "node": {"id": "sidecar~127.0.0.1~real-1.ns~ns.svc.cluster.local", "cluster": "real", "metadata": {"ISTIO_VERSION": "1.32.0"}},
	 "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
	 "dynamic_resources": {"cds_config": {"path_config_source": {"path": %q}}, "lds_config": {"path_config_source": {"path": %q}}},
	 "static_resources": {"clusters": [{"name": "nowhere", "type": "STATIC", "connect_timeout": "1s",
	  "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}},
	  "load_assignment": {"cluster_name": "nowhere", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}}]}]}}]}}`,
		filepath.Join(e.dir, "cds.json"), filepath.Join(e.dir, "lds.json")))
	address := filepath.Join(e.dir, "admin.txt")
	cmd := exec.Command(binary, "-c", filepath.Join(e.dir, "bootstrap.json"), "--admin-address-path", address,
		"--log-path", filepath.Join(e.dir, "envoy.log"), "--concurrency", "1", "--disable-hot-restart")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	e.wait(t, "its admin interface", func() bool {
		text, err := os.ReadFile(address)
		e.admin = strings.TrimSpace(string(text))
		return err == nil && e.admin != "" && strings.Contains(e.get(t, "ready"), "LIVE")
	})
	return e
}

// push puts a new set of resources in place; Envoy watches for moved files.
func (e *realEnvoy) push(t *testing.T, version string, clusters, listeners []string) {
	t.Helper()
	for _, set := range []struct {
		name, typeURL string
		resources     []string
	}{
		{"cds.json", "type.googleapis.com/envoy.config.cluster.v3.Cluster", clusters},
		{"lds.json", "type.googleapis.com/envoy.config.listener.v3.Listener", listeners},
	} {
		for i, r := range set.resources {
			set.resources[i] = strings.Replace(r, "{", fmt.Sprintf(`{"@type": %q, `, set.typeURL), 1)
		}
		e.write(t, set.name+".new", fmt.Sprintf(`{"version_info": %q, "resources": [%s]}`, version, strings.Join(set.resources, ",")))
		if err := os.Rename(filepath.Join(e.dir, set.name+".new"), filepath.Join(e.dir, set.name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (e *realEnvoy) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (e *realEnvoy) get(t *testing.T, path string) string {
	t.Helper()
	response, err := http.Get("http://" + e.admin + "/" + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wait polls until Envoy has come to something; it gives up after 20 seconds.
func (e *realEnvoy) wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(e.dir, "envoy.log"))
	t.Fatalf("Envoy did not come to %s; its log:\n%s", what, log)
}

// capture saves the admin endpoints under the given names, with Envoy's log.
func (e *realEnvoy) capture(t *testing.T, endpoints map[string]string) *mesh.Capture {
	t.Helper()
	dir := t.TempDir()
	for name, path := range endpoints {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(e.get(t, path)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.ReadFile(filepath.Join(e.dir, "envoy.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "envoy.log"), log, 0o644); err != nil {
		t.Fatal(err)
	}
	capture, err := loader.Load([]string{dir}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

func staticCluster(name, more string) string {
	return fmt.Sprintf(`{"name": %q, "type": "STATIC", "connect_timeout": "1s"%s, "load_assignment": {"cluster_name": %q, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 9}}}}]}]}}`, name, more, name)
}

func httpListener(name string, chains int) string {
	chain := `{"filters": [{"name": "http", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "x", "route_config": {"name": "inline"}, "http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}]}`
	return fmt.Sprintf(`{"name": %q, "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}, "filter_chains": [%s]}`, name, strings.Repeat(chain+",", chains-1)+chain)
}

// TestRealEnvoy has a real Envoy accept one update and refuse parts of the next,
// and compares what the loader makes of its admin output with what was done to
// it. Every endpoint must be recognised by its content.
func TestRealEnvoy(t *testing.T) {
	e := startEnvoy(t, []string{staticCluster("good", "")}, []string{httpListener("edge", 1), httpListener("gone", 1)})
	const waiting = `{"name": "waiting", "type": "EDS", "connect_timeout": "1s", "eds_cluster_config": {"eds_config": {"resource_api_version": "V3", "initial_fetch_timeout": "0s", "api_config_source": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "nowhere"}}]}}}}`
	e.push(t, "v2", []string{staticCluster("good", ""), staticCluster("bad_lb", `, "lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 10, "maximum_ring_size": 5}`), waiting},
		[]string{httpListener("edge", 2)})
	e.wait(t, "refusing the update", func() bool {
		stats := e.get(t, "stats")
		return strings.Contains(stats, "cluster_manager.cds.update_rejected: 1") && strings.Contains(stats, "listener_manager.lds.update_rejected: 1")
	})
	capture := e.capture(t, map[string]string{
		"a": "config_dump?include_eds", "b": "clusters", "c": "listeners", "d": "certs", "e": "server_info",
		"f": "stats", "g": "memory", "h": "runtime", "i": "stats/prometheus", "j": "stats?format=json",
	})
	for _, in := range capture.Inputs {
		otherForm := in.Kind == mesh.KindStats && in.Instead == "f"
		if in.Fate != mesh.FateRead && !otherForm {
			t.Errorf("%s (%s) is %s: %s", in.Path, in.Kind, in.Fate, in.Reason)
		}
	}
	if len(capture.Proxies) != 1 {
		t.Fatalf("got %d proxies, want the one that ran", len(capture.Proxies))
	}
	p := capture.Proxies[0]
	if p.Key() != "real-1.ns" || p.Kind != mesh.Sidecar || !strings.HasPrefix(p.EnvoyVersion, "1.") {
		t.Errorf("got %s, %s, Envoy %q", p.Key(), p.Kind, p.EnvoyVersion)
	}
	var got []string
	for _, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener} {
		for _, r := range p.Resources(kind) {
			got = append(got, fmt.Sprintf("%s %s %s", kind, r.Name(), r.State))
		}
	}
	want := []string{"cluster nowhere active", "cluster good active", "cluster bad_lb rejected", "cluster waiting warming", "listener edge active", "listener edge rejected", "listener gone draining"}
	if fmt.Sprint(got) != fmt.Sprint(want) && fmt.Sprint(got) != fmt.Sprint(append(want[:len(want)-1:len(want)-1], "listener gone active")) {
		t.Errorf("got %q, want %q", got, want)
	}
	if stats, err := p.Stats.Get(); err != nil || len(stats.Rejections()) != 2 {
		t.Errorf("got %v (%v), want one refused CDS and one refused LDS update", stats.Rejections(), err)
	}
}

// TestRealClusters compares /clusters as text with the JSON of the same moment.
func TestRealClusters(t *testing.T) {
	e := startEnvoy(t, []string{staticCluster("one", ""), staticCluster("two::with|odd name", `, "metadata": {}`)}, nil)
	text := e.capture(t, map[string]string{"dump": "config_dump", "clusters": "clusters"}).Proxies[0]
	asJSON := e.capture(t, map[string]string{"dump": "config_dump", "clusters": "clusters?format=json"}).Proxies[0]
	got, err := text.ClusterStatus.Get()
	if err != nil {
		t.Fatal(err)
	}
	want, err := asJSON.ClusterStatus.Get()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for _, c := range got.GetClusterStatuses() {
		names[c.GetName()] += len(c.GetHostStatuses())
	}
	for _, c := range want.GetClusterStatuses() {
		names[c.GetName()] -= len(c.GetHostStatuses())
	}
	for name, n := range names {
		if n != 0 {
			t.Errorf("cluster %q: %d hosts more in the text than in the JSON", name, n)
		}
	}
	if proto.Size(got) == 0 || len(names) != 3 {
		out, _ := json.Marshal(names)
		t.Errorf("got clusters %s, want three", out)
	}
}
