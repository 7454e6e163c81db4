package rbac

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// anything is the name of the condition that always holds.
const anything = "any"

// always matches everything; Envoy does not look at the value of any.
func always() *leaf {
	return &leaf{
		name: anything, want: anything,
		test: func(*match.Attributes) match.Result { return match.Matched },
		got:  func(*match.Attributes) string { return anything },
	}
}

// unmodelled is a leaf that cannot be answered; why says why.
func unmodelled(name, why string) *leaf {
	return &leaf{name: name, test: func(*match.Attributes) match.Result { return match.Unmodelled(name, why) }}
}

// header matches a header. A connection without HTTP has none, as in Envoy.
func header(h *routev3.HeaderMatcher) *leaf {
	compiled := match.CompileHeader(h)
	return &leaf{
		name: "header " + h.GetName(), want: compiled.Want(),
		test: func(a *match.Attributes) match.Result { return compiled.Match(a.Headers) },
		got: func(a *match.Attributes) string {
			if value, found := a.Header(h.GetName()); found {
				return value
			}
			return "no such header"
		},
	}
}

// urlPath matches :path without its query and fragment, and without parameters where
// the route configuration ignores them; without a :path it never matches.
func urlPath(p *matcherv3.PathMatcher) *leaf {
	compiled := match.CompileString(p.GetPath())
	want := compiled.Want()
	return &leaf{
		name: "url_path", want: want, got: pathOf,
		test: func(a *match.Attributes) match.Result {
			if _, found := a.Header(":path"); !found {
				return known("url_path", want, pathOf(a), false)
			}
			return named(compiled.Match(pathOf(a)), "url_path")
		},
	}
}

func pathOf(a *match.Attributes) string {
	path, found := a.Header(":path")
	if !found {
		return "no HTTP request"
	}
	path = withoutQuery(path)
	if a.IgnorePathParameters {
		return match.WithoutParameters(path)
	}
	return path
}

func withoutQuery(path string) string {
	if end := strings.IndexAny(path, "?#"); end >= 0 {
		return path[:end]
	}
	return path
}

// named puts the name of the condition into the Result of a string matcher.
func named(result match.Result, condition string) match.Result {
	if result.Outcome != match.Yes {
		result.Condition = condition
	}
	return result
}

// serverName matches the SNI.
func serverName(s *matcherv3.StringMatcher) *leaf {
	compiled := match.CompileString(s)
	return &leaf{
		name: "requested_server_name", want: compiled.Want(),
		test: func(a *match.Attributes) match.Result {
			return named(compiled.Match(a.SNI), "requested_server_name")
		},
		got: func(a *match.Attributes) string { return a.SNI },
	}
}

// addresses are those that an address condition may mean; they differ where a
// request does not tell which one it is.
type addresses func(a *match.Attributes) (one, other netip.Addr)

func destination(a *match.Attributes) (one, other netip.Addr) {
	return a.Destination.Addr(), a.Destination.Addr()
}

func directSource(a *match.Attributes) (one, other netip.Addr) {
	return a.DirectSource.Addr(), a.DirectSource.Addr()
}

func source(a *match.Attributes) (one, other netip.Addr) {
	return a.Source.Addr(), a.Source.Addr()
}

// connectionSource is the peer of the connection as a proxy_protocol filter leaves
// it, but not as x-forwarded-for does: the attributes do not tell these apart.
func connectionSource(a *match.Attributes) (one, other netip.Addr) {
	if a.Headers == nil {
		return a.Source.Addr(), a.Source.Addr()
	}
	return a.DirectSource.Addr(), a.Source.Addr()
}

// address matches an IP address with a range.
func address(name string, cidr *corev3.CidrRange, of addresses) *leaf {
	prefixes, want := match.CompilePrefixes([]*corev3.CidrRange{cidr}), cidrWords(cidr)
	return &leaf{
		name: name, want: want,
		test: func(a *match.Attributes) match.Result {
			one, other := of(a)
			if !one.IsValid() || !other.IsValid() {
				return match.Unmodelled(name, "the address is not known")
			}
			if prefixes.Contain(one) != prefixes.Contain(other) {
				return match.Unmodelled(name, fmt.Sprintf("it is %s or %s", one, other))
			}
			return known(name, want, one.String(), prefixes.Contain(one))
		},
		got: func(a *match.Attributes) string {
			one, _ := of(a)
			return one.String()
		},
	}
}

// port matches the destination port from first to last.
func port(name string, first, last uint32) *leaf {
	want := strconv.FormatUint(uint64(first), 10)
	if first != last {
		want += "-" + strconv.FormatUint(uint64(last), 10)
	}
	got := func(a *match.Attributes) string { return strconv.Itoa(int(a.Destination.Port())) }
	return &leaf{
		name: name, want: want, got: got,
		test: func(a *match.Attributes) match.Result {
			if !a.Destination.IsValid() {
				return match.Unmodelled(name, "the destination is not known")
			}
			value := uint32(a.Destination.Port())
			if first <= value && value <= last {
				return match.Matched
			}
			return match.Result{Condition: name, Want: want, Got: got(a)}
		},
	}
}

// cidrWords is a range as text.
func cidrWords(cidr *corev3.CidrRange) string {
	return cidr.GetAddressPrefix() + "/" + strconv.FormatUint(uint64(cidr.GetPrefixLen().GetValue()), 10)
}

// portRange matches a range whose end does not belong to it.
func portRange(r *typev3.Int32Range) *leaf {
	const name = "destination_port_range"
	if r.GetStart() < 0 || r.GetEnd() > 1<<16 || r.GetStart() >= r.GetEnd() {
		return unmodelled(name, fmt.Sprintf("Envoy refuses the range from %d to %d", r.GetStart(), r.GetEnd()))
	}
	return port(name, uint32(r.GetStart()), uint32(r.GetEnd()-1))
}

// metadata matches a value in the dynamic metadata. A value that is not there
// matches nothing, so that inverted conditions hold.
func metadata(m *matcherv3.MetadataMatcher) *leaf {
	compiled := match.CompileMetadata("metadata", m)
	return &leaf{
		name: metadataName(m), want: compiled.Want(),
		test: func(a *match.Attributes) match.Result { return compiled.Match(a.Metadata) },
		got:  func(a *match.Attributes) string { return compiled.Got(a.Metadata) },
	}
}

// sourcedMetadata matches dynamic metadata, or that of the route.
func sourcedMetadata(s *rbacv3.SourcedMetadata) *leaf {
	if s.GetMetadataSource() == rbacv3.MetadataSource_DYNAMIC {
		return metadata(s.GetMetadataMatcher())
	}
	return unmodelled("route "+metadataName(s.GetMetadataMatcher()), "metadata of routes is not modelled here")
}

// metadataName is the condition's name: "metadata filter.key.key".
func metadataName(m *matcherv3.MetadataMatcher) string {
	name := "metadata " + m.GetFilter()
	for _, segment := range m.GetPath() {
		name += "." + segment.GetKey()
	}
	return name
}

// peerPrincipal is the filter state object under which Istio keeps the client's
// SPIFFE id.
const peerPrincipal = "io.istio.peer_principal"

// filterState matches a filter state object. Without a client certificate there is
// no peer principal; of other objects nothing is known unless they are given.
func filterState(f *matcherv3.FilterStateMatcher) *leaf {
	name := "filter_state " + f.GetKey()
	compiled := match.CompileFilterState(f)
	return &leaf{
		name: name, want: compiled.Want(),
		test: func(a *match.Attributes) match.Result {
			_, given := a.FilterState[f.GetKey()]
			if !given && f.GetKey() == peerPrincipal && !a.PeerPresented {
				return match.Result{Condition: name, Want: compiled.Want(), Got: "no client certificate"}
			}
			return compiled.Match(a.FilterState)
		},
		got: func(a *match.Attributes) string { return a.FilterState[f.GetKey()] },
	}
}
