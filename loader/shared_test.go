package loader_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestShared opens every entry of the shared corpus and captures and compares
// what was found with a table that was written from looking at the files: how
// many files have which fate, which proxies there are, and how many resources
// each has by state. Every file must be accounted for.
func TestShared(t *testing.T) {
	shared := fixtures.Shared(t)
	var got strings.Builder
	for _, folder := range []string{"corpus", "captures"} {
		entries, err := os.ReadDir(filepath.Join(shared, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			name := folder + "/" + e.Name()
			capture, err := loader.Load([]string{filepath.Join(shared, name)}, nil, loader.Options{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			fmt.Fprintf(&got, "%s\t%s\n", name, fates(capture))
			for _, in := range capture.Inputs {
				if in.Fate == mesh.FateDamaged || in.Fate == mesh.FateUnknown && !strings.HasSuffix(in.Path, ".txt") {
					fmt.Fprintf(&got, "\t%s\t%s\n", in.Fate, in.Path)
				}
			}
			for _, p := range capture.Proxies {
				fmt.Fprintf(&got, "\t%s\t%s\t%s\n", p.Key(), p.Kind, counts(p))
			}
		}
	}
	want, err := os.ReadFile(filepath.Join(fixtures.Root(t), "fixtures", "loader", "shared.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("want fixtures/loader/shared.tsv to hold what was found; check each difference by hand:\n%s",
			fixtures.Diff("fixtures/loader/shared.tsv", string(want), got.String()))
	}
}

func fates(c *mesh.Capture) string {
	n := map[mesh.Fate]int{}
	for _, in := range c.Inputs {
		n[in.Fate]++
	}
	return fmt.Sprintf("%d files: %d read, %d ignored, %d damaged, %d unknown; %d istiods, %d proxies", len(c.Inputs),
		n[mesh.FateRead], n[mesh.FateIgnored], n[mesh.FateDamaged], n[mesh.FateUnknown], len(c.ControlPlanes), len(c.Proxies))
}

func counts(p *mesh.Proxy) string {
	var out []string
	for _, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret, mesh.ScopedRoute, mesh.Extension} {
		n := map[mesh.State]int{}
		for _, r := range p.Resources(kind) {
			n[r.State]++
		}
		for _, state := range []mesh.State{mesh.Active, mesh.Warming, mesh.Draining, mesh.Rejected} {
			if n[state] > 0 {
				out = append(out, fmt.Sprintf("%d %s %s", n[state], kind, state))
			}
		}
	}
	if p.Pilot != nil {
		out = append(out, fmt.Sprintf("istiod's view: %d clusters %d listeners %d routes", len(p.Pilot.Clusters), len(p.Pilot.Listeners), len(p.Pilot.Routes)))
	}
	return strings.Join(out, ", ")
}
