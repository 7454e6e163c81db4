package loader

import (
	"reflect"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

func TestParseLog(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.UTC()
	}
	tests := []struct {
		name, line string
		want       mesh.LogLine
	}{
		{"Istio", "2025-03-21T19:05:41.648304Z\tinfo\tads\tXDS: new delta connection", mesh.LogLine{Time: at("2025-03-21T19:05:41.648304Z"), Level: "info", Text: "ads\tXDS: new delta connection"}},
		{"Istio, no scope", "2018-08-01T00:00:00.1Z\twarn\tmessage", mesh.LogLine{Time: at("2018-08-01T00:00:00.1Z"), Level: "warning", Text: "message"}},
		{"Istio, tabs lost", "2018-08-01T00:00:00Z error x y", mesh.LogLine{Time: at("2018-08-01T00:00:00Z"), Level: "error", Text: "x y"}},
		{"Istio, other zone, CRLF", "2018-08-01T02:00:00+02:00\tfatal\tx\r", mesh.LogLine{Time: at("2018-08-01T00:00:00Z"), Level: "critical", Text: "x"}},
		{
			"Envoy behind Istio's format", "2025-03-21T19:05:41.6Z\twarning\tenvoy config external/envoy/x.cc:138\tgRPC config rejected\tthread=18",
			mesh.LogLine{Time: at("2025-03-21T19:05:41.6Z"), Level: "warning", Text: "envoy config external/envoy/x.cc:138\tgRPC config rejected\tthread=18"},
		},
		{"Envoy", "[2026-11-22 10:42:55.035][5828][critical][main] [source/server/server.cc:463] gone", mesh.LogLine{Time: at("2026-11-22T10:42:55.035Z"), Level: "critical", Text: "[main] [source/server/server.cc:463] gone"}},
		{"Envoy, trace, no thread", "[2018-05-18 12:25:44.193][trace][http] x", mesh.LogLine{Time: at("2018-05-18T12:25:44.193Z"), Level: "debug", Text: "[http] x"}},
		{
			"access log", `[2026-11-22T10:43:01.105Z] "GET / HTTP/1.1" 200 - "error"`,
			mesh.LogLine{Time: at("2026-11-22T10:43:01.105Z"), Text: `[2026-11-22T10:43:01.105Z] "GET / HTTP/1.1" 200 - "error"`},
		},
		{"Go", "2021/03/01 10:00:00 http: TLS handshake error", mesh.LogLine{Time: at("2021-03-01T10:00:00Z"), Text: "http: TLS handshake error"}},
		{"klog", "W0301 10:00:00.123456       1 reflector.go:12] watch ended", mesh.LogLine{Level: "warning", Text: "reflector.go:12] watch ended"}},
		{"no klog", "Info 12", mesh.LogLine{Text: "Info 12"}},
		{
			"kubectl --timestamps", "2021-03-01T10:00:00.9Z 2021-03-01T10:00:00.1Z\tinfo\tx",
			mesh.LogLine{Time: at("2021-03-01T10:00:00.1Z"), Level: "info", Text: "x"},
		},
		{
			"container runtime", "2021-03-01T10:00:00.9Z stderr F I0301 10:00:00.123456       1 a.go:1] x",
			mesh.LogLine{Level: "info", Text: "a.go:1] x"},
		},
		{"container runtime, free text", "2021-03-01T10:00:00Z stdout F hello", mesh.LogLine{Time: at("2021-03-01T10:00:00Z"), Text: "stdout F hello"}},
		{
			"JSON", `{"level":"warn","time":"2021-03-01T10:00:00.1Z","scope":"ads","msg":"a\tb","z":1,"y":2,"n":3,"err":"x","m":4,"b":5}`,
			mesh.LogLine{Time: at("2021-03-01T10:00:00.1Z"), Level: "warning", Text: "ads\ta\tb\tb=5\terr=x\tm=4\tn=3\ty=2\tz=1"},
		},
		{
			"times without end", "2021-03-01T10:00:00Z 2021-03-01T10:00:00Z 2021-03-01T10:00:00Z x",
			mesh.LogLine{Time: at("2021-03-01T10:00:00Z"), Text: "2021-03-01T10:00:00Z x"},
		},
		{"JSON of zap", `{"level":"error","ts":1614592800.5,"msg":"x"}`, mesh.LogLine{Time: at("2021-03-01T10:00:00.5Z"), Level: "error", Text: "x"}},
		{"JSON access log", `{"start_time":"2021-03-01T10:00:00.1Z","method":"GET"}`, mesh.LogLine{Time: at("2021-03-01T10:00:00.1Z"), Text: `{"start_time":"2021-03-01T10:00:00.1Z","method":"GET"}`}},
		{"JSON cut off", `{"level":"info","msg":"x`, mesh.LogLine{Text: `{"level":"info","msg":"x`}},
		{"marker", "========= Previous log =========", mesh.LogLine{Text: "========= Previous log ========="}},
		{"continuation", "  binaryPath: /usr/local/bin/envoy", mesh.LogLine{Text: "  binaryPath: /usr/local/bin/envoy"}},
		{"bracket and no time", "[libprotobuf ERROR x.cc:1] y", mesh.LogLine{Text: "[libprotobuf ERROR x.cc:1] y"}},
		{"invalid UTF-8, NUL", "a\xff\x00b", mesh.LogLine{Text: "a\uFFFD\x00b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, err := parseLog([]byte("\n" + test.line + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			test.want.Line = 2
			if want := []mesh.LogLine{test.want}; !reflect.DeepEqual(lines, want) {
				t.Errorf("got %+v\nwant %+v", lines, want)
			}
		})
	}
}

// TestParseLogOfBugReport holds the first and the last records of real logs against what a reader sees.
func TestParseLogOfBugReport(t *testing.T) {
	capture, err := Load([]string{fixtures.Shared(t) + "/corpus/bug-report-1.25/bug-report.tar.gz"}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := capture.ControlPlanes[0].Log.Get()
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]int{}
	for _, line := range lines {
		levels[line.Level]++
		if (line.Level == "") != line.Time.IsZero() {
			t.Errorf("line %d: got level %q and time %v, want both or none", line.Line, line.Level, line.Time)
		}
	}
	if want := map[string]int{"info": 576, "warning": 31, "error": 7}; levels["info"] != want["info"] || levels["warning"] != want["warning"] || levels["error"] != want["error"] {
		t.Errorf("got levels %v, want %v and lines without one", levels, want)
	}
}

func FuzzParseLog(f *testing.F) {
	f.Add([]byte("2025-03-21T19:05:41.6Z\tinfo\tx\n[2026-11-22 10:42:55.035][5828][info][main] y\r\nW0301 10:00:00.1  1 a.go:1] z\n"))
	f.Add([]byte("{\"level\":\"info\",\"ts\":1.5,\"msg\":\"x\"}\n2021-03-01T10:00:00Z stdout F [2026-11-22T10:43:01.105Z] \"GET\"\n2021/03/01 10:00:00 x"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		lines, err := parseLog(raw)
		if err != nil {
			t.Fatalf("got error %v, want none: every line is text at least", err)
		}
		last := 0
		for _, line := range lines {
			if line.Line <= last {
				t.Errorf("got line %d behind line %d, want growing numbers", line.Line, last)
			}
			last = line.Line
		}
	})
}
