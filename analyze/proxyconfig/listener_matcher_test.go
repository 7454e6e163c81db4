package proxyconfig

import (
	"fmt"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
)

func TestMatcherPaths(t *testing.T) {
	const toChain = `{"action": {"name": %[1]q, "typed_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": %[1]q}}}`
	to := func(chain string) string { return fmt.Sprintf(toChain, chain) }
	const input = `"input": {"name": %q, "typed_config": {"@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput"}}`
	on := func(name string) string { return fmt.Sprintf(input, name) }
	tests := []struct{ name, matcher, want string }{
		{"none", ``, "map[]"},
		{
			"by port, else",
			`{"matcher_tree": {` + on("port") + `, "exact_match_map": {"map": {"80": ` + to("b") + `, "443": ` + to("a") + `}}}, "on_no_match": ` + to("rest") + `}`,
			"map[a:[port=443] b:[port=80] rest:[ANY]]",
		},
		{
			"by address and port",
			`{"matcher_tree": {` + on("ip") + `, "custom_match": {"name": "ip", "typed_config": {"@type": "type.googleapis.com/xds.type.matcher.v3.IPMatcher", "range_matchers": [
			  {"ranges": [{"address_prefix": "10.0.0.1", "prefix_len": 32}, {"address_prefix": "10.1.0.0", "prefix_len": 16}],
			   "on_match": {"matcher": {"matcher_tree": {` + on("port") + `, "prefix_match_map": {"map": {"8": ` + to("a") + `}}}, "on_no_match": ` + to("a") + `}}}]}}}}`,
			"map[a:[ip=10.0.0.1/32,10.1.0.0/16 -> port^=8 ip=10.0.0.1/32,10.1.0.0/16 -> ANY]]",
		},
		{
			"a matcher that nobody knows",
			`{"matcher_tree": {` + on("x") + `, "custom_match": {"name": "own", "typed_config": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "?"}}}}`,
			"map[:[x=type.googleapis.com/google.protobuf.StringValue]]",
		},
		{
			"a list of predicates",
			`{"matcher_list": {"matchers": [{"predicate": {"and_matcher": {"predicate": [
			  {"single_predicate": {` + on("sni") + `, "value_match": {"suffix": ".example.com"}}},
			  {"not_matcher": {"single_predicate": {` + on("sni") + `, "value_match": {"exact": "a.example.com"}}}}]}}, "on_match": ` + to("a") + `}]}}`,
			"map[a:[(sni$=.example.com and not sni=a.example.com)]]",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			raw := `{"name": "l"}`
			if test.matcher != "" {
				raw = `{"name": "l", "filter_chain_matcher": ` + test.matcher + `}`
			}
			l, err := resource(mesh.Listener, raw).Listener()
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(matcherPaths(l.GetFilterChainMatcher())); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
