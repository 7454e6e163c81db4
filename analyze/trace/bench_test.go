package trace_test

import (
	"path/filepath"
	"testing"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// BenchmarkTrace follows a request through both proxies, or through the first one
// only, with everything compiled.
func BenchmarkTrace(b *testing.B) {
	capture, err := loader.Load([]string{filepath.Join(fixtures.Root(b), "fixtures", "bookinfo.tar.gz")}, nil, loader.Options{})
	if err != nil {
		b.Fatal(err)
	}
	p, err := capture.FindProxy("productpage", "")
	if err != nil {
		b.Fatal(err)
	}
	engine := trace.New(capture)
	for _, bc := range []struct {
		name, target string
		options      trace.Options
		decided      bool // by a random value
	}{
		{"one proxy", "http://reviews:9080/reviews/1", trace.Options{FirstHop: true}, true},
		{"both proxies", "http://reviews:9080/reviews/1", trace.Options{}, true},
		{"both proxies, why", "http://reviews:9080/reviews/1", trace.Options{Why: true}, true},
		{"every way", "http://reviews:9080/reviews/1", trace.Options{}, false},
		{"TCP", "tcp://203.0.113.1:4444", trace.Options{}, false},
	} {
		b.Run(bc.name, func(b *testing.B) {
			req, err := request.Parse(bc.target)
			if err != nil {
				b.Fatal(err)
			}
			if bc.decided {
				req.Random = new(uint64)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := engine.Trace(p, req, "", bc.options); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
