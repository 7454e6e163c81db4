package loader

import (
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

// TestRejectionsInEveryFormat reads the same moment of a real Envoy in three formats.
func TestRejectionsInEveryFormat(t *testing.T) {
	folder := filepath.Join(fixtures.Shared(t), "captures", "envoy-real", "after")
	want := []mesh.Rejection{
		{Type: "CDS", Count: 1},
		{Type: "LDS", Count: 1},
		{Type: "RDS", Name: "edge_routes", Count: 1},
		{Type: "RDS", Name: "partner_routes", Count: 1},
		{Type: "RDS", Name: "tenant_a", Count: 1},
		{Type: "RDS", Name: "tenant_b", Count: 1},
		{Type: "RDS", Name: "withheld_routes", Count: 1},
	}
	for _, file := range []string{"stats", "stats_usedonly", "stats.json", "stats_prometheus"} {
		t.Run(file, func(t *testing.T) {
			stats, err := parseStats(readFile(t, filepath.Join(folder, file)))
			if err != nil {
				t.Fatal(err)
			}
			got := stats.Rejections()
			for i := range got {
				if !strings.HasSuffix(got[i].Metric, "update_rejected") {
					t.Errorf("got metric %q, want the counter's full name", got[i].Metric)
				}
				got[i].Metric = ""
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestFormatsAgree compares Envoy's text with its JSON of a moment at which nothing moved.
func TestFormatsAgree(t *testing.T) {
	folder := filepath.Join(fixtures.Shared(t), "captures", "envoy-real", "after")
	text, err := parseStats(readFile(t, filepath.Join(folder, "stats")))
	if err != nil {
		t.Fatal(err)
	}
	json, err := parseStats(readFile(t, filepath.Join(folder, "stats.json")))
	if err != nil {
		t.Fatal(err)
	}
	if len(text.Samples) < 1000 || len(text.Samples) != len(json.Samples) {
		t.Fatalf("got %d samples of the text and %d of the JSON, want the same number, over 1000", len(text.Samples), len(json.Samples))
	}
	for i, sample := range text.Samples {
		if other := json.Samples[i]; sample.Name != other.Name || sample.Text != other.Text {
			t.Fatalf("sample %d: got %+v of the text and %+v of the JSON, want the same", i, sample, other)
		}
	}
}

func TestParseStats(t *testing.T) {
	sample := func(name string, value float64) mesh.Sample { return mesh.Sample{Name: name, Value: value} }
	tests := []struct {
		name, page string
		want       []mesh.Sample
		wantErr    string
	}{
		{
			name: "text",
			page: "cluster.a|b.version_text: \"v: 1\"\r\nserver.live: 1\r\ncluster.x.ms: P0(nan,0) P25(nan,0)\r\ncluster.y.ms: No recorded values\r\nempty:\r\n\r\n",
			want: []mesh.Sample{{Name: "cluster.a|b.version_text", Text: "v: 1"}, sample("server.live", 1)},
		},
		{
			name:    "text with garbage, cut",
			page:    "Defaulted container \"istio-proxy\" out of: istio-proxy, istio-init\na.b: 18446744073709551615\nc.d: x\n\x00\xff\ne.f: \"cut",
			want:    []mesh.Sample{sample("a.b", math.MaxUint64)},
			wantErr: `expected "name: value": lines passed over: 4, the first is line 1: "Defaulted container \"istio-proxy\" out of: istio-proxy, istio..."`,
		},
		{
			name: "JSON",
			page: `{"stats":[{"name":"a.text","value":"x"},{"name":"b","value":3},{"histograms":{"supported_quantiles":[0]}},{"name":"c","value":null}]}`,
			want: []mesh.Sample{{Name: "a.text", Text: "x"}, sample("b", 3)},
			wantErr: `expected elements {"name": ..., "value": ...}, counted as lines: lines passed over: 1, ` +
				`the first is line 4: "{\"name\":\"c\",\"value\":null}"`,
		},
		{
			name: "JSON of something else", page: `{"a":1}`,
			wantErr: `reading stats: expected an object with an array "stats", as /stats?format=json gives`,
		},
		{
			name: "Prometheus",
			page: "# TYPE envoy_b counter\r\nenvoy_b{} 2\r\n# TYPE a gauge\r\na{x=\"1\",y=\"a: 2\"} 1.5 1700000000000\r\n" +
				"# TYPE h histogram\r\nh_bucket{le=\"1\"} 1\r\nh_bucket{le=\"+Inf\"} 1\r\nh_sum 1\r\nh_count 1\r\n",
			want: []mesh.Sample{
				{Name: "a", Value: 1.5, Labels: map[string]string{"x": "1", "y": "a: 2"}},
				{Name: "envoy_b", Value: 2, Labels: map[string]string{}},
			},
		},
		{
			name: "Prometheus with faults",
			page: "Defaulted container\n# TYPE a counter\na 1\n# TYPE h histogram\nh_bucket{le=\"x\"} 1\n# TYPE a counter\na{l=\"2\"} 2\na{l=\"\xff\"} 3\na{l=\"4\"} 4\n# TYPE z gauge\nz 12\nz{a=\"b",
			want: []mesh.Sample{
				{Name: "a", Value: 1, Labels: map[string]string{}},
				{Name: "a", Value: 2, Labels: map[string]string{"l": "2"}},
				{Name: "a", Value: 4, Labels: map[string]string{"l": "4"}},
				{Name: "z", Value: 12, Labels: map[string]string{}},
			},
			wantErr: `expected samples of the Prometheus text format: lines passed over: 3, the first is line 1: "Defaulted container"`,
		},
		{
			name: "Prometheus that panics its parser", page: "# TYPE a counter\n{} 0\na 1\n",
			want:    []mesh.Sample{{Name: "a", Value: 1, Labels: map[string]string{}}},
			wantErr: `expected samples of the Prometheus text format: lines passed over: 1, the first is line 2: "{} 0"`,
		},
		{name: "Prometheus without comments", page: "up 1\n", want: []mesh.Sample{{Name: "up", Value: 1, Labels: map[string]string{}}}},
		{name: "empty", page: ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stats, err := parseStats([]byte(test.page))
			if got := message(err); got != test.wantErr {
				t.Errorf("got error %q\nwant %q", got, test.wantErr)
			}
			if !reflect.DeepEqual(stats.Samples, test.want) {
				t.Errorf("got %+v\nwant %+v", stats.Samples, test.want)
			}
		})
	}
}

func FuzzParseStats(f *testing.F) {
	f.Add([]byte("a.b: 1\nc: \"x\"\nh: P0(nan,0)\nbad"))
	f.Add([]byte(`{"stats":[{"name":"a","value":1},{"name":"t","value":"x"},{"histograms":{}}]}`))
	f.Add([]byte("# TYPE 00\n{}0"))
	f.Add([]byte("# TYPE a counter\na{x=\"1\"} 1\n# TYPE a counter\na{x=\"\xff\"} 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nz{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		stats, err := parseStats(raw)
		if stats == nil {
			t.Fatalf("got no value with error %v, want what could be read", err)
		}
		again, _ := parseStats(raw)
		if !equalSamples(stats.Samples, again.Samples) {
			t.Errorf("got %v, then %v, want the same samples in the same order", stats.Samples, again.Samples)
		}
	})
}

func equalSamples(a, b []mesh.Sample) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Text != b[i].Text || math.Float64bits(a[i].Value) != math.Float64bits(b[i].Value) {
			return false
		}
	}
	return true
}
