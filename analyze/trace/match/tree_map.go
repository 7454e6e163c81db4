package match

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// lookup yields the branches that a key leads to, the most specific first, until
// one of them comes to something other than No.
type lookup func(w *walk, key string) step

func compileMap(m *xdsmatcherv3.Matcher_MatcherTree) func(*walk) step {
	in := compileInput(m.GetInput())
	switch t := m.GetTreeType().(type) {
	case *xdsmatcherv3.Matcher_MatcherTree_ExactMatchMap:
		return in.branches(exactMap(t.ExactMatchMap.GetMap()))
	case *xdsmatcherv3.Matcher_MatcherTree_PrefixMatchMap:
		return in.branches(prefixMap(t.PrefixMatchMap.GetMap()))
	case *xdsmatcherv3.Matcher_MatcherTree_CustomMatch:
		return customMap(in, mesh.Unpack(t.CustomMatch.GetName(), t.CustomMatch.GetTypedConfig()))
	}
	return unknownBranches(in.name, "a matcher tree without branches")
}

func customMap(in *input, f mesh.Filter) func(*walk) step {
	switch m := f.Config.(type) {
	case *xdsmatcherv3.IPMatcher:
		return in.branches(ipMap(m))
	case *xdsmatcherv3.ServerNameMatcher:
		return in.branches(domainMap(m))
	}
	return unknownBranches(in.name, "custom matcher "+extensionName(f.Name, f.TypeURL))
}

func unknownBranches(condition, why string) func(*walk) step {
	return func(*walk) step { return step{result: Unmodelled(condition, why)} }
}

// branches looks the input up. Without a branch for it the search goes on.
func (in *input) branches(want string, find lookup) func(*walk) step {
	return func(w *walk) step {
		v := in.get(w.attributes)
		if v.unknown != "" {
			return step{result: Unmodelled(in.name, v.unknown)}
		}
		if v.unavailable {
			return step{result: Result{Outcome: noData, Condition: in.name, Want: want, Got: "no TLS"}}
		}
		if !v.found {
			w.pass(missed(in.name, want, "nothing"))
			return step{}
		}
		s := find(w, v.text)
		if s.result.Outcome == No {
			w.pass(missed(in.name, want, v.text))
		}
		return s
	}
}

func compileBranches(m map[string]*xdsmatcherv3.Matcher_OnMatch) map[string]*onMatch {
	branches := make(map[string]*onMatch, len(m))
	for key, branch := range m {
		branches[key] = compileOnMatch(branch)
	}
	return branches
}

func exactMap(m map[string]*xdsmatcherv3.Matcher_OnMatch) (want string, find lookup) {
	branches := compileBranches(m)
	return "one of " + keyList(slices.Sorted(maps.Keys(m))), func(w *walk, key string) step {
		branch, ok := branches[key]
		if !ok {
			return step{}
		}
		return branch.take(w)
	}
}

func prefixMap(m map[string]*xdsmatcherv3.Matcher_OnMatch) (want string, find lookup) {
	branches := compileBranches(m)
	prefixes := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	return "one of the prefixes " + keyList(slices.Sorted(maps.Keys(m))), func(w *walk, key string) step {
		for _, prefix := range prefixes {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if s := branches[prefix].take(w); s.result.Outcome != No {
				return s
			}
		}
		return step{}
	}
}

type rangeBranch struct {
	prefix    netip.Prefix
	exclusive bool
	take      *onMatch
}

func ipMap(m *xdsmatcherv3.IPMatcher) (want string, find lookup) {
	var ranges []rangeBranch
	var all Prefixes
	for _, r := range m.GetRangeMatchers() {
		branch := compileOnMatch(r.GetOnMatch())
		for _, prefix := range CompilePrefixes(r.GetRanges()) {
			ranges = append(ranges, rangeBranch{prefix: prefix, exclusive: r.GetExclusive(), take: branch})
			all = append(all, prefix)
		}
	}
	slices.SortStableFunc(ranges, func(a, b rangeBranch) int { return cmp.Compare(b.prefix.Bits(), a.prefix.Bits()) })
	return "an address in " + all.String(), func(w *walk, key string) step {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			return step{}
		}
		return findRange(w, ranges, addr)
	}
}

// findRange takes the most specific range first. An exclusive one is taken as the
// first or not at all.
func findRange(w *walk, ranges []rangeBranch, addr netip.Addr) step {
	first := true
	for _, r := range ranges {
		if !r.prefix.Contains(addr) || r.exclusive && !first {
			continue
		}
		first = false
		if s := r.take.take(w); s.result.Outcome != No {
			return s
		}
	}
	return step{}
}

func domainMap(m *xdsmatcherv3.ServerNameMatcher) (want string, find lookup) {
	branches := map[string]*onMatch{}
	for _, d := range m.GetDomainMatchers() {
		branch := compileOnMatch(d.GetOnMatch())
		for _, domain := range d.GetDomains() {
			if _, ok := branches[domain]; !ok {
				branches[domain] = branch
			}
		}
	}
	return "one of the domains " + keyList(slices.Sorted(maps.Keys(branches))), func(w *walk, key string) step {
		return findDomain(w, branches, key)
	}
}

// findDomain takes the exact domain, then *. domains from the longest to the
// shortest, then *.
func findDomain(w *walk, branches map[string]*onMatch, domain string) step {
	if domain == "" {
		return step{}
	}
	if s := takeDomain(w, branches, domain); s.result.Outcome != No {
		return s
	}
	for rest := domain; ; {
		_, suffix, ok := strings.Cut(rest, ".")
		if !ok {
			return takeDomain(w, branches, "*")
		}
		if s := takeDomain(w, branches, "*."+suffix); s.result.Outcome != No {
			return s
		}
		rest = suffix
	}
}

func takeDomain(w *walk, branches map[string]*onMatch, domain string) step {
	branch, ok := branches[domain]
	if !ok {
		return step{}
	}
	return branch.take(w)
}

// keyList is a list of keys as it is shown; long ones are cut.
func keyList(keys []string) string {
	const shown = 5
	if len(keys) <= shown {
		return strings.Join(keys, ", ")
	}
	return strings.Join(keys[:shown], ", ") + " and " + strconv.Itoa(len(keys)-shown) + " more"
}
