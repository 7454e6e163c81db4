//go:build conformance

package live

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// realEnvoy is the Envoy to compare with; without one the test is skipped.
func realEnvoy(t *testing.T) string {
	t.Helper()
	path := os.Getenv("MESHRAY_ENVOY")
	if path == "" {
		t.Skip("needs an Envoy: MESHRAY_ENVOY names none; `make conformance` installs one")
	}
	return path
}

func openCapture(t *testing.T, name string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{filepath.Join(fixtures.Shared(t), filepath.FromSlash(name))}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// startProxy replays a proxy with a real Envoy, at an address of this test's own.
func startProxy(t *testing.T, p *mesh.Proxy) (*Session, *replay.Folder) {
	t.Helper()
	envoy := realEnvoy(t)
	folder, err := replay.Build(p, replay.Options{Host: netip.MustParseAddr("127.0.0.91"), Lua: true})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Write(folder, dir, false); err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), folder, Options{Dir: dir, Envoy: envoy})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, folder
}

// TestStart has a real Envoy take whole captures: it must start, refuse nothing,
// and have every cluster that was written for it.
func TestStart(t *testing.T) {
	captures := []string{
		"captures/bookinfo-allow-any", "captures/bookinfo-registry-only", "captures/bookinfo-drift", "captures/broken",
		"captures/waypoint", "captures/shop.tar.gz", "captures/envoy-real/before", "captures/envoy-real/after",
		"corpus/istio-1.0-pair", "corpus/istio-1.1", "corpus/istio-1.3", "corpus/istio-1.5-bookinfo", "corpus/istio-1.8",
		"corpus/istio-authz", "corpus/istio-1.21-envoyfilter", "corpus/bug-report-1.25", "corpus/openshift-1.20",
		"corpus/consul", "corpus/envoy-gateway", "corpus/kuma", "corpus/osm", "corpus/plain-envoy-1.14",
	}
	for _, name := range captures {
		for _, p := range openCapture(t, name).Proxies {
			if p.Kind == mesh.Ztunnel || len(p.Listeners)+len(p.Clusters) == 0 {
				continue
			}
			t.Run(name+"/"+p.Key(), func(t *testing.T) {
				s, folder := startProxy(t, p)
				for _, refused := range s.Rejected {
					t.Errorf("Envoy refuses %s: %s", refused.Name, refused.Reason)
				}
				clusters, err := s.Get(t.Context(), "/config_dump?resource=dynamic_active_clusters&mask=cluster.name")
				if err != nil {
					t.Fatal(err)
				}
				if got, want := strings.Count(string(clusters), `"cluster":`), written(t, folder, "cds.json"); got != want {
					t.Errorf("Envoy has %d of %d clusters; the end of its log:\n%s", got, want, s.tail())
				}
			})
		}
	}
}

// written counts the resources of a file.
func written(t *testing.T, folder *replay.Folder, path string) int {
	t.Helper()
	for _, file := range folder.Files {
		if file.Path == path {
			return strings.Count(string(file.Data), "\n      \"@type\"")
		}
	}
	t.Fatalf("the folder has no %s", path)
	return 0
}
