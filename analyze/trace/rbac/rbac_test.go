package rbac_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

func TestAbsentRulesAllow(t *testing.T) {
	a := attributes(t, request.Request{Method: "GET", Path: "/"})
	for name, engine := range map[string]*rbac.Engine{"rules": rbac.Compile(nil), "matcher": rbac.CompileMatcher(nil)} {
		if got := engine.Decide(a).Allowed; got != match.Yes {
			t.Errorf("no %s: got outcome %d, want %d", name, got, match.Yes)
		}
	}
	if got := rbac.PerRoute(&httprbacv3.RBACPerRoute{}).Decide(a).Allowed; got != match.Yes {
		t.Errorf("a route without RBAC: got outcome %d, want %d", got, match.Yes)
	}
	denyAll := &httprbacv3.RBACPerRoute{Rbac: &httprbacv3.RBAC{Rules: &rbacv3.RBAC{}}}
	if got := rbac.PerRoute(denyAll).Decide(a).Allowed; got != match.No {
		t.Errorf("a route with empty rules: got outcome %d, want %d", got, match.No)
	}
}

// TestSourceIP: the address of the connection is open only where the range holds
// one of the two that it may be.
func TestSourceIP(t *testing.T) {
	rules := &rbacv3.RBAC{}
	if err := protojson.Unmarshal([]byte(`{"policies": {"p": {"permissions": [{"any": true}],
		"principals": [{"source_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}]}}}`), rules); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		direct, source string
		want           match.Outcome
	}{
		{"10.0.0.1", "10.0.0.1", match.Yes},
		{"10.0.0.1", "10.0.0.2", match.Yes},
		{"10.0.0.1", "192.0.2.1", match.Unknown},
		{"192.0.2.1", "192.0.2.2", match.No},
		{"", "", match.Unknown},
	}
	for _, test := range tests {
		a := attributes(t, request.Request{Method: "GET", Path: "/", From: test.source})
		direct := attributes(t, request.Request{From: test.direct})
		a.DirectSource = direct.DirectSource
		if got := rbac.Compile(rules).Decide(a).Allowed; got != test.want {
			t.Errorf("direct %q, source %q: got outcome %d, want %d", test.direct, test.source, got, test.want)
		}
	}
}

func TestJWTPerRoute(t *testing.T) {
	filter := rbac.JWT(&jwtv3.JwtAuthentication{
		Providers: map[string]*jwtv3.JwtProvider{"p": {Issuer: "i"}},
		RequirementMap: map[string]*jwtv3.JwtRequirement{
			"n": {RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: "p"}},
		},
	})
	named := func(name string) *jwtv3.PerRouteConfig {
		return &jwtv3.PerRouteConfig{RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: name}}
	}
	tests := []struct {
		name    string
		route   *jwtv3.PerRouteConfig
		want    match.Outcome
		status  int
		details string
	}{
		{"none", nil, match.Yes, 0, ""},
		{"disabled", &jwtv3.PerRouteConfig{RequirementSpecifier: &jwtv3.PerRouteConfig_Disabled{Disabled: true}}, match.Yes, 0, ""},
		{"named", named("n"), match.No, 401, "jwt_authn_access_denied{Jwt_is_missing}"},
		{"wrong name", named("x"), match.No, 403, "jwt_authn_access_denied{Wrong_requirement_name:_x._It_should_be_one_of_[n]}"},
	}
	for _, test := range tests {
		v := filter.Decide(attributes(t, request.Request{Method: "GET", Path: "/"}), test.route, asOf)
		if v.Allowed != test.want || v.Status != test.status || v.Details != test.details {
			t.Errorf("%s: got outcome %d, %d %s; want %d, %d %s", test.name, v.Allowed, v.Status, v.Details, test.want, test.status, test.details)
		}
	}
}

// TestDeepNesting: what is nested deeper than Envoy takes it is not known.
func TestDeepNesting(t *testing.T) {
	p := &rbacv3.Permission{Rule: &rbacv3.Permission_Any{Any: true}}
	for range 200 {
		p = &rbacv3.Permission{Rule: &rbacv3.Permission_NotRule{NotRule: p}}
	}
	everybody := []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Any{Any: true}}}
	rules := &rbacv3.RBAC{Policies: map[string]*rbacv3.Policy{"p": {Permissions: []*rbacv3.Permission{p}, Principals: everybody}}}
	if got := rbac.Compile(rules).Decide(&match.Attributes{}).Allowed; got != match.Unknown {
		t.Errorf("got outcome %d, want %d", got, match.Unknown)
	}
}

// TestConditionNotModelled: what Envoy refuses in CEL, and what cannot be looked up
// for certain, is not known.
func TestConditionNotModelled(t *testing.T) {
	const request = `{"ident_expr": {"name": "request"}}`
	tests := map[string]string{
		"comprehension": `{"comprehension_expr": {"iter_var": "x", "iter_range": ` + request + `}}`,
		"dynamic key":   `{"call_expr": {"function": "_[_]", "args": [` + request + `, ` + request + `]}}`,
		"nothing":       `{}`,
		"message":       `{"struct_expr": {"message_name": "x"}}`,
	}
	for name, condition := range tests {
		rules := &rbacv3.RBAC{}
		text := `{"policies": {"p": {"permissions": [{"any": true}], "principals": [{"any": true}], "condition": ` + condition + `}}}`
		if err := protojson.Unmarshal([]byte(text), rules); err != nil {
			t.Fatal(err)
		}
		if got := rbac.Compile(rules).Decide(&match.Attributes{}).Allowed; got != match.Unknown {
			t.Errorf("%s: got outcome %d, want %d", name, got, match.Unknown)
		}
	}
}

// FuzzDecide feeds any filter and any request; nothing may panic, and a filter
// decides the same twice.
func FuzzDecide(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, config, line []byte) {
		packed, r := &anypb.Any{}, request.Request{}
		if protojson.Unmarshal(config, packed) != nil || json.Unmarshal(line, &r) != nil || r.Check() != nil {
			t.Skip()
		}
		a := attributes(t, r)
		switch packed.MessageName() {
		case "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication":
			c := &jwtv3.JwtAuthentication{}
			if packed.UnmarshalTo(c) == nil {
				rbac.JWT(c).Decide(a, nil, time.Time{})
			}
		case "envoy.extensions.filters.http.rbac.v3.RBAC":
			c := &httprbacv3.RBAC{}
			if packed.UnmarshalTo(c) != nil {
				return
			}
			filter := rbac.HTTPFilter(c)
			filter.Enforced.Policies()
			if first, second := words(filter)(a), words(rbac.HTTPFilter(c))(a); first != second {
				t.Errorf("got two decisions:\n%s\n%s", first, second)
			}
		}
	})
}

// seed adds the first request of each case.
func seed(f *testing.F) {
	paths, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var config []byte
		for _, file := range txtar.Parse(text).Files {
			if file.Name == "filter.json" {
				config = file.Data
			}
			if file.Name != "requests.jsonl" {
				continue
			}
			var line request.Line
			first, _, _ := strings.Cut(string(file.Data), "\n")
			if err := json.Unmarshal([]byte(first), &line); err != nil {
				f.Fatal(err)
			}
			r, err := json.Marshal(line.Request)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(config, r)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	archive, err := txtar.ParseFile("testdata/allow.txtar")
	if err != nil {
		b.Fatal(err)
	}
	packed, config := &anypb.Any{}, &httprbacv3.RBAC{}
	if err := protojson.Unmarshal(archive.Files[0].Data, packed); err != nil {
		b.Fatal(err)
	}
	if err := packed.UnmarshalTo(config); err != nil {
		b.Fatal(err)
	}
	filter := rbac.HTTPFilter(config)
	a := attributes(b, request.Request{Method: "GET", Path: "/public/a"})
	b.ReportAllocs()
	for b.Loop() {
		filter.Decide(a)
	}
}
