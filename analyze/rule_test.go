package analyze

import (
	"errors"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	run := func(*Pass) {}
	tests := []struct {
		name   string
		change func(*Rule)
		want   string
	}{
		{"good", func(*Rule) {}, ""},
		{"name", func(r *Rule) { r.Name = "Not_Kebab" }, "kebab case"},
		{"code", func(r *Rule) { r.Code = "A1" }, "three letters and two digits"},
		{"severity", func(r *Rule) { r.Severity = 0 }, "want a severity"},
		{"confidence", func(r *Rule) { r.Confidence = "" }, "want a confidence"},
		{"run", func(r *Rule) { r.Run = nil }, "want a Run function"},
		{"title", func(r *Rule) { r.Doc.Title = "ends with a period." }, "without a period"},
		{"doc", func(r *Rule) { r.Doc.Silent = "" }, "want documentation"},
		{"taken", func(r *Rule) { r.Name = "other" }, `"other" is taken`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rule := testRule("r", "AAA01", run)
			test.change(rule)
			err := Validate([]*Rule{testRule("other", "AAA02", run), rule})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	rules := []*Rule{testRule("cert-expired", "TLS01", nil), testRule("cert-weak", "TLS09", nil), testRule("route-shadowed", "RTE02", nil), testRule("size", "PRF01", nil)}
	rules[3].Profile = Perf
	tests := []struct {
		name, only, skip, want, unknown, profile string
	}{
		{name: "all", want: "cert-expired cert-weak route-shadowed"},
		{name: "by name", only: "cert-weak", want: "cert-weak"},
		{name: "by code, any case", only: "rte02", want: "route-shadowed"},
		{name: "in the order of the list", only: "route-shadowed cert-weak", want: "cert-weak route-shadowed"},
		{name: "family", only: "tls*", want: "cert-expired cert-weak"},
		{name: "without", only: "TLS*", skip: "TLS09", want: "cert-expired"},
		{name: "skip by prefix of the name", skip: "cert-*", want: "route-shadowed"},
		{name: "profile", profile: "perf", want: "cert-expired cert-weak route-shadowed size"},
		{name: "another profile", profile: "edge", want: "cert-expired cert-weak route-shadowed"},
		{name: "strict has all", profile: "strict", want: "cert-expired cert-weak route-shadowed size"},
		{name: "named runs in any profile", only: "size", want: "size"},
		{name: "unknown", only: "TLS*", skip: "nope", unknown: "nope"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			selected, err := Select(rules, strings.Fields(test.only), strings.Fields(test.skip), test.profile)
			var unknown *UnknownRuleError
			if errors.As(err, &unknown) != (test.unknown != "") || unknown != nil && unknown.Pattern != test.unknown {
				t.Fatalf("got error %v, want one about %q", err, test.unknown)
			}
			var names []string
			for _, r := range selected {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseSeverity(t *testing.T) {
	for _, name := range Severities() {
		if s, err := ParseSeverity(name); err != nil || s.String() != name {
			t.Errorf("got %v and %v for %q", s, err, name)
		}
	}
	if _, err := ParseSeverity("fatal"); err == nil {
		t.Error(`got no error for "fatal"`)
	}
}
