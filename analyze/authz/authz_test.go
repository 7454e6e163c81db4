package authz

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/meshray/meshray/loader"
)

func TestNeed(t *testing.T) {
	tests := []struct {
		name, requirement string
		want              Need
	}{
		{"none", `{}`, Ignored},
		{"provider", `{"provider_name": "a"}`, Required},
		{"provider with audiences", `{"provider_and_audiences": {"provider_name": "a", "audiences": ["x"]}}`, Required},
		{"missing", `{"allow_missing": {}}`, Optional},
		{"missing or failed", `{"allow_missing_or_failed": {}}`, Ignored},
		{"any", `{"requires_any": {"requirements": [{"provider_name": "a"}, {"provider_name": "b"}]}}`, Required},
		{"any or missing", `{"requires_any": {"requirements": [{"provider_name": "a"}, {"allow_missing": {}}]}}`, Optional},
		{"any or failed", `{"requires_any": {"requirements": [{"allow_missing": {}}, {"allow_missing_or_failed": {}}]}}`, Ignored},
		{"all", `{"requires_all": {"requirements": [{"allow_missing": {}}, {"provider_name": "b"}]}}`, Required},
		{"all optional", `{"requires_all": {"requirements": [{"requires_any": {"requirements": [{"provider_name": "a"}, {"allow_missing": {}}]}}, {"allow_missing_or_failed": {}}]}}`, Optional},
		{"empty list", `{"requires_any": {}}`, Ignored},
		{
			"deeper than is followed", strings.Repeat(`{"requires_any": {"requirements": [`, maxDepth+1) + `{"allow_missing": {}}` + strings.Repeat(`]}}`, maxDepth+1),
			Required,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var requirement jwtv3.JwtRequirement
			if err := protojson.Unmarshal([]byte(test.requirement), &requirement); err != nil {
				t.Fatal(err)
			}
			if got := needOf(&requirement, 0); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	const providers = `"providers": {
		"a": {"issuer": "https://a", "audiences": ["x", "y"], "remote_jwks": {"http_uri": {"uri": "https://a/keys"}}},
		"b": {"from_headers": [{"name": "x-b"}], "from_params": ["b"], "local_jwks": {"filename": "/keys"}}}`
	tests := []struct {
		name, config string
		want         []string
	}{
		{
			"by path", `{"rules": [
				{"match": {"path": "/open"}},
				{"match": {"prefix": "/api"}, "requires": {"provider_name": "a"}},
				{"match": {"path_separated_prefix": "/v1", "headers": [{"name": "x-team"}]}, "requires": {"provider_name": "b"}},
				{"match": {"prefix": "/dir/"}, "requires": {"provider_and_audiences": {"provider_name": "a", "audiences": ["z"]}}},
				{"match": {"safe_regex": {"regex": "/r.*"}}, "requires": {"provider_name": "b"}}], ` + providers + `}`,
			[]string{
				"https://a [x y] /api* required https://a/keys [header Authorization (Bearer) query parameter access_token]",
				" [] /v1[/*], header x-team required file /keys [header x-b query parameter b]",
				"https://a [z] /dir/* required https://a/keys [header Authorization (Bearer) query parameter access_token]",
				" [] regex /r.* required file /keys [header x-b query parameter b]",
			},
		},
		{
			"by name", `{"requirement_map": {"one": {"provider_name": "b"}}, "rules": [{"match": {"connect_matcher": {}}, "requirement_name": "one"}], ` + providers + `}`,
			[]string{
				" [] CONNECT required file /keys [header x-b query parameter b]",
				" [] requirement one required file /keys [header x-b query parameter b]",
			},
		},
		{"unknown provider", `{"rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "gone"}}]}`, []string{
			" [] * required  [header Authorization (Bearer) query parameter access_token]",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			filter := strings.Replace(test.config, "{", `{"@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", `, 1)
			check := checkOf(t, chainWith(`{"name": "jwt", "typed_config": `+filter+`}`))
			var got []string
			for _, token := range check.Tokens {
				got = append(got, fmt.Sprintf("%s %v %s %s %s %v", token.Issuer, token.Audiences, token.Paths, token.Need, token.Keys, token.From))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestOldTokens reads Istio's own filters, as Istio 1.0 to 1.4 wrote them.
func TestOldTokens(t *testing.T) {
	const jwt = `{"name": "jwt-auth", "config": {"rules": [{"issuer": "https://a", "from_headers": [{"name": "x-a", "value_prefix": "A "}], "from_params": ["a"], "remote_jwks": {"http_uri": {"uri": "https://a/keys"}}}, {"issuer": "https://b", "audiences": ["x"], "local_jwks": {}}]}}`
	authn := func(policy string) string { return `{"name": "istio_authn", "config": {"policy": ` + policy + `}}` }
	tests := []struct {
		name, filters string
		want          Need
	}{
		{"required", jwt + "," + authn(`{"origins": [{}]}`), Required},
		{"optional", jwt + "," + authn(`{"origins": [{}], "origin_is_optional": true}`), Optional},
		{"no origin", jwt + "," + authn(`{"peers": [{}]}`), Ignored},
		{"not asked", jwt, Ignored},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := fmt.Sprint(checkOf(t, chainWith(test.filters)).Tokens)
			const place = "[in#0]"
			want := fmt.Sprintf("[{https://a jwt-auth [] [header x-a (A) query parameter a] https://a/keys %s * jwt-auth %s} "+
				"{https://b jwt-auth [x] [header Authorization (Bearer) query parameter access_token] inline %s * jwt-auth %s}]", test.want, place, test.want, place)
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestMatchers lists the actions that matcher trees end in.
func TestMatchers(t *testing.T) {
	action := func(name, does string) string {
		return fmt.Sprintf(`{"action": {"name": "action", "typed_config": {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": %q, "action": %q}}}`, name, does)
	}
	const input = `{"name": "path", "typed_config": {"@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": ":path"}}`
	matcher := `{"matcher_list": {"matchers": [
		{"predicate": {"single_predicate": {"input": ` + input + `, "value_match": {"exact": "/a"}}}, "on_match": ` + action("list", "DENY") + `},
		{"predicate": {"single_predicate": {"input": ` + input + `, "value_match": {"exact": "/b"}}}, "on_match": {"matcher": {"matcher_tree": {"input": ` + input + `,
			"prefix_match_map": {"map": {"/z": ` + action("z", "ALLOW") + `, "/y": ` + action("ns[shop]-policy[y]-rule[1]", "ALLOW") + `}}}}}},
		{"predicate": {"single_predicate": {"input": ` + input + `, "value_match": {"exact": "/c"}}}, "on_match": {"action": {"name": "foreign", "typed_config": {"@type": "type.googleapis.com/google.protobuf.Empty"}}}}]},
		"on_no_match": ` + action("last", "LOG") + `}`
	check := checkOf(t, chainWith(`{"name": "rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
		"rules": {"policies": {"not in force": {}}}, "matcher": `+matcher+`, "shadow_matcher": `+matcher+`}}`))
	var got []string
	for _, policy := range check.Policies {
		got = append(got, fmt.Sprintf("%s %v %s %d", policy.Action, policy.DryRun, policy, policy.Rules[0].Index))
	}
	want := []string{
		"LOG false last -1", "LOG true last -1", "DENY false list -1", "DENY true list -1",
		"ALLOW false y.shop 1", "ALLOW false z -1", "ALLOW true y.shop 1", "ALLOW true z -1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestExternal says what ext_authz filters ask.
func TestExternal(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"gRPC", `"grpc_service": {"google_grpc": {"target_uri": "opa:9191"}}`, "asks opa:9191; no answer refuses the request"},
		{
			"HTTP", `"http_service": {"server_uri": {"uri": "http://opa/", "cluster": "opa", "timeout": "2s"}}, "failure_mode_allow": true`,
			"asks opa within 2s; no answer lets the request pass",
		},
		{"nobody", `"transport_api_version": "V3"`, "asks a server that is not named; no answer refuses the request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			check := checkOf(t, chainWith(`{"name": "ask", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", `+test.config+`}}`))
			if len(check.Policies) != 1 || check.Policies[0].Rules[0].Asks != test.want {
				t.Errorf("got %v, want one policy that %s", check.Policies, test.want)
			}
		})
	}
}

// TestDamage keeps what can be read beside a listener and a filter that cannot.
func TestDamage(t *testing.T) {
	const rbac = `{"name": "envoy.filters.network.rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC", "rules": {}}}`
	check := checkOf(t, `{"name": "bad", "address": 7}`, `{"name": "good", "filter_chains": [{"filters": [{"name": "late", "config_discovery": {}}, `+rbac+`]}]}`)
	if len(check.Problems) != 1 || !strings.Contains(check.Problems[0], `"bad"`) {
		t.Errorf("got problems %q, want one of listener bad", check.Problems)
	}
	if len(check.Policies) != 1 || check.Policies[0].Name != MatchesNothing {
		t.Errorf("got %v, want the filter that refuses everything", check.Policies)
	}
}

// chainWith is a listener with HTTP filters.
func chainWith(filters string) string {
	return `{"name": "in", "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}}, "filter_chains": [{"filters": [
		{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
			"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"stat_prefix": "in", "http_filters": [` + filters + `]}}]}]}`
}

func checkOf(t *testing.T, listeners ...string) Check {
	t.Helper()
	var entries []string
	for _, l := range listeners {
		entries = append(entries, `{"name": "in", "active_state": {"listener": {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", `+l[1:]+`}}`)
	}
	const bootstrap = `{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": "sidecar~10.0.0.9~cart-1.shop~shop.svc.cluster.local"}}}`
	dump := `{"configs": [` + bootstrap + `, {"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [` + strings.Join(entries, ",") + `]}]}`
	capture, err := loader.Load([]string{"-"}, strings.NewReader(dump), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(capture.Proxies) != 1 {
		t.Fatalf("got %d proxies, want 1", len(capture.Proxies))
	}
	return Of(capture, capture.Proxies[0])
}
