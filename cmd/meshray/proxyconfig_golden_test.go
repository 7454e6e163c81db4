package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/fixtures"
)

// TestPeerGoldens compares with the expected outputs of istioctl's own tests, 1.0 and 1.31.
func TestPeerGoldens(t *testing.T) {
	folder := filepath.Join(fixtures.Shared(t), "corpus", "peer-goldens")
	const v10 = "istioctl-1.0/envoy/configdump/testdata/"
	const v131 = "istioctl-1.31/"
	tests := []struct{ input, args, golden string }{
		{v10 + "configdump.json", "cluster --style 1.0", v10 + "clustersummary.txt"},
		{v10 + "configdump.json", "cluster --style 1.0 --port 15004", v10 + "clustersummaryfiltered.txt"},
		{v10 + "configdump.json", "cluster --style 1.0 --fqdn istio-policy.istio-system.svc.cluster.local", v10 + "clustersummaryfiltered.txt"},
		{v10 + "configdump.json", "cluster -o json", v10 + "clusterdump.json"},
		{v10 + "configdump.json", "cluster -o json --port 15004", v10 + "clusterdumpfiltered.json"},
		{v10 + "configdump.json", "listener --style 1.0", v10 + "listenersummary.txt"},
		{v10 + "configdump.json", "listener --style 1.0 --address 172.21.134.116", v10 + "listenersummaryfiltered.txt"},
		{v10 + "configdump.json", "listener --style 1.0 --port 443", v10 + "listenersummaryfiltered.txt"},
		{v10 + "configdump.json", "listener --style 1.0 --type TCP", v10 + "listenersummaryfiltered.txt"},
		{v10 + "configdump.json", "listener -o json", v10 + "listenerdump.json"},
		{v10 + "configdump.json", "listener -o json --type TCP", v10 + "listenerdumpfiltered.json"},
		{v10 + "configdump.json", "route --style 1.0", v10 + "routesummary.txt"},
		{v10 + "configdump.json", "route --style 1.0 --name 15004", v10 + "routesummaryfiltered.txt"},
		{v10 + "configdump.json", "route -o json", v10 + "routedump.json"},
		{v10 + "configdump.json", "route -o json --name 15004", v10 + "routedumpfiltered.json"},
		{v10 + "configdump.json", "bootstrap", v10 + "bootstrapdump.json"},
		{v131 + "routes/empty-gateway/configdump.json", "route", v131 + "routes/empty-gateway/output.txt"},
		{v131 + "routes/istio-gateway-http-route-prefix/configdump.json", "route", v131 + "routes/istio-gateway-http-route-prefix/output.txt"},
		{v131 + "routes/k8s-gateway-http-route-path-prefix/configdump.json", "route", v131 + "routes/k8s-gateway-http-route-path-prefix/output.txt"},
		{v131 + "endpoint/configdump.json", "eds", v131 + "endpoint/emptyfilter_output.txt"},
		{v131 + "endpoint/configdump.json", "eds --port 8080", v131 + "endpoint/portfilter_output.txt"},
		{v131 + "endpoint/configdump.json", "eds -o json --api v3", v131 + "endpoint/emptyfilter_output.json"},
		{v131 + "endpoint/configdump.json", "eds -o json --api v3 --port 8080", v131 + "endpoint/portfilter_output.json"},
		{v131 + "endpoint/configdump.json", "eds -o yaml --api v3", v131 + "endpoint/emptyfilter_output.yaml"},
		{v131 + "endpoint/configdump.json", "eds -o yaml --api v3 --port 8080", v131 + "endpoint/portfilter_output.yaml"},
	}
	equal := 0
	for _, test := range tests {
		got := runView(loadCapture(t, filepath.Join(folder, test.input)), strings.Fields(test.args)...)
		if got.code != exitClean {
			t.Errorf("%s: exit code %d, %s", test.args, got.code, got.stderr)
			continue
		}
		want := readFile(t, filepath.Join(folder, test.golden))
		if diff := goldenDiff(t, test.golden, want, got.stdout); diff != "" {
			t.Errorf("%s on %s differs:\n%s", test.args, test.input, diff)
			continue
		}
		equal++
	}
	t.Logf("%d of %d golden files of istioctl equal", equal, len(tests))
}

// goldenDiff compares text with line ends trimmed. Of JSON and YAML it compares the meaning: the
// order of keys does not count, and neither does how a duration is spelled, because istioctl's
// library for protobuf wrote "1.000s" where the dump has "1s".
func goldenDiff(t *testing.T, golden, want, got string) string {
	t.Helper()
	var parse func([]byte, any) error
	switch filepath.Ext(golden) {
	case ".json":
		parse = json.Unmarshal
	case ".yaml":
		parse = yaml.Unmarshal
	default:
		return fixtures.Diff(golden, trimmedLines(want), trimmedLines(got))
	}
	var w, g any
	if err := parse([]byte(want), &w); err != nil {
		t.Fatalf("reading %s: %v", golden, err)
	}
	if err := parse([]byte(got), &g); err != nil {
		return err.Error()
	}
	if reflect.DeepEqual(plainSpelling(w), plainSpelling(g)) {
		return ""
	}
	return fixtures.Diff(golden, indented(t, plainSpelling(w)), indented(t, plainSpelling(g)))
}

func indented(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

var duration = regexp.MustCompile(`^(\d+)\.0+s$`)

// plainSpelling shortens durations and writes the keys of last_updated and its like in one way.
func plainSpelling(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if key == "lastUpdated" {
				key = "last_updated"
			}
			out[key] = plainSpelling(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = plainSpelling(value)
		}
		return out
	case string:
		return duration.ReplaceAllString(v, "${1}s")
	}
	return v
}
