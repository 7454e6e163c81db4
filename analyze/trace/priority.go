package trace

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
)

// level is the hosts of one priority of one cluster.
type level struct {
	hosts            []*host
	overprovisioning uint32
	cluster          *cluster
}

// levelsOf splits hosts by priority; a priority without hosts stays as an empty level.
func levelsOf(hosts []*host, overprovisioning uint32, c *cluster) []level {
	highest := uint32(0)
	for _, h := range hosts {
		highest = max(highest, h.priority)
	}
	levels := make([]level, min(highest, maxPriority)+1)
	for i := range levels {
		levels[i] = level{overprovisioning: overprovisioning, cluster: c}
	}
	for _, h := range hosts {
		p := min(h.priority, maxPriority)
		levels[p].hosts = append(levels[p].hosts, h)
	}
	return levels
}

// maxPriority is the highest that Envoy accepts.
const maxPriority = 128

func (l *level) count(wanted health) int {
	n := 0
	for _, h := range l.hosts {
		if h.health == wanted {
			n++
		}
	}
	return n
}

// percentOf is a part of the level's hosts in percent, times its overprovisioning
// factor, at most 100.
func (l *level) percentOf(n int) int {
	if len(l.hosts) == 0 {
		return 0
	}
	return min(100, n*int(l.overprovisioning)/len(l.hosts))
}

// panics reports whether too few of its hosts are usable.
func (l *level) panics(threshold int) bool {
	if len(l.hosts) == 0 {
		return threshold > 0
	}
	usable := 100*l.count(healthy)/len(l.hosts) + 100*l.count(degraded)/len(l.hosts)
	return usable < threshold
}

// panicThreshold is healthy_panic_threshold of the first cluster, 50 by default.
func panicThreshold(members []*cluster) int {
	if len(members) == 0 {
		return 50
	}
	if t := members[0].message.GetCommonLbConfig().GetHealthyPanicThreshold(); t != nil {
		return int(t.GetValue())
	}
	return 50
}

func localityWeighted(c *cluster) bool {
	return c.message.GetCommonLbConfig().GetLocalityWeightedLbConfig() != nil
}

// spread gives every host its share: priorities by their health, then hosts by
// their weights. In panic the health is not looked at.
func (b *balance) spread(levels []level, threshold int, byLocality bool) {
	loads := spreadLoad(levels, threshold)
	total := 0
	for i := range levels {
		total += len(levels[i].hosts)
	}
	for i := range levels {
		l, load := &levels[i], loads[i]
		b.hosts = append(b.hosts, l.hosts...)
		offset := len(b.share)
		b.share = append(b.share, make([]float64, len(l.hosts))...)
		switch {
		case load.panic && load.healthy > 0:
			if failsInPanic(l.cluster) {
				b.notes = append(b.notes, "fail_traffic_on_panic: nothing is sent while too few endpoints are healthy")
				continue
			}
			if l.count(healthy) < len(l.hosts) {
				b.notes = append(b.notes, fmt.Sprintf("panic: fewer than %d%% are healthy, so health is not looked at", threshold))
			}
			b.give(l, offset, load.healthy, func(*host) bool { return true }, byLocality)
		default:
			b.give(l, offset, load.healthy, func(h *host) bool { return h.health == healthy }, byLocality)
			if load.degraded > 0 && hashes(l.cluster) {
				b.lost += float64(load.degraded) / 100
				b.notes = append(b.notes, "degraded endpoints are not on the hash ring: their part gets no endpoint")
				continue
			}
			b.give(l, offset, load.degraded, func(h *host) bool { return h.health == degraded }, byLocality)
		}
		if i > 0 && (load.healthy > 0 || load.degraded > 0) && len(l.hosts) > 0 {
			b.notes = append(b.notes, fmt.Sprintf("priority %d gets %d%%", i, load.healthy+load.degraded))
		}
	}
}

// hashes reports whether a cluster chooses its hosts by a consistent hash.
func hashes(c *cluster) bool {
	policy := c.message.GetLbPolicy()
	return policy == clusterv3.Cluster_RING_HASH || policy == clusterv3.Cluster_MAGLEV
}

func failsInPanic(c *cluster) bool {
	config, ok := c.message.GetCommonLbConfig().GetLocalityConfigSpecifier().(*clusterv3.Cluster_CommonLbConfig_ZoneAwareLbConfig_)
	return ok && config.ZoneAwareLbConfig.GetFailTrafficOnPanic()
}

// give shares load, in percent, out among the hosts that are wanted.
func (b *balance) give(l *level, offset, load int, wanted func(*host) bool, byLocality bool) {
	if load == 0 {
		return
	}
	weights := make([]uint64, len(l.hosts))
	for i, h := range l.hosts {
		if wanted(h) {
			weights[i] = uint64(h.weight)
			if byLocality {
				weights[i] *= uint64(h.localityWeight)
			}
		}
	}
	for i, share := range normalised(weights) {
		b.share[offset+i] += share * float64(load) / 100
	}
}

// load is what a priority gets, in percent.
type load struct {
	healthy, degraded int
	panic             bool
}

// spreadLoad is Envoy's priority load: each level takes what its health allows,
// degraded hosts come after all healthy ones.
func spreadLoad(levels []level, threshold int) []load {
	loads := make([]load, len(levels))
	available := 0
	for i := range levels {
		available += levels[i].percentOf(levels[i].count(healthy)) + levels[i].percentOf(levels[i].count(degraded))
	}
	available = min(available, 100)
	if len(levels) == 0 {
		return loads
	}
	if threshold == 0 && available == 0 {
		loads[0].healthy = 100
		return loads
	}
	allPanic := true
	for i := range levels {
		loads[i].panic = available < 100 && levels[i].panics(threshold)
		allPanic = allPanic && loads[i].panic
	}
	if allPanic {
		totalPanic(levels, loads)
		return loads
	}
	left := 100
	for i := range levels {
		loads[i].healthy = takes(levels[i].percentOf(levels[i].count(healthy)), available, &left)
	}
	for i := range levels {
		loads[i].degraded = takes(levels[i].percentOf(levels[i].count(degraded)), available, &left)
	}
	roundUp(loads, left)
	return loads
}

func takes(health, available int, left *int) int {
	if available == 0 {
		return 0
	}
	load := min(*left, health*100/available)
	*left -= load
	return load
}

// roundUp gives what integer division left over to the first level with a load.
func roundUp(loads []load, left int) {
	for i := range loads {
		if loads[i].healthy > 0 {
			loads[i].healthy += left
			return
		}
		if loads[i].degraded > 0 {
			loads[i].degraded += left
			return
		}
	}
}

// totalPanic spreads the load by the number of hosts.
func totalPanic(levels []level, loads []load) {
	total := 0
	for i := range levels {
		total += len(levels[i].hosts)
	}
	if total == 0 {
		return
	}
	left := 100
	first := -1
	for i := range levels {
		loads[i].healthy = 100 * len(levels[i].hosts) / total
		left -= loads[i].healthy
		if first < 0 && len(levels[i].hosts) > 0 {
			first = i
		}
	}
	loads[first].healthy += left
}
