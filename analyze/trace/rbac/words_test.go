package rbac_test

import (
	"strings"
	"testing"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/meshray/meshray/analyze/trace/rbac"
)

func TestDescribe(t *testing.T) {
	const jwt = `"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "role"}]`
	tests := []struct{ name, policy, want string }{
		{"everything", `{"permissions": [{"any": true}], "principals": [{"any": true}]}`, ``},
		{"istio", `{"permissions": [{"and_rules": {"rules": [
			{"or_rules": {"rules": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}, {"header": {"name": ":method", "string_match": {"exact": "HEAD"}}}]}},
			{"or_rules": {"rules": [{"destination_port": 9080}]}}]}}],
			"principals": [{"and_ids": {"ids": [
			{"or_ids": {"ids": [{"authenticated": {"principal_name": {"exact": "spiffe://cluster.local/ns/a/sa/b"}}}]}},
			{"not_id": {"or_ids": {"ids": [{"header": {"name": "x-team", "string_match": {"exact": "blocked"}}}, {"header": {"name": "x-team", "string_match": {"prefix": "ex-"}}}]}}}]}}]}`,
			`from principals spiffe://cluster.local/ns/a/sa/b; to methods GET or HEAD; to ports 9080; when header x-team is not blocked or prefix ex-`},
		{"addresses", `{"permissions": [{"not_rule": {"url_path": {"path": {"prefix": "/admin"}}}}],
			"principals": [{"remote_ip": {"address_prefix": "203.0.113.0", "prefix_len": 24}}]}`,
			`from remote IPs 203.0.113.0/24; to paths not prefix /admin`},
		{"claim", `{"permissions": [{"any": true}], "principals": [{"metadata": {` + jwt + `, "value": {"string_match": {"exact": "admin"}}}}]}`,
			`when claim role is admin`},
		{"peer principal", `{"permissions": [{"any": true}], "principals": [{"filter_state": {"key": "io.istio.peer_principal", "string_match": {"suffix": "/sa/b"}}}]}`,
			`from principals suffix /sa/b`},
		{"alternatives", `{"permissions": [{"destination_port": 80}, {"and_rules": {"rules": [{"destination_port": 81}, {"url_path": {"path": {"exact": "/a"}}}]}}], "principals": [{"any": true}]}`,
			`when (to ports 80) or (to ports 81 and to paths /a)`},
		{"anything among them", `{"permissions": [{"destination_port": 80}, {"any": true}], "principals": [{"any": true}]}`, ``},
		{"never", `{"permissions": [{"not_rule": {"any": true}}], "principals": [{"any": true}]}`, `when never`},
		{"no permissions", `{"principals": [{"any": true}]}`, `when never`},
		{"condition", `{"permissions": [{"any": true}], "principals": [{"authenticated": {}}], "condition": {"ident_expr": {"name": "request"}}}`,
			`from principals a TLS connection; when its CEL condition holds`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			policy := &rbacv3.Policy{}
			if err := protojson.Unmarshal([]byte(test.policy), policy); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(rbac.Describe(policy), "; "); got != test.want {
				t.Errorf("Describe\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParsePolicyName(t *testing.T) {
	tests := []struct {
		name, namespace, policy string
		rule                    int
		ok                      bool
		provider                string
	}{
		{"ns[default]-policy[allow-reviews]-rule[0]", "default", "allow-reviews", 0, true, ""},
		{"ns[shop]-policy[a.b]-rule[12]", "shop", "a.b", 12, true, ""},
		{"istio-ext-authz-opa-ns[shop]-policy[search-ext]-rule[0]", "shop", "search-ext", 0, true, "opa"},
		{"istio-ext-authz-my-opa-ns[shop]-policy[search-ext]-rule[0]", "shop", "search-ext", 0, true, "my-opa"},
		{"my-ns[a]-policy[b]-rule[0]", "", "", 0, false, ""},
		{"ns[a]-policy[b]-rule[x]", "", "", 0, false, ""},
		{"ns[a]-policy[b]-rule[-1]", "", "", 0, false, ""},
		{"ns[a]-policy[b]-rule[1", "", "", 0, false, ""},
		{"ns[a]-policy[b]", "", "", 0, false, ""},
		{"ns[a]", "", "", 0, false, ""},
		{"", "", "", 0, false, ""},
	}
	for _, test := range tests {
		namespace, policy, rule, ok := rbac.ParsePolicyName(test.name)
		if namespace != test.namespace || policy != test.policy || rule != test.rule || ok != test.ok {
			t.Errorf("ParsePolicyName(%q) = %q, %q, %d, %t; want %q, %q, %d, %t", test.name,
				namespace, policy, rule, ok, test.namespace, test.policy, test.rule, test.ok)
		}
		if provider, _ := rbac.ExtAuthzProvider(test.name); provider != test.provider {
			t.Errorf("ExtAuthzProvider(%q) = %q, want %q", test.name, provider, test.provider)
		}
	}
}
