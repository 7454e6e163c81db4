package analyze

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// Hit is a place whose requests meet a fault, such as a route to a broken cluster.
type Hit struct {
	// Ref is the route configuration or listener, with the virtual host or filter
	// chain as its Path. It is without a proxy: that is in Finding.Instances.
	Ref mesh.Ref
	// Route tells the route within the virtual host; empty for none.
	Route string
	// As is how the requests get there: "route", "mirror", "tcp_proxy", "call" for
	// what a filter asks on the side, "telemetry", "tls" for handshakes.
	As string
	// Share is the percentage of the place's requests, by weight.
	Share float64
}

// maxHits bounds the hits of one finding.
const maxHits = 50

// String is like "10% of route/80/reviews:80, route #0 (prefix /)".
func (h Hit) String() string {
	text := fmt.Sprintf("%.4g%% of %s", h.Share, h.Ref)
	if h.Route != "" {
		text += ", " + h.Route
	}
	switch h.As {
	case "route", "tcp_proxy", "":
		return text
	}
	return text + " (" + h.As + ")"
}

func (h Hit) compare(other Hit) int {
	return cmp.Or(
		cmp.Compare(other.Share, h.Share),
		h.Ref.Compare(other.Ref),
		cmp.Compare(h.Route, other.Route),
		cmp.Compare(h.As, other.As),
	)
}

// addHits puts in those of the same fault on another proxy.
func (f *Finding) addHits(of *Finding) {
	if slices.Equal(f.Hits, of.Hits) {
		return
	}
	f.Hits = distinctHits(slices.Concat(f.Hits, of.Hits))
	f.AllHits = max(f.AllHits, of.AllHits, len(f.Hits))
	f.Hits = f.Hits[:min(len(f.Hits), maxHits)]
}

func distinctHits(hits []Hit) []Hit {
	slices.SortFunc(hits, Hit.compare)
	return slices.Compact(hits)
}
