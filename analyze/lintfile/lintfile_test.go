package lintfile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/lintfile"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// builtin stands for the rules of meshray.
func builtin() []*analyze.Rule {
	return []*analyze.Rule{{
		Name: "cert-expired", Code: "TLS01", Severity: analyze.Error, Confidence: analyze.Proven, Category: analyze.Outage,
		Doc: analyze.Doc{Title: "t", Finds: "f", Hurts: "h", Example: "e", Silent: "s", Fix: "x"}, Run: func(*analyze.Pass) {},
	}}
}

func TestReadErrors(t *testing.T) {
	custom := "rules:\n- name: mine\n  code: ORG01\n  severity: warning\n  kind: cluster\n"
	for name, tc := range map[string]struct{ text, want string }{
		"unknown field":      {"suppres: []", `.meshray.yaml: yaml: unmarshal errors:`},
		"unknown member":     {"suppress:\n- rule: TLS01\n  becuse: x", "field becuse not found"},
		"no reason":          {"suppress:\n- rule: TLS01", ".meshray.yaml:2: suppress: expected a reason"},
		"no rule":            {"suppress:\n- reason: x", ".meshray.yaml:2: suppress: expected a rule or a fingerprint"},
		"unknown rule":       {"suppress:\n- {rule: nope, reason: x}", `.meshray.yaml:2: suppress: no rule is called "nope"`},
		"bad glob":           {"suppress:\n- {rule: TLS01, name: '[', reason: x}", `pattern "[": expected a glob`},
		"bad day":            {"suppress:\n- {rule: TLS01, until: soon, reason: x}", `until "soon": expected a day such as 2026-12-31`},
		"bad profile":        {"profile: loud", `profile "loud": expected one of`},
		"bad kind":           {strings.Replace(custom, "cluster", "secret", 1), `.meshray.yaml:2: rule "mine": kind "secret": expected bootstrap`},
		"bad severity":       {strings.Replace(custom, "warning", "bad", 1), `unknown severity "bad"`},
		"no condition":       {custom, "expected when: a CEL expression"},
		"syntax":             {custom + "  when: resource.name ==", "when: ERROR: <input>:1:"},
		"no such field":      {custom + "  when: resource.nmae == 'x'", "undefined field 'nmae'"},
		"not a condition":    {custom + "  when: resource.name", "when is a string: expected a bool"},
		"message not a text": {custom + "  when: 'true'\n  message: '1'", "message is a int: expected a string"},
		"taken":              {strings.Replace(custom, "mine", "cert-expired", 1) + "  when: 'true'", `"cert-expired" is taken by another rule`},
		"bad code":           {strings.Replace(custom, "ORG01", "mine", 1) + "  when: 'true'", "want three letters and two digits"},
		"no YAML":            {"\t", ".meshray.yaml: yaml:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lintfile.Read([]byte(tc.text), lintfile.Name, builtin())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestRead(t *testing.T) {
	file, err := lintfile.Read([]byte(`
profile: edge
suppress:
- rule: TLS*
  namespace: legacy
  name: kubernetes://old*
  until: 2026-12-31
  reason: they are being shut down
- fingerprint: 0123
  reason: argued
`), lintfile.Name, builtin())
	if err != nil {
		t.Fatal(err)
	}
	if file.Profile != "edge" || len(file.Suppressions) != 2 {
		t.Fatalf("got %+v, want the profile and two suppressions", file)
	}
	s := file.Suppressions[0]
	if s.Rule != "TLS*" || s.Namespace != "legacy" || s.Until.Day() != 31 || s.Place != ".meshray.yaml:4" {
		t.Errorf("got %+v, want what is written there", s)
	}
	if empty, err := lintfile.Read(nil, lintfile.Name, builtin()); err != nil || len(empty.Rules)+len(empty.Suppressions) != 0 {
		t.Errorf("got %+v and %v for an empty file, want nothing", empty, err)
	}
}

// A team's own rules look into clusters, listeners and what is packed in them.
func TestCustomRules(t *testing.T) {
	capture, err := loader.Load([]string{filepath.Join(fixtures.Root(t), "fixtures", "bookinfo.tar.gz")}, nil, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		rule string
		want []string // a part of each finding's message, in order; "stopped" for a rule that could not go on
	}{
		"a field": {`
  kind: cluster
  when: name == "outbound|9080||reviews.default.svc.cluster.local" && resource.connect_timeout > duration("1s")
  message: name + " waits " + string(resource.connect_timeout)`,
			[]string{"outbound|9080||reviews.default.svc.cluster.local waits 10s"}},
		"in an Any": {`
  kind: listener
  when: name == "virtualInbound" && resource.filter_chains.exists(c, c.filters.exists(f, type(f.typed_config) == envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager && f.typed_config.server_name == "istio-envoy")) && proxy.namespace == "default"
  message: '"speaks of itself"'`,
			[]string{"speaks of itself"}},
		"routes": {`
  kind: route
  when: resource.virtual_hosts.exists(v, v.name == "allow_any") && name == "9080"`,
			[]string{"9080 is against the rule"}},
		"nothing": {`
  kind: bootstrap
  when: resource.admin.address.socket_address.address != "127.0.0.1"`, nil},
		"an error in it": {`
  kind: cluster
  when: 1 / (size(name) - size(name)) == 1`, []string{"this rule stopped (when: division by zero)"}},
		"too costly": {`
  kind: cluster
  when: "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e+size(name) > 0)))))"`,
			[]string{"this rule stopped (when: operation cancelled: actual cost limit exceeded)"}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := lintfile.Read([]byte("rules:\n- name: mine\n  code: ORG01\n  severity: warning"+tc.rule), lintfile.Name, builtin())
			if err != nil {
				t.Fatal(err)
			}
			result := analyze.Run(capture, file.Rules, analyze.Options{})
			for i := range max(len(result.Findings), len(tc.want)) {
				switch {
				case i >= len(tc.want):
					t.Errorf("got a further finding %q", result.Findings[i].Message)
				case i >= len(result.Findings):
					t.Errorf("got no finding for %q", tc.want[i])
				case !strings.Contains(result.Findings[i].Message, tc.want[i]):
					t.Errorf("got %q, want %q", result.Findings[i].Message, tc.want[i])
				}
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("profile: edge\nsuppress:\n- {rule: TLS*, reason: x, until: 2026-01-01}\n")
	f.Add("rules:\n- {name: mine, code: ORG01, severity: info, kind: cluster, when: 'name.matches(\"a+\")', message: name}\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := lintfile.Read([]byte(text), "f", builtin())
		if (file == nil) == (err == nil) {
			t.Errorf("got file %v with error %v, want one of them", file, err)
		}
	})
}
