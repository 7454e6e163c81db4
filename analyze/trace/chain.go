package trace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// defaultChain is the name given to a default_filter_chain that has none.
const defaultChain = "default"

// chain is one filter chain, compiled when it is first chosen.
type chain struct {
	message *listenerv3.FilterChain
	// label is the name, else "#index", or defaultChain.
	label string

	destinations, directSources, sources match.Prefixes

	ready   bool
	filters []networkFilter
	tls     downstreamTLS
}

// chainSet is how a listener chooses among its chains.
type chainSet struct {
	chains   []*chain
	fallback *chain
	tree     *match.Tree // filter_chain_matcher; nil where the chains' own matches decide
}

// chainsOf compiles the matches of a listener's chains once.
func (l *listener) chainsOf() *chainSet {
	if l.chains != nil {
		return l.chains
	}
	set := &chainSet{}
	message := l.load()
	for i, c := range message.GetFilterChains() {
		set.chains = append(set.chains, newChain(c, fmt.Sprintf("#%d", i)))
	}
	if c := message.GetDefaultFilterChain(); c != nil {
		set.fallback = newChain(c, defaultChain)
	}
	if matcher := message.GetFilterChainMatcher(); matcher != nil {
		set.tree = match.CompileTree(matcher)
	}
	l.chains = set
	return set
}

func newChain(message *listenerv3.FilterChain, label string) *chain {
	if message.GetName() != "" {
		label = message.GetName()
	}
	m := message.GetFilterChainMatch()
	return &chain{
		message:       message,
		label:         label,
		destinations:  match.CompilePrefixes(m.GetPrefixRanges()),
		directSources: match.CompilePrefixes(m.GetDirectSourcePrefixRanges()),
		sources:       match.CompilePrefixes(m.GetSourcePrefixRanges()),
	}
}

// chosen is the outcome of choosing a chain.
type chosen struct {
	chain    *chain // nil where none fits and there is no default
	reason   string
	rejected []Rejected
	// unknown is set where a matcher tree asks for what cannot be known.
	unknown match.Result
}

// choose finds the chain for a connection.
func (s *chainSet) choose(a *match.Attributes, why bool) chosen {
	if s.tree != nil {
		return s.byTree(a, why)
	}
	n := &narrowing{left: s.chains, why: why}
	for _, step := range chainSteps {
		if len(n.left) == 0 {
			break
		}
		step(n, a)
	}
	out := chosen{rejected: n.rejected}
	switch {
	case len(n.left) > 0:
		out.chain, out.reason = n.left[0], n.reason()
	case s.fallback != nil:
		out.chain, out.reason = s.fallback, "no filter_chain_match fits: "+n.last+"; default_filter_chain"
	default:
		out.reason = "no filter_chain_match fits and there is no default_filter_chain"
		if n.last != "" {
			out.reason += ": " + n.last
		}
	}
	return out
}

func (s *chainSet) byTree(a *match.Attributes, why bool) chosen {
	action, found, result := s.tree.Match(a)
	var out chosen
	if why {
		for _, passed := range s.tree.Passed(a) {
			out.rejected = append(out.rejected, Rejected{Candidate: "branch of filter_chain_matcher", Condition: passed.Condition, Want: passed.Want, Got: passed.Got})
		}
	}
	if result.Outcome == match.Unknown {
		out.unknown = result
		out.reason = "filter_chain_matcher asks for what cannot be known: " + result.Condition
		return out
	}
	if !found {
		out.chain, out.reason = s.fallback, "filter_chain_matcher names no chain"
		return out
	}
	value, _ := mesh.Unpack(action.GetName(), action.GetTypedConfig()).Config.(*wrapperspb.StringValue)
	name := value.GetValue()
	for _, c := range s.chains {
		if c.label == name {
			out.chain, out.reason = c, "filter_chain_matcher"
			return out
		}
	}
	out.reason = fmt.Sprintf("filter_chain_matcher names the chain %q, which the listener does not have", name)
	return out
}

// narrowing is the candidate chains between two criteria. At each criterion only
// the most specific group that has an entry survives, and there is no way back.
type narrowing struct {
	left     []*chain
	why      bool
	rejected []Rejected
	criteria []string
	last     string // why nothing is left
}

// keep leaves the chains that fit. decisive reports whether the criterion told
// chains apart, which makes it part of the reason.
func (n *narrowing) keep(criterion, got string, fits func(*chain) bool, want func(*chain) string) {
	var kept []*chain
	for _, c := range n.left {
		if fits(c) {
			kept = append(kept, c)
			continue
		}
		if n.why {
			n.rejected = append(n.rejected, Rejected{Candidate: c.label, Condition: criterion, Want: want(c), Got: got})
		}
	}
	if len(kept) == 0 {
		n.last = criterion + " " + got
	}
	n.left = kept
}

func (n *narrowing) decided(criterion, value string) {
	n.criteria = append(n.criteria, criterion+" "+value)
}

func (n *narrowing) reason() string {
	if len(n.criteria) == 0 {
		return "its match is empty"
	}
	return strings.Join(n.criteria, ", ")
}

// exact narrows by a criterion with exact values: the chains that list the value
// if there are any, else those that list none.
func (n *narrowing) exact(criterion, got string, has func(*chain) bool, none func(*chain) bool, want func(*chain) string) {
	if slices.ContainsFunc(n.left, has) {
		n.keep(criterion, got, has, want)
		n.decided(criterion, got)
		return
	}
	n.keep(criterion, got, none, want)
}

// longest narrows by prefixes: the longest that holds the address, else none.
func (n *narrowing) longest(criterion string, ip netip.Addr, of func(*chain) match.Prefixes) {
	best := -1
	for _, c := range n.left {
		for _, p := range of(c) {
			if p.Contains(ip) {
				best = max(best, p.Bits())
			}
		}
	}
	fits := func(c *chain) bool {
		if best < 0 {
			return len(of(c)) == 0
		}
		// A chain without prefixes stands for the whole address space.
		if best == 0 && len(of(c)) == 0 {
			return true
		}
		return slices.ContainsFunc(of(c), func(p netip.Prefix) bool { return p.Bits() == best && p.Contains(ip) })
	}
	n.keep(criterion, text(ip), fits, func(c *chain) string { return prefixText(of(c)) })
	if best >= 0 && len(n.left) > 0 {
		n.decided(criterion, fmt.Sprintf("%s/%d", text(ip), best))
	}
}

func text(ip netip.Addr) string {
	if !ip.IsValid() {
		return "no IP address"
	}
	return ip.String()
}

func prefixText(prefixes match.Prefixes) string {
	if len(prefixes) == 0 {
		return "any"
	}
	var texts []string
	for _, p := range prefixes {
		texts = append(texts, p.String())
	}
	return strings.Join(texts, ", ")
}
