package match

import (
	"net/netip"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	ipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/ip/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/metadata/v3"
	fractionv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/input_matchers/runtime_fraction/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// predicate is a condition of a matcher list. Its Result has Condition, Want and
// Got for Yes, too, so that a not_matcher can tell what held.
type predicate func(*Attributes) Result

func compilePredicate(m *xdsmatcherv3.Matcher_MatcherList_Predicate) predicate {
	switch p := m.GetMatchType().(type) {
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_:
		return compileSingle(p.SinglePredicate)
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_AndMatcher:
		return all(compilePredicates(p.AndMatcher))
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_OrMatcher:
		return anyOf(compilePredicates(p.OrMatcher))
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_NotMatcher:
		return negated(compilePredicate(p.NotMatcher))
	}
	return unknownPredicate("predicate", "a predicate without a condition")
}

func compilePredicates(m *xdsmatcherv3.Matcher_MatcherList_Predicate_PredicateList) []predicate {
	var predicates []predicate
	for _, p := range m.GetPredicate() {
		predicates = append(predicates, compilePredicate(p))
	}
	return predicates
}

func unknownPredicate(condition, why string) predicate {
	return func(*Attributes) Result { return Unmodelled(condition, why) }
}

func all(predicates []predicate) predicate {
	return func(a *Attributes) Result {
		result := Matched
		for _, p := range predicates {
			if result = and(result, p(a)); result.Outcome == No || result.Outcome == noData {
				return result
			}
		}
		return result
	}
}

func anyOf(predicates []predicate) predicate {
	return func(a *Attributes) Result {
		result := missed("or_matcher", "one of its conditions", "none")
		for i, p := range predicates {
			r := p(a)
			if r.Outcome == Yes || r.Outcome == noData {
				return r
			}
			if i == 0 || r.Outcome == Unknown {
				result = r
			}
		}
		return result
	}
}

func negated(p predicate) predicate {
	return func(a *Attributes) Result {
		r := p(a)
		r.Outcome = r.Outcome.not()
		if r.Outcome == Yes || r.Outcome == No {
			r.Want = "not " + r.Want
		}
		return r
	}
}

func compileSingle(m *xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate) predicate {
	in := compileInput(m.GetInput())
	switch p := m.GetMatcher().(type) {
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch:
		s := CompileString(envoyString(p.ValueMatch))
		return in.predicate(s.want, s.test)
	case *xdsmatcherv3.Matcher_MatcherList_Predicate_SinglePredicate_CustomMatch:
		return compileCustom(in, mesh.Unpack(p.CustomMatch.GetName(), p.CustomMatch.GetTypedConfig()))
	}
	return unknownPredicate(in.name, "a predicate without a matcher")
}

// predicate asks test of the input as a text. An input that is not there does not match.
func (in *input) predicate(want string, test func(string) Outcome) predicate {
	return func(a *Attributes) Result {
		v := in.get(a)
		switch {
		case v.unknown != "":
			return Unmodelled(in.name, v.unknown)
		case v.unavailable:
			return Result{Outcome: noData, Condition: in.name, Want: want, Got: "no TLS"}
		case !v.found:
			return missed(in.name, want, "nothing")
		}
		o := test(v.text)
		if o == Unknown {
			return Unmodelled(in.name, want)
		}
		return Result{Outcome: o, Condition: in.name, Want: want, Got: v.text}
	}
}

func compileCustom(in *input, f mesh.Filter) predicate {
	switch m := f.Config.(type) {
	case *ipv3.Ip:
		prefixes := CompilePrefixes(m.GetCidrRanges())
		return in.predicate("an address in "+prefixes.String(), func(text string) Outcome {
			addr, err := netip.ParseAddr(text)
			return outcome(err == nil && prefixes.Contain(addr))
		})
	case *metadatav3.Metadata:
		return compileMetadataInput(in, m)
	case *fractionv3.RuntimeFraction:
		return compileInputFraction(in, m)
	}
	return unknownPredicate(in.name, "custom matcher "+extensionName(f.Name, f.TypeURL))
}

func compileMetadataInput(in *input, m *metadatav3.Metadata) predicate {
	value, want := CompileValue(m.GetValue()), ""
	if want = value.want; m.GetInvert() {
		want = "not " + want
	}
	return func(a *Attributes) Result {
		v := in.get(a)
		if v.unknown != "" {
			return Unmodelled(in.name, v.unknown)
		}
		o := value.test(v.value)
		if m.GetInvert() {
			o = o.not()
		}
		return Result{Outcome: o, Condition: in.name, Want: want, Got: valueText(v.value)}
	}
}

// compileInputFraction is a fraction of the input's values, chosen by a hash of
// theirs that is not modelled; only all and none of them are certain.
func compileInputFraction(in *input, m *fractionv3.RuntimeFraction) predicate {
	f := compileFraction(m.GetRuntimeFraction().GetDefaultValue())
	want := "a hash % " + f.want[len("a random value % "):]
	return in.predicate(want, func(string) Outcome {
		switch {
		case f.numerator == 0:
			return No
		case f.numerator >= f.denominator:
			return Yes
		}
		return Unknown
	})
}

// envoyString is the same StringMatcher in Envoy's package.
func envoyString(m *xdsmatcherv3.StringMatcher) *matcherv3.StringMatcher {
	out := &matcherv3.StringMatcher{IgnoreCase: m.GetIgnoreCase()}
	switch p := m.GetMatchPattern().(type) {
	case *xdsmatcherv3.StringMatcher_Exact:
		out.MatchPattern = &matcherv3.StringMatcher_Exact{Exact: p.Exact}
	case *xdsmatcherv3.StringMatcher_Prefix:
		out.MatchPattern = &matcherv3.StringMatcher_Prefix{Prefix: p.Prefix}
	case *xdsmatcherv3.StringMatcher_Suffix:
		out.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: p.Suffix}
	case *xdsmatcherv3.StringMatcher_Contains:
		out.MatchPattern = &matcherv3.StringMatcher_Contains{Contains: p.Contains}
	case *xdsmatcherv3.StringMatcher_SafeRegex:
		out.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: p.SafeRegex.GetRegex()}}
	case *xdsmatcherv3.StringMatcher_Custom:
		out.MatchPattern = &matcherv3.StringMatcher_Custom{Custom: p.Custom}
	}
	return out
}
