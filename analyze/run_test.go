package analyze

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

func testRule(name, code string, run func(*Pass), needs ...Need) *Rule {
	return &Rule{
		Name: name, Code: code, Severity: Error, Confidence: Proven, Category: Outage, Needs: needs, Run: run,
		Doc: Doc{Title: "a title", Finds: "f", Hurts: "h", Example: "e", Silent: "s", Fix: "the fix"},
	}
}

func testCapture(proxies ...string) *mesh.Capture {
	c := &mesh.Capture{}
	for _, name := range proxies {
		name, namespace, _ := strings.Cut(name, ".")
		c.Proxies = append(c.Proxies, &mesh.Proxy{Name: name, Namespace: namespace, Kind: mesh.Sidecar})
	}
	return c
}

// eachProxy reports the same fault on every proxy that the pass has.
func eachProxy(pass *Pass) {
	for _, p := range pass.Proxies {
		pass.Report(Finding{Ref: p.Ref(mesh.Cluster, "x"), Message: "x is bad"})
	}
}

// summary is one line for each finding.
func summary(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		var proxies []string
		for _, in := range f.Instances {
			proxies = append(proxies, in.Ref.Proxy)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %v", f.Severity, f.Rule, f.Ref, f.Message, proxies))
	}
	return out
}

func TestRunGroups(t *testing.T) {
	worse := func(pass *Pass) {
		for i, p := range pass.Proxies {
			pass.Report(Finding{Severity: Severity(i + 1), Ref: p.Ref(mesh.Cluster, "x"), Message: fmt.Sprintf("x since %d", i), Essence: "x"})
		}
	}
	twice := func(pass *Pass) { eachProxy(pass); eachProxy(pass) }
	others := func(pass *Pass) {
		pass.Report(Finding{Severity: Info, Ref: mesh.Ref{Proxy: "b.ns", Name: "1"}, Message: "m"})
		pass.Report(Finding{Severity: Error, Ref: mesh.Ref{Proxy: "b.ns", Name: "2"}, Message: "m"})
		pass.Report(Finding{Severity: Warning, Ref: mesh.Ref{Proxy: "a.ns", Name: "3"}, Message: "m"})
	}
	tests := []struct {
		name string
		run  func(*Pass)
		opts Options
		want []string
	}{
		{"replicas", eachProxy, Options{}, []string{"error r a.ns/cluster/x x is bad [a.ns b.ns c.other]"}},
		{"the worst leads", worse, Options{}, []string{"error r c.other/cluster/x x since 2 [a.ns b.ns c.other]"}},
		{"one instance for each proxy", twice, Options{}, []string{"error r a.ns/cluster/x x is bad [a.ns b.ns c.other]"}},
		{"worst first", others, Options{}, []string{"error r b.ns/2 m [b.ns]", "warning r a.ns/3 m [a.ns]", "info r b.ns/1 m [b.ns]"}},
		{"namespace", eachProxy, Options{Namespace: "ns"}, []string{"error r a.ns/cluster/x x is bad [a.ns b.ns]"}},
		{
			"findings about others are dropped", others, Options{Proxy: &mesh.Proxy{Name: "a", Namespace: "ns", Label: "2nd"}},
			[]string{"warning r a.ns/3 m [a.ns]"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := summary(Run(testCapture("a.ns", "b.ns", "c.other"), []*Rule{testRule("r", "AAA01", test.run)}, test.opts).Findings)
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestReportFillsIn(t *testing.T) {
	result := Run(testCapture("a.ns"), []*Rule{testRule("r", "AAA01", eachProxy)}, Options{})
	f := result.Findings[0]
	if f.Code != "AAA01" || f.Confidence != Proven || f.Category != Outage || f.Fix != "the fix" || result.Worst() != Error {
		t.Errorf("got %+v", f)
	}
}

func TestShown(t *testing.T) {
	findings := []Finding{{Severity: Error}, {Severity: Warning}, {Severity: Info}}
	result := &Result{Findings: findings, Known: findings}
	for _, f := range findings {
		result.Suppressed = append(result.Suppressed, Suppressed{Finding: f})
	}
	for severity, want := range map[Severity]int{Error: 1, Warning: 2, Info: 3} {
		shown := result.Shown(severity)
		if got := []int{len(shown.Findings), len(shown.Known), len(shown.Suppressed), len(result.Findings)}; !slices.Equal(got, []int{want, want, want, 3}) {
			t.Errorf("at least %s: got %v findings, known, suppressed and all", severity, got)
		}
	}
}

func TestReportBoundsRelated(t *testing.T) {
	many := func(pass *Pass) {
		f := Finding{Ref: mesh.Ref{Proxy: "a.ns"}, Message: "m"}
		for i := range 3 * maxRelated {
			f.Related = append(f.Related, Location{Message: fmt.Sprint(i / 2)}) // each twice
		}
		pass.Report(f)
	}
	f := Run(testCapture("a.ns"), []*Rule{testRule("r", "AAA01", many)}, Options{}).Findings[0]
	if got, want := fmt.Sprint(len(f.Related), f.Evidence), fmt.Sprintf("%d [{related places in all 75}]", maxRelated); got != want {
		t.Errorf("got %s related, want %s", got, want)
	}
}

// TestHits: replicas hit the same places once; what only one of them hits counts too.
func TestHits(t *testing.T) {
	hit := func(route string, share float64) Hit {
		return Hit{Ref: mesh.Ref{Kind: mesh.Route, Name: "80"}, Route: route, As: "route", Share: share}
	}
	of := map[string][]Hit{"a.ns": {hit("x", 10), hit("y", 100), hit("x", 10)}, "b.ns": {hit("z", 30), hit("x", 10)}}
	rule := testRule("a", "AAA01", func(pass *Pass) {
		for _, p := range pass.Proxies {
			pass.Report(Finding{Ref: p.Ref(mesh.Cluster, "c"), Message: "m"})
		}
	})
	finder := func(_ *Pass, f *Finding) []Hit { return of[f.Ref.Proxy] }
	f := Run(testCapture("a.ns", "b.ns"), []*Rule{rule}, Options{Hits: finder}).Findings[0]
	if got, want := fmt.Sprint(f.AllHits, f.Hits), "3 [100% of route/80, y 30% of route/80, z 10% of route/80, x]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	of["a.ns"] = nil
	for i := range maxHits + 7 {
		of["a.ns"] = append(of["a.ns"], hit(fmt.Sprint(i), 100))
	}
	f = Run(testCapture("a.ns"), []*Rule{rule}, Options{Hits: finder}).Findings[0]
	if f.AllHits != maxHits+7 || len(f.Hits) != maxHits {
		t.Errorf("got %d of %d hits, want %d of %d", len(f.Hits), f.AllHits, maxHits, maxHits+7)
	}
}

func TestFingerprint(t *testing.T) {
	base := Finding{Rule: "r", Ref: mesh.Ref{Proxy: "a.ns", Kind: mesh.Cluster, Name: "x"}, Message: "m"}
	replica, later, other, essential := base, base, base, base
	replica.Ref.Proxy = "b.ns"
	later.Source = mesh.Source{File: "new", Line: 7}
	other.Ref.Name = "y"
	essential.Message, essential.Essence = "expired 3d ago", "m"
	for _, same := range []Finding{replica, later, essential} {
		if got, want := same.fingerprint(), base.fingerprint(); got != want {
			t.Errorf("%+v: got fingerprint %s, want %s as before", same, got, want)
		}
	}
	if other.fingerprint() == base.fingerprint() {
		t.Error("got one fingerprint for two clusters")
	}
}

func TestRunSkips(t *testing.T) {
	c := testCapture("a.ns", "b.ns", "z.ns")
	c.Proxies[0].Sections = []mesh.Section{{Kind: mesh.Cluster}}
	c.Proxies[2].Kind = mesh.Ztunnel
	rules := []*Rule{
		testRule("part", "AAA01", eachProxy, NeedClusters),
		testRule("none", "AAA02", eachProxy, NeedTime, NeedClusters),
	}
	result := Run(c, rules, Options{})
	if got, want := fmt.Sprint(summary(result.Findings)), "[error part a.ns/cluster/x x is bad [a.ns]]"; got != want {
		t.Errorf("got findings %s, want %s", got, want)
	}
	want := []Skip{
		{Rule: "none", Code: "AAA02", Missing: []Need{NeedTime}},
		{Rule: "part", Code: "AAA01", Missing: []Need{NeedClusters}, Proxies: []string{"b.ns"}},
	}
	if got := fmt.Sprint(result.Skipped); got != fmt.Sprint(want) {
		t.Errorf("got skipped %s, want %v", got, want)
	}
	c.AsOf = time.Unix(1, 0)
	if got := len(Run(c, rules, Options{}).Findings); got != 2 {
		t.Errorf("with a time: got %d findings, want 2", got)
	}
}

func TestNeedsOfFilteredDump(t *testing.T) {
	bootstrap := &mesh.Resource{Kind: mesh.Bootstrap, Content: &mesh.Content{Raw: []byte(`{"static_resources":{"clusters":[{"name":"agent"}]}}`)}}
	p := &mesh.Proxy{Config: mesh.Config{Sections: []mesh.Section{{Kind: mesh.Cluster}}, Bootstrap: bootstrap}}
	if NeedClusters.ofProxy(p, &mesh.Capture{}) {
		t.Error("got a whole list of clusters, though the bootstrap's are missing from it")
	}
	p.Clusters = []*mesh.Resource{{Kind: mesh.Cluster, Origin: mesh.Static, Content: &mesh.Content{Name: "agent"}}}
	if !NeedClusters.ofProxy(p, &mesh.Capture{}) {
		t.Error("got a filtered list of clusters, want a whole one")
	}
}

func TestRunSurvivesPanic(t *testing.T) {
	crash := func(*Pass) { var p *mesh.Proxy; _ = p.Name }
	rules := []*Rule{testRule("crash", "AAA01", crash), testRule("fine", "AAA02", eachProxy)}
	got := summary(Run(testCapture("a.ns"), rules, Options{Namespace: "ns"}).Findings)
	if len(got) != 2 || !strings.HasPrefix(got[0], "error crash  this rule crashed (runtime error") || !strings.HasPrefix(got[1], "error fine") {
		t.Errorf("got %q, want the crash as a finding and the other rule's", got)
	}
}

func TestOnce(t *testing.T) {
	content, computed := &mesh.Content{}, 0
	compute := func() int { computed++; return computed }
	rule := func(pass *Pass) {
		Once(pass, content, compute)
		Once(pass, content, func() string { return "another type has its own place" })
	}
	Run(testCapture("a.ns"), []*Rule{testRule("a", "AAA01", rule), testRule("b", "AAA02", rule)}, Options{})
	if computed != 1 {
		t.Errorf("got %d computations for one content, want 1", computed)
	}
}
