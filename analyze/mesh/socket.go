package mesh

import "net/netip"

// Socket is one TCP socket in the network namespace of a pod, from netstat.
type Socket struct {
	Local netip.AddrPort
	// State is as netstat spells it: "LISTEN", "ESTABLISHED", ...
	State string
}
