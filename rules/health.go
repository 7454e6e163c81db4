package rules

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ailing is a cluster that the proxy routes to and of which some hosts are not
// usable.
type ailing struct {
	cluster *mesh.Resource
	refs    []placed
	hosts   []hostHealth
	usable  int
	// threshold is healthy_panic_threshold in percent.
	threshold float64
	// panics is set where Envoy ignores the health of a priority, failing where it
	// then sends nothing (fail_traffic_on_panic).
	panics, failing bool
}

// ailingClusters returns the clusters with unusable hosts, by what Envoy itself
// observed, else by what EDS assigned.
func ailingClusters(pass *analyze.Pass, p *mesh.Proxy) []ailing {
	return analyze.OnceForProxy(pass, p, func() []ailing { return findAiling(pass, p) })
}

func findAiling(pass *analyze.Pass, p *mesh.Proxy) []ailing {
	seen := clusterHostsOf(pass, p)
	var out []ailing
	for _, c := range usedClusters(pass, p) {
		var hosts []hostHealth
		switch status := seen[c.Name()]; {
		case len(status.GetHostStatuses()) > 0 && !allUsable(status):
			hosts = observedHealth(status)
		case len(status.GetHostStatuses()) == 0 && mentionsUnusable(c.assignment):
			hosts = assignedHealth(pass, c.assignment)
		default:
			continue
		}
		a := ailing{cluster: c.Resource, refs: c.refs, hosts: hosts}
		for _, h := range hosts {
			if h.usable {
				a.usable++
			}
		}
		if a.usable == len(hosts) {
			continue
		}
		if message, err := c.Cluster(); err == nil {
			a.panic(message.GetCommonLbConfig())
			out = append(out, a)
		}
	}
	return out
}

// mentionsUnusable spares the assignments, nearly all, whose hosts are healthy.
func mentionsUnusable(r *mesh.Resource) bool {
	if r == nil {
		return false
	}
	for _, status := range []string{"UNHEALTHY", "DRAINING", "TIMEOUT"} {
		if bytes.Contains(r.Raw(), []byte(status)) {
			return true
		}
	}
	return false
}

const (
	defaultPanicThreshold = 50.0
	// overprovisioning is Envoy's default factor in percent: a priority keeps all of
	// its load while 1.4 times its usable hosts make up the whole.
	overprovisioning = 140
)

// panic decides as Envoy does: no priority panics while all of them together can
// carry the load.
func (a *ailing) panic(config *clusterv3.Cluster_CommonLbConfig) {
	a.threshold = defaultPanicThreshold
	if t := config.GetHealthyPanicThreshold(); t != nil {
		a.threshold = t.GetValue()
	}
	a.failing = config.GetZoneAwareLbConfig().GetFailTrafficOnPanic()
	total, usable := map[uint32]int{}, map[uint32]int{}
	for _, h := range a.hosts {
		total[h.priority]++
		if h.usable {
			usable[h.priority]++
		}
	}
	capacity, lowest := 0, 100.0
	for priority, n := range total {
		capacity += min(100, overprovisioning*usable[priority]/n)
		lowest = min(lowest, 100*float64(usable[priority])/float64(n))
	}
	a.panics = capacity < 100 && lowest < a.threshold
}

// ignoresHealth reports whether Envoy sends to the unusable hosts all the same.
func (a *ailing) ignoresHealth() bool { return a.panics && !a.failing }

// evidence lists the unusable hosts and why they are.
func (a *ailing) evidence() []analyze.Evidence {
	out := []analyze.Evidence{{Name: "healthy_panic_threshold", Value: fmt.Sprintf("%g%%", a.threshold)}}
	var bad []hostHealth
	for _, h := range a.hosts {
		if !h.usable {
			bad = append(bad, h)
		}
	}
	slices.SortStableFunc(bad, func(x, y hostHealth) int { return cmp.Compare(x.address, y.address) })
	for _, h := range bad[:min(len(bad), listedPlaces)] {
		out = append(out, analyze.Evidence{Name: h.address, Value: h.why})
	}
	return out
}
