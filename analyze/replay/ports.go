package replay

import (
	"net/netip"
	"slices"
)

const (
	defaultAdminPort = 15000
	// Ports below are privileged on many systems.
	firstFreePort = 1024
	// mapOffset moves a port that cannot be had: 80 becomes 10080.
	mapOffset = 10000
	// Backends live below the range from which systems take client ports, 32768 on.
	firstBackendPort = 20000
	// maxBackends and maxBound bound the sockets of a replay; together they are
	// so few that a free port is always found.
	maxBackends = 4096
	maxBound    = 4096
)

// ports are those that are spoken for at the one address of a replay.
type ports struct {
	taken map[uint16]bool
	// kept are taken for listeners that are not bound yet.
	kept map[uint16]bool
}

func newPorts() *ports { return &ports{taken: map[uint16]bool{}, kept: map[uint16]bool{}} }

// keep takes a port for a listener that will bind it.
func (p *ports) keep(port uint16) {
	if p.take(port) {
		p.kept[port] = true
	}
}

// bind returns the port that was kept for a listener, or another one where it
// cannot be had, or was bound before.
func (p *ports) bind(port uint16) uint16 {
	if p.kept[port] {
		delete(p.kept, port)
		return port
	}
	return p.mapped(port, port+mapOffset)
}

// take reports whether the port could be had.
func (p *ports) take(port uint16) bool {
	if port < firstFreePort || p.taken[port] {
		return false
	}
	p.taken[port] = true
	return true
}

// mapped takes the port, or else the first one that is free from start on.
func (p *ports) mapped(port, start uint16) uint16 {
	if p.take(port) {
		return port
	}
	for next := max(start, firstFreePort); ; next++ {
		if p.take(next) {
			return next
		}
	}
}

// backends gives every captured endpoint a stub of its own.
type backends struct {
	host  netip.Addr
	ports *ports
	next  uint16
	known map[string]int // index in list, by endpoint or by stand-in key
	list  []Backend
}

func newBackends(host netip.Addr, taken *ports) *backends {
	return &backends{host: host, ports: taken, next: firstBackendPort, known: map[string]int{}}
}

// full reports whether no further stub can be had, so that the last one is shared.
func (b *backends) full() bool { return len(b.list) >= maxBackends }

// of returns the stub for an endpoint of a cluster.
func (b *backends) of(cluster, endpoint string) netip.AddrPort {
	return b.get("endpoint "+endpoint, cluster, endpoint)
}

// standIn returns the stub for all hosts of a cluster.
func (b *backends) standIn(cluster string) netip.AddrPort {
	return b.get("cluster "+cluster, cluster, "")
}

func (b *backends) get(key, cluster, endpoint string) netip.AddrPort {
	i, ok := b.known[key]
	if !ok {
		i = b.add(endpoint)
		b.known[key] = i
	}
	backend := &b.list[i]
	if !slices.Contains(backend.Clusters, cluster) {
		backend.Clusters = append(backend.Clusters, cluster)
	}
	return backend.Address
}

func (b *backends) add(endpoint string) int {
	if b.full() {
		last := len(b.list) - 1
		b.list[last].Endpoint = "" // it stands for several now
		return last
	}
	port := b.ports.mapped(b.next, b.next)
	b.next = port + 1
	b.list = append(b.list, Backend{Address: netip.AddrPortFrom(b.host, port), Endpoint: endpoint})
	return len(b.list) - 1
}
