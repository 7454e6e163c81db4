package expect_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

func load(t *testing.T, path ...string) *mesh.Capture {
	t.Helper()
	folder := filepath.Join(append([]string{fixtures.Shared(t)}, path...)...)
	capture, err := loader.Load([]string{folder}, nil, loader.Options{})
	if err != nil {
		t.Fatalf("loading %v: %v", path, err)
	}
	return capture
}

// A real Envoy's access log, read with the format in its own listeners, is what the
// clients that caused it have noted.
func TestRealAccessLog(t *testing.T) {
	for _, state := range []string{"before", "after"} {
		t.Run(state, func(t *testing.T) {
			folder := filepath.Join(fixtures.Shared(t), "captures", "envoy-real", state)
			capture := load(t, "captures", "envoy-real", state, "config_dump.json")
			formats, unread := expect.FormatsOf(capture.Proxies[0])
			if len(formats) != 1 || len(unread) != 0 {
				t.Fatalf("got %d formats, unread %q; want one format", len(formats), unread)
			}
			log := openFile(t, filepath.Join(folder, "access.log"))
			lines := map[string][]request.Line{}
			summary, err := expect.ReadLog(log, formats, func(e expect.Entry) error {
				if e.Time.Year() != 2026 {
					t.Errorf("line %d: got time %v; want one of 2026", e.Number, e.Time)
				}
				id, _ := e.Line.Request.Headers.Get("x-case")
				lines[id] = append(lines[id], e.Line)
				return nil
			})
			if err != nil || summary.Unread != 0 || summary.Other != 0 {
				t.Errorf("got summary %+v, error %v; want every line read", summary, err)
			}
			if summary.Requests < 190 || summary.WithoutRequest == 0 {
				t.Errorf("got summary %+v; want the requests and the lines of connections", summary)
			}
			compareWithClients(t, filepath.Join(folder, "requests.jsonl"), lines)
		})
	}
}

func openFile(t *testing.T, path string) *os.File {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatalf("opening a shared file: %v", err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func compareWithClients(t *testing.T, path string, lines map[string][]request.Line) {
	t.Helper()
	compared := 0
	err := request.Read(openFile(t, path), "requests.jsonl", func(_ int, want request.Line) error {
		logged := lines[want.ID]
		if want.Observed == nil || want.Observed.Error != "" || len(logged) == 0 {
			return nil
		}
		compared++
		if !slices.ContainsFunc(logged, func(got request.Line) bool { return sameObservation(&got, &want) }) {
			t.Errorf("%s: got %+v of %+v; want %+v of %+v", want.ID, logged[0].Observed, logged[0].Request, want.Observed, want.Request)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the requests: %v", err)
	}
	if compared < 40 {
		t.Errorf("got %d requests that stand in the log; want most of them", compared)
	}
}

func sameObservation(got, want *request.Line) bool {
	same := got.Observed.Status == want.Observed.Status && got.Observed.Flags == want.Observed.Flags &&
		got.Observed.Details == want.Observed.Details && got.Observed.FilterChain == want.Observed.FilterChain &&
		got.Observed.Route == want.Observed.Route && got.Observed.Cluster == want.Observed.Cluster
	// The log has the authority that the upstream got.
	authority := got.Request.Authority == want.Request.Authority || got.Request.Authority == want.Observed.UpstreamAuthority
	return same && authority && got.Request.Protocol == request.HTTP1 && got.Request.Method == want.Request.Method
}

// The formats of every capture can be read, and are the built-in ones where Istio
// configured them.
func TestFormatsOfCaptures(t *testing.T) {
	tests := []struct {
		name string
		path []string
		line string // in the format of each proxy that writes one
	}{
		{"istiod of 2026", []string{"captures", "bookinfo-allow-any"}, lines["Istio 1.9 and later"]},
		{"1.8", []string{"corpus", "istio-1.8"}, lines["Istio 1.8"]},
		{"1.5", []string{"corpus", "istio-1.5-bookinfo"}, lines["Istio 1.3 to 1.7"]},
		{"1.3", []string{"corpus", "istio-1.3"}, lines["Istio 1.2"]},
		{"1.1", []string{"corpus", "istio-1.1"}, lines["Istio 1.1"]},
		{"1.0", []string{"corpus", "istio-1.0-pair"}, lines["Envoy's default"]},
		{"osm", []string{"corpus", "osm"}, `{"method":"GET","path":"/x","protocol":"HTTP/1.1","response_code":200,"response_flags":"-","upstream_cluster":"a","authority":"b","start_time":"-","duration":1,"bytes_sent":2,"bytes_received":3,"request_id":"-"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := 0
			for _, p := range load(t, test.path...).Proxies {
				formats, unread := expect.FormatsOf(p)
				if len(formats) > 1 || len(unread) > 0 {
					t.Errorf("%s: got %d formats, unread %q; want one format, and all read", p.Key(), len(formats), unread)
				}
				if len(formats) == 0 {
					continue
				}
				found++
				if _, err := formats[0].Parse(test.line); err != nil {
					t.Errorf("%s: parsing with the format of %s: got error %v; want a request", p.Key(), formats[0].Name, err)
				}
			}
			if found == 0 {
				t.Error("got no proxy with an access log format; want one")
			}
		})
	}
}
