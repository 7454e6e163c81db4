package match

import (
	"net/netip"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Prefixes are compiled CidrRange messages.
type Prefixes []netip.Prefix

// CIDRRange is an envoy.config.core.v3.CidrRange or an xds.core.v3.CidrRange.
type CIDRRange interface {
	GetAddressPrefix() string
	GetPrefixLen() *wrapperspb.UInt32Value
}

// CompilePrefixes prepares ranges; those that are no prefix, which Envoy refuses,
// match nothing.
func CompilePrefixes[R CIDRRange](ranges []R) Prefixes {
	var prefixes Prefixes
	for _, r := range ranges {
		if p, ok := prefix(r.GetAddressPrefix(), r.GetPrefixLen().GetValue()); ok {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

// prefix is an address and a length as a Prefix, host bits cleared.
func prefix(address string, bits uint32) (netip.Prefix, bool) {
	addr, err := netip.ParseAddr(address)
	if err != nil || bits > uint32(addr.BitLen()) {
		return netip.Prefix{}, false
	}
	p, err := addr.Prefix(int(bits))
	return p, err == nil
}

// Contain reports whether one of the prefixes holds an address. An IPv4 address
// that is mapped into IPv6 counts as IPv6.
func (p Prefixes) Contain(addr netip.Addr) bool { return p.Longest(addr) >= 0 }

// Longest is the length in bits of the longest prefix that holds an address, or
// -1 where none does.
func (p Prefixes) Longest(addr netip.Addr) int {
	longest := -1
	for _, prefix := range p {
		if prefix.Bits() > longest && prefix.Contains(addr) {
			longest = prefix.Bits()
		}
	}
	return longest
}

// InPrefixes reports whether one of the ranges holds an address.
func InPrefixes[R CIDRRange](ranges []R, addr netip.Addr) bool {
	return CompilePrefixes(ranges).Contain(addr)
}

// SameIPOrLoopback reports whether a connection is local as Envoy's source type
// SAME_IP_OR_LOOPBACK has it: from 127.0.0.1 or ::1, or from the address it goes to.
// Other addresses of 127.0.0.0/8 are no loopback addresses to Envoy.
func SameIPOrLoopback(source, destination netip.Addr) bool {
	source, destination = source.Unmap(), destination.Unmap()
	loopback := source == netip.IPv6Loopback() || source == netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return source.IsValid() && (loopback || source == destination)
}

// String lists the prefixes.
func (p Prefixes) String() string {
	texts := make([]string, len(p))
	for i, prefix := range p {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ", ")
}
