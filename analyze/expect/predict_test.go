package expect_test

import (
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
)

func outcome(share float64, o trace.Outcome, unknowns ...trace.Unknown) trace.Path {
	return trace.Path{Share: share, Hops: []trace.Hop{{Outcome: o, Unknowns: unknowns}}}
}

func TestPredict(t *testing.T) {
	host := func(address string, share float64) []trace.Endpoint {
		return []trace.Endpoint{{Address: address, Share: share}, {Address: "10.0.0.99:80"}}
	}
	tests := []struct {
		name  string
		paths []trace.Path
		want  string
	}{
		{"one path", []trace.Path{outcome(1, trace.Outcome{
			Verdict: trace.Routed, Listener: "l", FilterChain: "#0", VirtualHost: "v", Route: "r", Cluster: "c", Endpoints: host("10.0.0.1:80", 1),
			UpstreamPath: "/p", UpstreamAuthority: "h",
		})}, `{"verdict":"routed","listener":"l","filter_chain":"#0","virtual_host":"v","route":"r","cluster":"c","endpoints":1,"status":0,"flags":"","details":"","upstream_path":"/p","upstream_authority":"h","location":""}`},
		{"weights", []trace.Path{
			outcome(0.8, trace.Outcome{Verdict: trace.Routed, Route: "r", Cluster: "a", Endpoints: host("10.0.0.1:80", 1), UpstreamAuthority: "a"}),
			outcome(0.2, trace.Outcome{Verdict: trace.Routed, Route: "r", Cluster: "b", Endpoints: host("10.0.0.2:80", 1), UpstreamAuthority: "b"}),
		}, `{"verdict":"routed","listener":"","filter_chain":"","virtual_host":"","route":"r","cluster":"","weights":[{"cluster":"a","weight":80},{"cluster":"b","weight":20}],"endpoints":2,"status":0,"flags":"","details":"","upstream_path":"","upstream_authority":"","location":""}`},
		{"thirds", []trace.Path{
			outcome(2.0/3, trace.Outcome{Verdict: trace.Routed, Cluster: "a"}),
			outcome(1.0/3, trace.Outcome{Verdict: trace.Routed, Cluster: "b"}),
		}, `{"verdict":"routed","listener":"","filter_chain":"","virtual_host":"","route":"","cluster":"","weights":[{"cluster":"a","weight":666667},{"cluster":"b","weight":333333}],"endpoints":0,"status":0,"flags":"","details":"","upstream_path":"","upstream_authority":"","location":""}`},
		{"a fault now and then", []trace.Path{
			outcome(0.9, trace.Outcome{Verdict: trace.Routed, Cluster: "a"}),
			outcome(0.1, trace.Outcome{Verdict: trace.DirectResponse, Status: 503, Flags: "FI"}),
		}, `{"verdict":"routed","listener":"","filter_chain":"","virtual_host":"","route":"","cluster":"a","endpoints":0,"status":0,"flags":"","details":"","upstream_path":"","upstream_authority":"","location":""}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := json.Marshal(expect.Predict(&trace.Trace{Paths: test.paths}))
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, error %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestPredictUnknowns(t *testing.T) {
	wasm, lua := trace.Unknown{What: "wasm"}, trace.Unknown{What: "lua"}
	got := expect.Predict(&trace.Trace{Paths: []trace.Path{
		outcome(0.5, trace.Outcome{Cluster: "a"}, wasm), outcome(0.5, trace.Outcome{Cluster: "b"}, lua, wasm),
	}})
	if text := strings.Join(got.Unknowns, ","); text != "wasm,lua" {
		t.Errorf("got unknowns %s; want those of all paths, each once", text)
	}
}

// What a real Envoy did with a captured configuration is explained by its trace.
func TestExplainedByTrace(t *testing.T) {
	capture := load(t, "captures", "shop.tar.gz")
	engine := trace.New(capture)
	paths, err := filepath.Glob(filepath.Join(fixtures.Shared(t), "captures", "replayed", "*.jsonl"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("got recordings %v, error %v; want some", paths, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".jsonl")
		t.Run(name, func(t *testing.T) {
			p, err := capture.FindProxy(name, "")
			if err != nil {
				t.Fatalf("finding the proxy: %v", err)
			}
			e := explainer{engine: engine, proxy: p, options: trace.Options{FirstHop: true, DirectSource: netip.MustParseAddr("127.0.0.1")}}
			e.requests(t, path)
		})
	}
}

// So is what it did with its own, as the clients saw it and as its access log tells.
func TestRealExplainedByTrace(t *testing.T) {
	for _, state := range []string{"before", "after"} {
		t.Run(state, func(t *testing.T) {
			capture := load(t, "captures", "envoy-real", state)
			e := explainer{engine: trace.New(capture), proxy: capture.Proxies[0], options: trace.Options{FirstHop: true}}
			folder := filepath.Join(fixtures.Shared(t), "captures", "envoy-real", state)
			e.requests(t, filepath.Join(folder, "requests.jsonl"))
			if state == "before" { // the other log begins with what this state did
				e.log(t, filepath.Join(folder, "access.log"))
			}
		})
	}
}

type explainer struct {
	engine  *trace.Engine
	proxy   *mesh.Proxy
	options trace.Options
}

func (e *explainer) requests(t *testing.T, path string) {
	t.Helper()
	err := request.Read(openFile(t, path), filepath.Base(path), func(number int, line request.Line) error {
		match, differs, predicted := e.explain(t, line)
		if match != expect.Yes {
			t.Errorf("%s:%d: got %s in %v: observed %+v, predicted %+v; want yes", filepath.Base(path), number, match, differs, line.Observed, predicted)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the recording: %v", err)
	}
}

func (e *explainer) log(t *testing.T, path string) {
	t.Helper()
	e.options.Why = true
	formats, _ := expect.FormatsOf(e.proxy)
	tally := map[expect.Match]int{}
	summary, err := expect.ReadLog(openFile(t, path), formats, func(entry expect.Entry) error {
		traced, err := e.engine.Trace(e.proxy, entry.Line.Request, entry.Line.Direction, e.options)
		if err != nil {
			return err
		}
		match, differs := expect.Explained(*entry.Line.Observed, expect.LoggedOutcomes(traced, entry.Line.Request))
		tally[match]++
		if match == expect.No {
			t.Errorf("access.log:%d: got %s in %v: %s, predicted %+v; want yes, or unknown", entry.Number, match, differs, entry.Text, expect.Predict(traced))
		}
		return nil
	})
	if err != nil || tally[expect.Yes] < 2*summary.Requests/3 {
		t.Errorf("got %+v, error %v, matches %v; want most of the requests explained", summary, err, tally)
	}
}

func (e *explainer) explain(t *testing.T, line request.Line) (expect.Match, []string, expect.Prediction) {
	t.Helper()
	traced, err := e.engine.Trace(e.proxy, line.Request, line.Direction, e.options)
	if err != nil {
		t.Fatalf("tracing %+v: %v", line.Request, err)
	}
	seen := *line.Observed
	if e.options.DirectSource.IsValid() {
		seen.Upstream = "" // a local stand-in
	}
	match, differs := expect.Explained(seen, expect.Outcomes(traced))
	return match, differs, expect.Predict(traced)
}
