package trace

import (
	"slices"
	"strconv"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze/trace/match"
)

// chainSteps are the criteria of a FilterChainMatch in Envoy's order.
var chainSteps = []func(*narrowing, *match.Attributes){
	byDestinationPort,
	func(n *narrowing, a *match.Attributes) {
		n.longest("destination IP", a.Destination.Addr(), func(c *chain) match.Prefixes { return c.destinations })
	},
	byServerName,
	byTransportProtocol,
	byApplicationProtocol,
	func(n *narrowing, a *match.Attributes) {
		n.longest("direct source IP", a.DirectSource.Addr(), func(c *chain) match.Prefixes { return c.directSources })
	},
	bySourceType,
	func(n *narrowing, a *match.Attributes) {
		n.longest("source IP", a.Source.Addr(), func(c *chain) match.Prefixes { return c.sources })
	},
	bySourcePort,
}

func (c *chain) match() *listenerv3.FilterChainMatch { return c.message.GetFilterChainMatch() }

func byDestinationPort(n *narrowing, a *match.Attributes) {
	port := uint32(a.Destination.Port())
	n.exact("destination port", strconv.Itoa(int(port)),
		func(c *chain) bool { return port > 0 && c.match().GetDestinationPort().GetValue() == port },
		func(c *chain) bool { return c.match().GetDestinationPort().GetValue() == 0 },
		func(c *chain) string { return strconv.Itoa(int(c.match().GetDestinationPort().GetValue())) })
}

func byServerName(n *narrowing, a *match.Attributes) {
	want := func(c *chain) string { return listOr(c.match().GetServerNames(), "any server name") }
	got := a.SNI
	if got == "" {
		got = "no SNI"
	}
	for name := a.SNI; name != ""; name = parentDomain(name) {
		if slices.ContainsFunc(n.left, func(c *chain) bool { return hasServerName(c, name) }) {
			n.keep("server name", got, func(c *chain) bool { return hasServerName(c, name) }, want)
			n.decided("server name", name)
			return
		}
	}
	n.keep("server name", got, func(c *chain) bool { return len(c.match().GetServerNames()) == 0 }, want)
}

// parentDomain turns "a.b.c" and "*.b.c" into the wildcard above, "*.c" for the
// latter; empty where there is none.
func parentDomain(name string) string {
	rest := strings.TrimPrefix(name, "*")
	if rest == "" {
		return ""
	}
	dot := strings.IndexByte(rest[1:], '.')
	if dot < 0 || dot+2 >= len(rest) {
		return ""
	}
	return "*" + rest[dot+1:]
}

func hasServerName(c *chain, name string) bool {
	return slices.Contains(c.match().GetServerNames(), name)
}

func byTransportProtocol(n *narrowing, a *match.Attributes) {
	n.exact("transport protocol", a.TransportProtocol,
		func(c *chain) bool { return c.match().GetTransportProtocol() == a.TransportProtocol },
		func(c *chain) bool { return c.match().GetTransportProtocol() == "" },
		func(c *chain) string { return c.match().GetTransportProtocol() })
}

func byApplicationProtocol(n *narrowing, a *match.Attributes) {
	want := func(c *chain) string { return listOr(c.match().GetApplicationProtocols(), "any application protocol") }
	got := listOr(a.ApplicationProtocols, "no application protocol")
	for _, protocol := range a.ApplicationProtocols {
		has := func(c *chain) bool { return slices.Contains(c.match().GetApplicationProtocols(), protocol) }
		if slices.ContainsFunc(n.left, has) {
			n.keep("application protocol", got, has, want)
			n.decided("application protocol", protocol)
			return
		}
	}
	n.keep("application protocol", got, func(c *chain) bool { return len(c.match().GetApplicationProtocols()) == 0 }, want)
}

func bySourceType(n *narrowing, a *match.Attributes) {
	kind := listenerv3.FilterChainMatch_EXTERNAL
	if local(a) {
		kind = listenerv3.FilterChainMatch_SAME_IP_OR_LOOPBACK
	}
	n.exact("source type", kind.String(),
		func(c *chain) bool { return c.match().GetSourceType() == kind },
		func(c *chain) bool { return c.match().GetSourceType() == listenerv3.FilterChainMatch_ANY },
		func(c *chain) string { return c.match().GetSourceType().String() })
}

// local is SAME_IP_OR_LOOPBACK.
func local(a *match.Attributes) bool {
	return match.SameIPOrLoopback(a.Source.Addr(), a.Destination.Addr())
}

func bySourcePort(n *narrowing, a *match.Attributes) {
	port := uint32(a.Source.Port())
	n.exact("source port", strconv.Itoa(int(port)),
		func(c *chain) bool { return port > 0 && slices.Contains(c.match().GetSourcePorts(), port) },
		func(c *chain) bool { return len(c.match().GetSourcePorts()) == 0 },
		func(c *chain) string { return "one of its source_ports" })
}

func listOr(values []string, none string) string {
	if len(values) == 0 {
		return none
	}
	return strings.Join(values, ", ")
}
