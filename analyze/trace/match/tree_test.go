package match

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// expand replaces the short forms in the trees of these tests: <action NAME> and the
// inputs <header NAME>, <query NAME>, <network TYPE> and <ssl TYPE>.
func expand(text string) string {
	const input = `"input": {"name": "in", "typedConfig": {"@type": "type.googleapis.com/`
	return shortForm.ReplaceAllStringFunc(text, func(form string) string {
		kind, name, _ := strings.Cut(strings.Trim(form, "<>"), " ")
		switch kind {
		case "action":
			return `"action": {"name": "` + name + `"}`
		case "header":
			return input + `envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "headerName": "` + name + `"}}`
		case "query":
			return input + `envoy.type.matcher.v3.HttpRequestQueryParamMatchInput", "queryParam": "` + name + `"}}`
		}
		return input + `envoy.extensions.matching.common_inputs.` + kind + `.v3.` + name + `"}}`
	})
}

var shortForm = regexp.MustCompile(`<[^<>]+>`)

func tree(t *testing.T, text string) *Tree {
	return CompileTree(parse(t, &xdsmatcherv3.Matcher{}, expand(text)))
}

func list(branches ...string) string {
	return `{"matcherList": {"matchers": ` + "[" + strings.Join(branches, ",") + "]" + `}, "onNoMatch": {<action none>}}`
}

func branch(input, match, onMatch string) string {
	return `{"predicate": {"singlePredicate": {` + input + `, "valueMatch": {` + match + `}}}, "onMatch": {` + onMatch + `}}`
}

func TestTree(t *testing.T) {
	const inner = `"matcher": {"matcherTree": {<header x-b>, "exactMatchMap": {"map": {"1": {<action b1>}}}}}`
	keys := func(input, kind, entries string) string {
		return `{"matcherTree": {` + input + `, "` + kind + `": {"map": {` + entries + `}}}, "onNoMatch": {<action none>}}`
	}
	path := keys(`<header :path>`, "prefixMatchMap", `"/": {<action root>}, "/api": {`+inner+`}, "/api/v1": {<action v1>}`)
	values := list(branch(`<header x-a>`, `"exact": "1"`, `<action one>`), branch(`<header x-a>`, `"prefix": "1"`, inner), branch(`<header x-a>`, `"suffix": "Z", "ignoreCase": true`, `<action z>`))
	tests := []struct {
		tree string
		a    *Attributes
		want string
	}{
		{values, get("/", "x-a", "1"), "one"},
		{values, get("/", "x-a", "1", "x-a", "z"), "z"},
		{values, get("/", "x-a", "12"), "none"},
		{values, get("/", "x-a", "12", "x-b", "1"), "b1"},
		{values, get("/", "x-a", "1z"), "z"},
		{values, get("/"), "none"},
		{path, get("/api/v1/x"), "v1"},
		{path, get("/api/v2"), "root"},
		{path, get("/api/v2", "x-b", "1"), "b1"},
		{keys(`<header x-a>`, "exactMatchMap", `"1": {`+inner+`}`), get("/", "x-a", "1"), "none"},
		{keys(`<header x-a>`, "exactMatchMap", `"1": {<action kept>, "keepMatching": true}`), get("/", "x-a", "1"), "none"},
		{keys(`<query q>`, "exactMatchMap", `"a b": {<action decoded>}`), get("/?q=a%20b&q=c"), "decoded"},
		{keys(`<query q>`, "exactMatchMap", `"": {<action empty>}`), get("/"), "none"},
		{keys(`<network DestinationPortInput>`, "exactMatchMap", `"80": {<action port>}`), get("/"), "port"},
		{keys(`<network DestinationIPInput>`, "exactMatchMap", `"10.0.0.1": {<action ip>}`), get("/"), "ip"},
		{keys(`<network SourceIPInput>`, "exactMatchMap", `"10.0.0.7": {<action ip>}`), get("/"), "ip"},
		{keys(`<network SourcePortInput>`, "exactMatchMap", `"4444": {<action port>}`), get("/"), "port"},
		{keys(`<network DirectSourceIPInput>`, "exactMatchMap", `"10.0.0.8": {<action ip>}`), get("/"), "ip"},
		{keys(`<network SourceTypeInput>`, "exactMatchMap", `"local": {<action local>}`), get("/"), "none"},
		{keys(`<network SourceTypeInput>`, "exactMatchMap", `"local": {<action local>}`), &Attributes{Source: netip.MustParseAddrPort("127.0.0.1:1")}, "local"},
		{keys(`<network ServerNameInput>`, "exactMatchMap", `"": {<action empty>}`), get("/"), "none"},
		{keys(`<network ServerNameInput>`, "exactMatchMap", `"a": {<action a>}`), &Attributes{SNI: "a"}, "a"},
		{keys(`<network TransportProtocolInput>`, "exactMatchMap", `"raw_buffer": {<action raw>}`), get("/"), "raw"},
		{keys(`<network ApplicationProtocolInput>`, "exactMatchMap", `"'h2','http/1.1'": {<action h2>}`), &Attributes{ApplicationProtocols: []string{"h2", "http/1.1"}}, "h2"},
		{keys(`<ssl UriSanInput>`, "exactMatchMap", `"a,b": {<action ab>}`), &Attributes{TLS: true, PeerURISANs: []string{"a", "b"}}, "ab"},
		{keys(`<ssl UriSanInput>`, "exactMatchMap", `"a": {<action a>}`), &Attributes{TLS: true}, "none"},
		// Without TLS not even on_no_match counts.
		{keys(`<ssl UriSanInput>`, "exactMatchMap", `"a": {<action a>}`), get("/"), "peer URI SAN: wants one of a, got no TLS"},
		{list(branch(`<ssl SubjectInput>`, `"exact": "a"`, `<action a>`)), get("/"), "peer subject: wants exact a, got no TLS"},
		{list(branch(`<ssl SubjectInput>`, `"exact": "a"`, `<action a>`)), &Attributes{TLS: true, PeerPresented: true}, "peer subject: cannot be known: of the client's certificate only the URI names are known"},
		{`{"onNoMatch": {<action always>}}`, get("/"), "always"},
		{`{}`, get("/"), "matcher: wants a branch that matches, got none"},
		{`{"matcherTree": {<header x-a>, "exactMatchMap": {"map": {"1": {<action one>}}}}}`, get("/"), "matcher: wants a branch that matches, got none"},
	}
	for _, test := range tests {
		t.Run(test.tree, func(t *testing.T) {
			action, found, result := tree(t, test.tree).Match(test.a)
			got := result.String()
			if found {
				got = action.GetName()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			if result.Outcome > Unknown {
				t.Errorf("got outcome %d, want No, Yes or Unknown", result.Outcome)
			}
		})
	}
}

func TestTreePredicates(t *testing.T) {
	const one, two, unknown = `{"singlePredicate": {<header x-a>, "valueMatch": {"exact": "1"}}}`, `{"singlePredicate": {<header x-b>, "valueMatch": {"exact": "2"}}}`,
		`{"singlePredicate": {"input": {"name": "own"}, "valueMatch": {"exact": "1"}}}`
	and, or := `{"andMatcher": {"predicate": `+`[`+one+","+two+"]}}", `{"orMatcher": {"predicate": `+`[`+one+","+two+"]}}"
	tests := []struct {
		predicate string
		a         *Attributes
		want      string
	}{
		{and, get("/", "x-a", "1", "x-b", "2"), "yes"},
		{and, get("/", "x-a", "1", "x-b", "3"), "none: header x-b: wants exact 2, got 3"},
		{or, get("/", "x-b", "2"), "yes"},
		{or, get("/", "x-a", "3"), "none: header x-a: wants exact 1, got 3"},
		{`{"notMatcher": ` + one + `}`, get("/"), "yes"},
		{`{"notMatcher": ` + one + `}`, get("/", "x-a", "1"), "none: header x-a: wants not exact 1, got 1"},
		{unknown, get("/"), "input own: cannot be known: input own"},
		{`{"andMatcher": {"predicate": ` + "[" + unknown + "," + one + "]}}", get("/"), "none: header x-a: wants exact 1, got nothing"},
		{`{"orMatcher": {"predicate": ` + "[" + unknown + "," + one + "]}}", get("/", "x-a", "1"), "yes"},
		{`{"orMatcher": {"predicate": ` + "[" + one + "," + unknown + "]}}", get("/"), "input own: cannot be known: input own"},
	}
	for _, test := range tests {
		t.Run(test.predicate, func(t *testing.T) {
			d := tree(t, `{"matcherList": {"matchers": [{"predicate": `+test.predicate+`, "onMatch": {<action yes>}}]}, "onNoMatch": {<action none>}}`).Explain(test.a)
			got := d.Action.GetName()
			if d.Result.Outcome == Unknown {
				got = d.Result.String()
			}
			for _, passed := range d.Passed {
				got += ": " + passed.String()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// custom is a tree whose branches a custom matcher finds, by the header x-a.
func custom(config string) string {
	return `{"matcherTree": {<header x-a>, "customMatch": {"name": "own", "typedConfig": {"@type": "type.googleapis.com/` + config + `}}}, "onNoMatch": {<action none>}}`
}

func TestTreeRanges(t *testing.T) {
	const never = `"matcher": {"matcherTree": {<header x-b>, "exactMatchMap": {"map": {"1": {<action b1>}}}}}`
	text := custom(`xds.type.matcher.v3.IPMatcher", "rangeMatchers": ` + "[" +
		`{"ranges": [{"addressPrefix": "0.0.0.0"}], "onMatch": {<action any>}},` +
		`{"ranges": [{"addressPrefix": "10.1.0.0", "prefixLen": 16}], "exclusive": true, "onMatch": {<action exclusive>}},` +
		`{"ranges": [{"addressPrefix": "10.1.1.0", "prefixLen": 24}], "onMatch": {` + never + `}}` + "]")
	for address, want := range map[string]string{"9.9.9.9": "any", "10.1.9.9": "exclusive", "10.1.1.1": "any", "::1": "none", "::ffff:10.1.9.9": "none", "x": "none"} {
		if action, _, result := tree(t, text).Match(get("/", "x-a", address)); action.GetName() != want {
			t.Errorf("%s: got %q (%v), want %q", address, action.GetName(), result, want)
		}
	}
}

func TestTreeDomains(t *testing.T) {
	const never = `"matcher": {"matcherTree": {<header x-b>, "exactMatchMap": {"map": {"1": {<action b1>}}}}}`
	strs := func(s string) string { return "[" + s + "]" }
	text := custom(`xds.type.matcher.v3.ServerNameMatcher", "domainMatchers": ` + strs(
		`{"domains": `+strs(`"www.example.com"`)+`, "onMatch": {<action exact>}},`+
			`{"domains": `+strs(`"*.example.com", "*.com"`)+`, "onMatch": {<action wild>}},`+
			`{"domains": `+strs(`"*.api.example.com"`)+`, "onMatch": {`+never+`}},`+
			`{"domains": `+strs(`"*"`)+`, "onMatch": {<action star>}}`))
	for domain, want := range map[string]string{"www.example.com": "exact", "a.example.com": "wild", "x.api.example.com": "wild", "org": "star", "WWW.example.com": "wild", "": "none"} {
		if action, _, result := tree(t, text).Match(get("/", "x-a", domain)); action.GetName() != want {
			t.Errorf("%q: got %q (%v), want %q", domain, action.GetName(), result, want)
		}
	}
}

func TestTreeCustomMatchers(t *testing.T) {
	const ip = `envoy.extensions.matching.input_matchers.ip.v3.Ip", "cidrRanges": [{"addressPrefix": "10.0.0.0", "prefixLen": 8}` + "]"
	const fraction = `envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction", "runtimeFraction": {"defaultValue": {"numerator": `
	tests := []struct{ matcher, want string }{
		{ip, "yes"},
		{fraction + "100}}", "yes"},
		{fraction + "0}}", "none"},
		{fraction + "50}}", "header x-a: cannot be known: a hash % 100 < 50"},
		{`xds.type.matcher.v3.CelMatcher"`, "header x-a: cannot be known: custom matcher own"},
	}
	for _, test := range tests {
		text := list(`{"predicate": {"singlePredicate": {<header x-a>, "customMatch": {"name": "own", "typedConfig": {"@type": "type.googleapis.com/` + test.matcher + `}}}}, "onMatch": {<action yes>}}`)
		action, found, result := tree(t, text).Match(get("/", "x-a", "10.1.2.3"))
		got := result.String()
		if found {
			got = action.GetName()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.matcher, got, test.want)
		}
	}
}

func TestTreeMetadata(t *testing.T) {
	text := list(`{"predicate": {"singlePredicate": {"input": {"name": "in", "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
		"filter": "f", "path": [{"key": "k"}]}}, "customMatch": {"name": "m", "typedConfig": {
		"@type": "type.googleapis.com/envoy.extensions.matching.input_matchers.metadata.v3.Metadata", "value": {"stringMatch": {"exact": "v"}}}}}}, "onMatch": {<action yes>}}`)
	a := &Attributes{Metadata: map[string]*structpb.Struct{"f": {Fields: map[string]*structpb.Value{"k": structpb.NewStringValue("v")}}}}
	if action, _, result := tree(t, text).Match(a); action.GetName() != "yes" {
		t.Errorf("got %q (%v), want yes", action.GetName(), result)
	}
	_, _, result := tree(t, text).Match(&Attributes{})
	sameResult(t, result, "dynamic metadata f.k: cannot be known: what the filters set while the request runs is not in a capture")
}

func TestPrefixes(t *testing.T) {
	m := parse(t, &xdsmatcherv3.IPMatcher{}, `{"rangeMatchers": [{"ranges": [{"addressPrefix": "10.1.2.3", "prefixLen": 16}, {"addressPrefix": "10.0.0.0", "prefixLen": 8},
		{"addressPrefix": "x"}, {"addressPrefix": "1.1.1.1", "prefixLen": 33}, {"addressPrefix": "2001:db8::", "prefixLen": 32}]}]}`)
	p := CompilePrefixes(m.GetRangeMatchers()[0].GetRanges())
	if got, want := p.String(), "10.1.0.0/16, 10.0.0.0/8, 2001:db8::/32"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var got []int
	for _, address := range []string{"10.1.9.9", "10.9.9.9", "2001:db8::1", "11.0.0.0"} {
		got = append(got, p.Longest(netip.MustParseAddr(address)))
	}
	if want := []int{16, 8, 32, -1}; !slices.Equal(got, want) {
		t.Errorf("Longest: got %v, want %v", got, want)
	}
	if p.Contain(netip.Addr{}) {
		t.Error("the zero address is contained, want it outside")
	}
}
