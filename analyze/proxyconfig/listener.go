package proxyconfig

import (
	"cmp"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// ListenerFilter narrows listeners: Address is one of theirs, Type is compared without regard to
// case. Empty fields do not narrow.
type ListenerFilter struct {
	Address, Type string
	Port          int
}

// ListenerRow is one listener in one state.
type ListenerRow struct {
	Resource *mesh.Resource
	// Addresses are the address and the additional_addresses: IPs and paths of pipes. An internal
	// listener has none.
	Addresses []string
	// Port is that of the address; 0 if it has none.
	Port int
	// Type is "HTTP", "TCP", "HTTP+TCP" or "UNKNOWN", by the filters of all chains.
	Type string
	// FirstType is the type by the first HTTP or TCP filter alone, as istioctl 1.0 told it.
	FirstType string
	// Chains are sorted by descending Destination, as in istioctl, then as captured. A listener
	// without filter chains has one that matches ALL.
	Chains []ChainRow
	// Matched is set where a filter_chain_matcher chooses the chain, and not the chains' own matches.
	Matched bool
	// Err tells why the listener could not be decoded.
	Err error
}

// ChainRow is one filter chain of a listener.
type ChainRow struct {
	Name string
	// Match is what istioctl prints of filter_chain_match, "ALL" for none; Source is the rest of it.
	Match, Source string
	// MatcherPaths are the ways through the listener's filter_chain_matcher that lead to the chain.
	MatcherPaths []string
	// Destination is where the chain's first HTTP or TCP filter leads.
	Destination string
	// BlackHole is set for a chain that leads nowhere on purpose, to the BlackHoleCluster.
	BlackHole bool
	// Filters are the names of the network filters, with the type of those that nobody here knows.
	Filters []string
	// TLS tells what the chain terminates: "", "TLS" or "mTLS".
	TLS string

	manager *hcmv3.HttpConnectionManager
}

// HTTPFilters are the names of the HTTP connection manager's filters.
func (c ChainRow) HTTPFilters() []string { return filterNames(mesh.HTTPFilters(c.manager)) }

// Listeners returns the listeners that fit, by port, first address and type.
func Listeners(p *mesh.Proxy, f ListenerFilter) []ListenerRow {
	var rows []ListenerRow
	for _, r := range p.Listeners {
		row := listenerRow(r)
		if f.fits(row) {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b ListenerRow) int {
		return cmp.Or(
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.firstAddress(), b.firstAddress()), cmp.Compare(a.Type, b.Type))
	})
	return rows
}

func (f ListenerFilter) fits(row ListenerRow) bool {
	same := func(address string) bool { return strings.EqualFold(address, f.Address) }
	return (f.Address == "" || slices.ContainsFunc(row.Addresses, same)) &&
		(f.Port == 0 || row.Port == f.Port) &&
		(f.Type == "" || strings.EqualFold(row.Type, f.Type))
}

func (r ListenerRow) firstAddress() string {
	if len(r.Addresses) == 0 {
		return ""
	}
	return r.Addresses[0]
}

func listenerRow(r *mesh.Resource) ListenerRow {
	row := ListenerRow{Resource: r, Type: "UNKNOWN", FirstType: "UNKNOWN"}
	if r.Raw() == nil {
		return row
	}
	l, err := r.Listener()
	if err != nil {
		row.Err = err
		return row
	}
	row.Addresses, row.Port = listenerAddresses(l)
	row.setChains(l)
	return row
}

func listenerAddresses(l *listenerv3.Listener) (addresses []string, port int) {
	addresses = appendAddress(nil, l.GetAddress())
	for _, additional := range l.GetAdditionalAddresses() {
		addresses = appendAddress(addresses, additional.GetAddress())
	}
	return addresses, int(l.GetAddress().GetSocketAddress().GetPortValue())
}

func appendAddress(addresses []string, a *corev3.Address) []string {
	if text := cmp.Or(a.GetSocketAddress().GetAddress(), a.GetPipe().GetPath()); text != "" {
		return append(addresses, text)
	}
	return addresses
}

func (r *ListenerRow) setChains(l *listenerv3.Listener) {
	chains := mesh.FilterChains(l)
	if len(chains) == 0 {
		r.Chains = []ChainRow{{Match: matchAll, Destination: noDestination}}
		return
	}
	paths := matcherPaths(l.GetFilterChainMatcher())
	r.Matched = l.GetFilterChainMatcher() != nil
	http, tcp := false, false
	for _, chain := range chains {
		filters := mesh.NetworkFilters(chain)
		d := destination(filters)
		match, source := chainMatch(chain.GetFilterChainMatch())
		r.Chains = append(r.Chains, ChainRow{
			Name: chain.GetName(), Match: match, Source: source, MatcherPaths: paths[chain.GetName()],
			Destination: d.text, BlackHole: d.blackHole,
			Filters: filterNames(filters), TLS: downstreamTLS(chain.GetTransportSocket()), manager: d.manager,
		})
		http, tcp = http || d.http, tcp || d.tcp
		if first := firstType(filters); r.FirstType == "UNKNOWN" && first != "" {
			r.FirstType = first
		}
	}
	r.Type = listenerType(http, tcp)
	slices.SortStableFunc(r.Chains, func(a, b ChainRow) int { return cmp.Compare(b.Destination, a.Destination) })
}

func listenerType(http, tcp bool) string {
	switch {
	case http && tcp:
		return "HTTP+TCP"
	case http:
		return "HTTP"
	case tcp:
		return "TCP"
	}
	return "UNKNOWN"
}
