package loader

import (
	"fmt"
	"strings"
	"testing"
)

// benchDump is a dump of n clusters, set as Envoy sets its dumps.
func benchDump(n int) []byte {
	var b strings.Builder
	b.WriteString("{\n \"configs\": [\n  {\n   \"@type\": \"type.googleapis.com/envoy.admin.v3.ClustersConfigDump\",\n   \"dynamic_active_clusters\": [")
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `
    {
     "version_info": "2026-01-02T03:04:05Z/7",
     "cluster": {
      "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
      "name": "outbound|9080||svc-%d.default.svc.cluster.local",
      "type": "EDS",
      "connect_timeout": "10s",
      "circuit_breakers": {
       "thresholds": [
        {
         "max_connections": 4294967295,
         "track_remaining": true
        }
       ]
      },
      "metadata": {
       "filter_metadata": {
        "istio": {
         "config": "/apis/networking.istio.io/v1alpha3/namespaces/default/destination-rule/svc-%d"
        }
       }
      }
     },
     "last_updated": "2026-01-02T03:04:05.678Z"
    }`, i, i)
	}
	b.WriteString("\n   ]\n  }\n ]\n}\n")
	return []byte(b.String())
}

// BenchmarkIndex is the structural pass and the interning of one dump, on one
// core: 20,000 clusters, 15 MB.
func BenchmarkIndex(b *testing.B) {
	data := benchDump(20_000)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		x := newIndex("config_dump", data, 0)
		if err := x.dump(""); err != nil {
			b.Fatal(err)
		}
		x.bind(newStore())
		if len(x.config.Clusters) != 20_000 {
			b.Fatalf("got %d clusters, want 20000", len(x.config.Clusters))
		}
	}
}

// BenchmarkIndexReplica indexes a dump whose resources the capture has already.
func BenchmarkIndexReplica(b *testing.B) {
	data := benchDump(20_000)
	contents := newStore()
	first := newIndex("config_dump", data, 0)
	if err := first.dump(""); err != nil {
		b.Fatal(err)
	}
	first.bind(contents)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		x := newIndex("config_dump", data, 0)
		if err := x.dump(""); err != nil {
			b.Fatal(err)
		}
		if kept := x.bind(contents); kept {
			b.Fatal("want the buffer of a replica to be free again")
		}
	}
}

// TestLargeFirstFile has a second dump meet the resources of a first one that
// was so large that they were not hashed at first.
func TestLargeFirstFile(t *testing.T) {
	data := benchDump(keepBuffer / 500)
	contents := newStore()
	var indexes []*index
	for range 3 {
		x := newIndex("config_dump", data, 0)
		if err := x.dump(""); err != nil {
			t.Fatal(err)
		}
		if kept := x.bind(contents); kept != (len(indexes) == 0) {
			t.Errorf("dump %d: kept %t, want the buffer of the first alone to be kept", len(indexes), kept)
		}
		indexes = append(indexes, x)
	}
	for i, r := range indexes[0].config.Clusters {
		if !r.Same(indexes[1].config.Clusters[i]) || !r.Same(indexes[2].config.Clusters[i]) {
			t.Fatalf("cluster %d is held more than once", i)
		}
	}
	if got := indexes[2].config.Clusters[7].Peek("metadata", "filter_metadata", "istio", "config"); !strings.HasSuffix(got, "/svc-7") {
		t.Errorf("the DestinationRule of cluster 7 is %q", got)
	}
}
