//go:build conformance

package live

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/fixtures"
)

// TestReplayed replays ten proxies of the shop capture, sends the recorded requests
// and compares what this Envoy does with what was recorded.
func TestReplayed(t *testing.T) {
	realEnvoy(t)
	capture := openCapture(t, "captures/shop.tar.gz")
	files, err := filepath.Glob(filepath.Join(fixtures.Shared(t), "captures", "replayed", "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the recorded requests: got %d files, error %v", len(files), err)
	}
	for _, file := range files {
		pod := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(pod, func(t *testing.T) {
			p, err := capture.FindProxy(pod, "")
			if err != nil {
				t.Fatal(err)
			}
			s, _ := startProxy(t, p)
			lines := readLines(t, file)
			observed, err := s.SendAll(t.Context(), lines)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range observed {
				if want := *lines[i].Observed; comparable(got) != comparable(want) && explained(lines[i].Request.Method, got, want) == "" {
					t.Errorf("%s: %+v\ngot  %+v\nwant %+v", lines[i].ID, lines[i].Request, comparable(got), comparable(want))
				}
			}
		})
	}
}

func readLines(t *testing.T, path string) []request.Line {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []request.Line
	err = request.Read(file, filepath.Base(path), func(_ int, line request.Line) error {
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// comparable is what a recording tells for certain. It has no virtual hosts and no
// endpoints; its stub wrote "//" at the start of a path as "/"; a termination by
// RBAC is told as details here only; and how a failed connection ended depended on
// the recording client.
func comparable(o request.Observed) request.Observed {
	failed := ""
	if o.Error != "" && o.Protocol != request.TCP && o.Flags != "NR" {
		failed = "failed"
	}
	if o.Protocol == request.TCP || o.Error != "" && o.Flags == "" {
		o.Details = ""
	}
	return request.Observed{
		Status: o.Status, Flags: o.Flags, Details: o.Details, FilterChain: o.FilterChain, Route: o.Route,
		Cluster: o.Cluster, Location: o.Location, Protocol: o.Protocol, Error: failed,
		UpstreamPath: "/" + strings.TrimLeft(o.UpstreamPath, "/"), UpstreamAuthority: o.UpstreamAuthority,
	}
}

// explained says why an observation may differ from the recorded one.
func explained(method string, got, want request.Observed) string {
	switch {
	case want.Flags == "UAEX":
		return "the recording's stub was no authorization service; these allow everything"
	case strings.Contains(got.Flags+want.Flags, "DI"), strings.Contains(got.Flags+want.Flags, "FI"):
		return "a fault is injected into a share of the requests"
	case method == "HEAD" && got.Status == want.Status && got.Cluster == want.Cluster:
		return "the recording's stub told the path in the body alone"
	}
	return ""
}
