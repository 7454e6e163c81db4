package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestBuild holds what a folder has to the end of each case; -update rewrites it.
func TestBuild(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding cases: got %d, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			folder := build(t, archive.Files[0].Data, Options{})
			got := summary(folder)
			if fixtures.Update() {
				archive.Files[1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(archive.Files[1].Data); got != want {
				t.Error(fixtures.Diff(file, want, got))
			}
			loopbackOnly(t, folder)
		})
	}
}

func proxyOf(t testing.TB, dump []byte) *mesh.Proxy {
	t.Helper()
	capture, err := loader.Load([]string{"-"}, bytes.NewReader(dump), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(capture.Proxies) != 1 {
		t.Fatalf("got %d proxies, want 1", len(capture.Proxies))
	}
	return capture.Proxies[0]
}

func build(t testing.TB, dump []byte, opts Options) *Folder {
	t.Helper()
	folder, err := Build(proxyOf(t, dump), opts)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// summary is a folder in lines: what it has, and Envoy's files in one line each.
func summary(f *Folder) string {
	var out strings.Builder
	for _, file := range f.Files {
		private := ""
		if file.Private {
			private = " private"
		}
		fmt.Fprintf(&out, "file %s%s\n", file.Path, private)
	}
	fmt.Fprintf(&out, "admin %s\n", f.Admin)
	for _, l := range f.Listeners {
		fmt.Fprintf(&out, "listener %s %s at %s %s %s\n", l.Name, l.Captured, l.Address, l.Direction, strings.Join(notes(l), ", "))
	}
	for _, b := range f.Backends {
		fmt.Fprintf(&out, "stub %s for %q of %q\n", b.Address, b.Endpoint, b.Clusters)
	}
	for _, c := range f.Changes {
		fmt.Fprintf(&out, "%s: %s (%d, %s)\n", c.What, c.Why, c.Count, c.Where)
	}
	for _, file := range f.Files {
		if strings.HasSuffix(file.Path, ".json") && !strings.HasPrefix(file.Path, "secrets/") {
			fmt.Fprintf(&out, "\n%s\n%s", file.Path, file.Data)
		}
	}
	return out.String()
}

// loopbackOnly fails if anything would be bound or connected to beyond loopback.
func loopbackOnly(t *testing.T, f *Folder) {
	t.Helper()
	check := func(where string, a *corev3.Address) {
		if a.GetEnvoyInternalAddress() != nil {
			return
		}
		ip, err := netip.ParseAddr(a.GetSocketAddress().GetAddress())
		if err != nil || !ip.IsLoopback() {
			t.Errorf("%s: got address %s, want one on loopback", where, addressText(a))
		}
	}
	for _, resource := range resources(t, f, clustersPath) {
		cluster := resource.(*clusterv3.Cluster)
		for _, locality := range cluster.GetLoadAssignment().GetEndpoints() {
			for _, host := range locality.GetLbEndpoints() {
				check("cluster "+cluster.GetName(), host.GetEndpoint().GetAddress())
			}
		}
	}
	for _, resource := range resources(t, f, listenersPath) {
		listener := resource.(*listenerv3.Listener)
		if !bound(listener) {
			continue
		}
		for _, address := range addresses(listener) {
			check("listener "+listener.GetName(), address)
		}
	}
}

func resources(t *testing.T, f *Folder, path string) []proto.Message {
	t.Helper()
	for _, file := range f.Files {
		if file.Path != path {
			continue
		}
		var response discoveryv3.DiscoveryResponse
		if err := protojson.Unmarshal(file.Data, &response); err != nil {
			t.Fatalf("reading %s: %v", path, err)
		}
		var out []proto.Message
		for _, packed := range response.GetResources() {
			m, err := packed.UnmarshalNew()
			if err != nil {
				t.Fatalf("reading %s: %v", path, err)
			}
			out = append(out, m)
		}
		return out
	}
	t.Fatalf("the folder has no %s", path)
	return nil
}

func sidecarDump(t testing.TB) []byte {
	t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "sidecar.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return archive.Files[0].Data
}

func TestBuildIsDeterministic(t *testing.T) {
	text := func() string {
		folder := build(t, sidecarDump(t), Options{Lua: true})
		var out bytes.Buffer
		for _, file := range folder.Files {
			fmt.Fprintf(&out, "%s\n%s", file.Path, file.Data)
		}
		return out.String()
	}
	first := text()
	for range 3 {
		if again := text(); again != first {
			t.Fatal(fixtures.Diff("folder", first, again))
		}
	}
}

func TestBuildLua(t *testing.T) {
	for _, lua := range []bool{false, true} {
		folder := build(t, sidecarDump(t), Options{Lua: lua})
		if got := strings.Contains(summary(folder), "envoy_on_request"); got != lua {
			t.Errorf("with Lua %v: got Lua in the folder %v", lua, got)
		}
	}
}

func TestBuildHost(t *testing.T) {
	folder := build(t, sidecarDump(t), Options{Host: netip.MustParseAddr("127.0.0.7"), AdminPort: 15001})
	for _, l := range folder.Listeners {
		if l.Address.Addr() != folder.Admin.Addr() {
			t.Errorf("got listener at %s, want it at 127.0.0.7", l.Address)
		}
		if l.Address == folder.Admin {
			t.Errorf("got the admin interface at %s, which listener %s has", folder.Admin, l.Name)
		}
	}
}

func TestBuildErrors(t *testing.T) {
	tests := []struct {
		name  string
		proxy *mesh.Proxy
		opts  Options
		want  string
	}{
		{"nothing", &mesh.Proxy{Name: "a"}, Options{}, "expected a config_dump"},
		{"ztunnel", &mesh.Proxy{Name: "a", Kind: mesh.Ztunnel}, Options{}, "it is a ztunnel"},
		{"beyond loopback", proxyOf(t, sidecarDump(t)), Options{Host: netip.MustParseAddr("10.0.0.1")}, "expected a loopback address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Build(test.proxy, test.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

// TestBuildCorpus builds every captured proxy: nothing may point beyond loopback,
// and all JSON must be JSON.
func TestBuildCorpus(t *testing.T) {
	var paths []string
	for _, name := range []string{"captures/shop.tar.gz", "captures/waypoint", "captures/broken", "captures/envoy-real", "corpus"} {
		paths = append(paths, filepath.Join(fixtures.Shared(t), filepath.FromSlash(name)))
	}
	capture, err := loader.Load(paths, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, p := range capture.Proxies {
		if p.Kind == mesh.Ztunnel || len(p.Listeners)+len(p.Clusters) == 0 {
			continue
		}
		folder, err := Build(p, Options{Lua: true})
		if err != nil {
			t.Errorf("%s: %v", p.Key(), err)
			continue
		}
		built++
		loopbackOnly(t, folder)
		for _, file := range folder.Files {
			if strings.HasSuffix(file.Path, ".json") && !json.Valid(file.Data) {
				t.Errorf("%s: %s is not JSON", p.Key(), file.Path)
			}
		}
	}
	if built < 50 {
		t.Errorf("got %d proxies built, want 50 at least", built)
	}
}

func FuzzBuild(f *testing.F) {
	f.Add(sidecarDump(f))
	f.Add([]byte(`{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump","bootstrap":{}},{"@type":"type.googleapis.com/envoy.admin.v3.ListenersConfigDump","dynamic_listeners":[{"name":"a","active_state":{"listener":{"name":"a","address":{"pipe":{"path":"/x"}},"additional_addresses":[{}],"filter_chains":[{}]}}}]}]}`))
	f.Fuzz(func(t *testing.T, dump []byte) {
		capture, err := loader.Load([]string{"-"}, bytes.NewReader(dump), loader.Options{})
		if err != nil {
			return
		}
		for _, p := range capture.Proxies {
			folder, err := Build(p, Options{})
			if err != nil {
				continue
			}
			loopbackOnly(t, folder)
		}
	})
}
