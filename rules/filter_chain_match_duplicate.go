package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// FilterChainMatchDuplicate reports listeners that Envoy rejects for two chains
// that take the same connections.
var FilterChainMatchDuplicate = &analyze.Rule{
	Name:       "filter-chain-match-duplicate",
	Code:       "LIS06",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "two filter chains of a listener take the same connections, so Envoy rejects the listener",
		Finds: "Two `filter_chains[]` of one listener that have a combination of `filter_chain_match` criteria in common: the same port, address range, server name, transport and application protocol, source type, source range and source port, of the lists one member each. Their names do not matter. Looked at are listeners in every state, rejected ones (`error_state.failed_configuration`) too, and istiod's view of the proxy.",
		Hurts: "Envoy rejects the listener (\"multiple filter chains with the same matching rules\", or \"with overlapping matching rules\") and keeps the old one: no later change of any host on that port arrives, and a new proxy does not listen at all.",
		Example: `filter_chains:
- {name: a, filter_chain_match: {server_names: [shop.example.com]}}
- {name: b, filter_chain_match: {server_names: [www.example.com, shop.example.com]}}`,
		Silent:     "a wildcard and a name under it, of which the name wins; chains that a `filter_chain_matcher` chooses, which have no criteria of their own.",
		Fix:        "let one Gateway server have the host and port; two Gateways that select the same workload must not repeat them",
		References: []string{"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch", "https://istio.io/latest/docs/reference/config/analysis/ist0145/", "https://github.com/istio/istio/issues/24084"},
	},
	Run: runFilterChainMatchDuplicate,
}

func runFilterChainMatchDuplicate(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		reportOverlaps(pass, p, p.Listeners, "")
		if p.Pilot != nil {
			reportOverlaps(pass, p, p.Pilot.Listeners, "istiod would send this")
		}
	}
}

// overlaps are the pairs of chains of a listener that Envoy rejects.
type overlaps []overlap

type overlap struct{ first, second, criteria string }

func reportOverlaps(pass *analyze.Pass, p *mesh.Proxy, listeners []*mesh.Resource, note string) {
	for _, r := range listeners {
		if r.Content == nil {
			continue
		}
		for _, o := range analyze.Once(pass, r.Content, func() overlaps { return overlapsOf(r) }) {
			first, second := p.Ref(r.Kind, r.Name()), p.Ref(r.Kind, r.Name())
			first.Path, second.Path = o.first, o.second
			f := analyze.Finding{
				Ref:      second,
				Source:   r.Source,
				Message:  fmt.Sprintf("%s is what filter chain %s and %s both match, which Envoy rejects", o.criteria, o.first, o.second),
				Evidence: []analyze.Evidence{{Name: "state", Value: string(r.State)}},
				Related:  []analyze.Location{{Ref: first, Source: r.Source, Message: "takes them first"}},
			}
			if r.Error != nil {
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: "rejected with", Value: r.Error.Details})
			}
			if note != "" {
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: "seen", Value: note})
			}
			pass.Report(f)
		}
	}
}

func overlapsOf(r *mesh.Resource) overlaps {
	listener, err := r.Listener()
	if err != nil || listener.GetFilterChainMatcher() != nil {
		return nil
	}
	var out overlaps
	takenBy := map[string]int{}
	left := maxCombinations
	for i, chain := range listener.GetFilterChains() {
		found := false
		for _, combination := range combinations(chain.GetFilterChainMatch(), left) {
			left--
			first, taken := takenBy[combination]
			switch {
			case !taken:
				takenBy[combination] = i
			case !found && first != i:
				found = true
				a, b := chainWords(listener, first, i)
				out = append(out, overlap{a, b, cmp.Or(strings.TrimSpace(combination), "every connection")})
			}
		}
	}
	return out
}

// chainWords tells two chains apart by their names, or by their places.
func chainWords(listener *listenerv3.Listener, i, j int) (string, string) {
	first, second := listener.GetFilterChains()[i].GetName(), listener.GetFilterChains()[j].GetName()
	if first == second {
		first, second = "", ""
	}
	return cmp.Or(first, fmt.Sprintf("#%d", i)), cmp.Or(second, fmt.Sprintf("#%d", j))
}

// maxCombinations bounds the combinations of criteria of one listener.
const maxCombinations = 100_000

// combinations are what a match stands for when of each list one member is taken;
// none where they are more than limit.
func combinations(m *listenerv3.FilterChainMatch, limit int) []string {
	port := ""
	if m.GetDestinationPort() != nil {
		port = fmt.Sprintf("port %d ", m.GetDestinationPort().GetValue())
	}
	out := []string{port}
	for _, criteria := range [][]string{
		rangeCriterion("to ", m.GetPrefixRanges()),
		criterion("server name ", m.GetServerNames(), true),
		criterion("transport ", []string{m.GetTransportProtocol()}, false),
		criterion("ALPN ", m.GetApplicationProtocols(), false),
		rangeCriterion("directly from ", m.GetDirectSourcePrefixRanges()),
		sourceCriterion(m.GetSourceType()),
		rangeCriterion("from ", m.GetSourcePrefixRanges()),
		portCriterion("source port ", m.GetSourcePorts()),
	} {
		if len(out)*len(criteria) > limit {
			return nil
		}
		out = product(out, criteria)
	}
	return out
}

func product(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}

// criterion words the distinct members of a list; a criterion that is empty is none.
func criterion(word string, values []string, fold bool) []string {
	var out []string
	for _, value := range values {
		if fold {
			value = strings.ToLower(value)
		}
		if value != "" {
			out = append(out, word+value+" ")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func rangeCriterion(word string, ranges []*corev3.CidrRange) []string {
	var texts []string
	for _, r := range ranges {
		texts = append(texts, fmt.Sprintf("%s/%d", r.GetAddressPrefix(), r.GetPrefixLen().GetValue()))
	}
	return criterion(word, texts, false)
}

func portCriterion(word string, ports []uint32) []string {
	var texts []string
	for _, port := range ports {
		texts = append(texts, fmt.Sprint(port))
	}
	return criterion(word, texts, false)
}

func sourceCriterion(t listenerv3.FilterChainMatch_ConnectionSourceType) []string {
	if t == listenerv3.FilterChainMatch_ANY {
		return nil
	}
	return []string{"source " + t.String() + " "}
}
