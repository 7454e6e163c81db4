package analyze

import (
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// resultOf is a run of two rules, one of which was skipped, with a finding on
// each proxy.
func resultOf(proxies ...string) *Result {
	r := &Result{Rules: []*Rule{testRule("cert-expired", "TLS01", nil), testRule("route-shadowed", "RTE02", nil)}, Skipped: []Skip{{Rule: "route-shadowed"}}}
	f := Finding{Rule: "cert-expired", Code: "TLS01", Severity: Error, Message: "m", Object: "Gateway edge/gw", Ref: mesh.Ref{Kind: mesh.Secret, Name: "default"}}
	r.workloads, r.selected = map[string]string{}, map[string]bool{}
	for _, p := range proxies {
		r.workloads[p] = mesh.WorkloadOf(p)
		r.selected[r.workloads[p]] = true
		f.Instances = append(f.Instances, Location{Ref: mesh.Ref{Proxy: p, Kind: mesh.Secret, Name: "default"}, Workload: r.workloads[p]})
	}
	f.Ref = f.Instances[0].Ref
	f.Fingerprint = f.fingerprint()
	r.Findings = []Finding{f}
	return r
}

func proxiesOf(findings []Finding) string {
	var out []string
	for _, f := range findings {
		for _, in := range f.Instances {
			out = append(out, in.Ref.Proxy)
		}
	}
	return strings.Join(out, " ")
}

func TestSuppress(t *testing.T) {
	day := func(text string) time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, tc := range []struct {
		name                   string
		by                     Suppression
		left, suppressed       string
		unused, expired, skips int
	}{
		{"by name", Suppression{Rule: "cert-expired"}, "", "a.x b.y", 0, 0, 0},
		{"by family", Suppression{Rule: "TLS*"}, "", "a.x b.y", 0, 0, 0},
		{"of one namespace", Suppression{Rule: "TLS01", Namespace: "x"}, "b.y", "a.x", 0, 0, 0},
		{"of one proxy, by glob", Suppression{Proxy: "b*"}, "a.x", "b.y", 0, 0, 0},
		{"by resource", Suppression{Kind: "secret", Name: "def*"}, "", "a.x b.y", 0, 0, 0},
		{"by object", Suppression{Object: "Gateway */gw"}, "", "a.x b.y", 0, 0, 0},
		{"a star takes a slash", Suppression{Object: "Gateway *"}, "", "a.x b.y", 0, 0, 0},
		{"a name with brackets", Suppression{Rule: "TLS*", Object: "Gateway [fd00::1]:80"}, "a.x b.y", "", 1, 0, 0},
		{"for other tools, too", Suppression{Rule: "TLS*", Name: "ROOTCA", Shared: true}, "a.x b.y", "", 0, 0, 0},
		{"another resource", Suppression{Rule: "cert-expired", Name: "ROOTCA"}, "a.x b.y", "", 1, 0, 0},
		{"a rule that was skipped is not judged", Suppression{Rule: "route-shadowed"}, "a.x b.y", "", 0, 0, 0},
		{"a rule that did not run", Suppression{Rule: "fault-injection-active"}, "a.x b.y", "", 0, 0, 0},
		{"until tomorrow", Suppression{Rule: "TLS*", Until: day("2026-01-02")}, "", "a.x b.y", 0, 0, 0},
		{"until today", Suppression{Rule: "TLS*", Until: day("2026-01-01")}, "a.x b.y", "", 0, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := resultOf("a.x", "b.y")
			r.Suppress([]Suppression{tc.by}, day("2026-01-01"))
			var suppressed []Finding
			for _, s := range r.Suppressed {
				suppressed = append(suppressed, s.Finding)
			}
			if got := proxiesOf(r.Findings); got != tc.left {
				t.Errorf("got %q left, want %q", got, tc.left)
			}
			if got := proxiesOf(suppressed); got != tc.suppressed {
				t.Errorf("got %q suppressed, want %q", got, tc.suppressed)
			}
			if len(r.Unused) != tc.unused || len(r.Expired) != tc.expired {
				t.Errorf("got %d unused and %d expired, want %d and %d", len(r.Unused), len(r.Expired), tc.unused, tc.expired)
			}
		})
	}
}

// TestSince has a finding on some pods, what was known of it, and what comes of both:
// the pods with something new, those of which it is known, and what is fixed.
func TestSince(t *testing.T) {
	type change func(r *Result, past *Past)
	same := func(*Result, *Past) {}
	on := func(workloads ...string) change { return func(_ *Result, past *Past) { past.Workloads = workloads } }
	resource := func(name string) change {
		return func(r *Result, past *Past) {
			r.Findings[0].Ref = mesh.Ref{Kind: mesh.Cluster, Name: name}
			past.Workloads = []string{"x/a"}
		}
	}
	for _, tc := range []struct {
		name         string
		pods         string
		change       change
		fresh, known string
		fixed        string
	}{
		{"the same pod", "a-1.x", same, "", "a-1.x", ""},
		{"another replica", "a-2.x", on("x/a"), "", "a-2.x", ""},
		{"another workload", "a-1.x, b-1.x", on("x/a"), "b-1.x", "a-1.x", ""},
		{"another workload with a cluster that many have", "a-1.x, b-1.x", resource("c"), "", "a-1.x b-1.x", ""},
		{"a label is no namespace", "a-1.x (monday)", on("x/a"), "", "a-1.x (monday)", ""},
		{"worse than it was", "a-1.x", func(_ *Result, past *Past) { past.Severity = "warning" }, "a-1.x", "", ""},
		{"better than it was", "a-1.x", func(r *Result, _ *Past) { r.Findings[0].Severity = Info }, "", "a-1.x", ""},
		{"gone", "a-1.x", func(_ *Result, past *Past) { past.Fingerprint = "gone" }, "a-1.x", "", "gone"},
		{"gone where it was not looked for", "a-1.x", func(_ *Result, past *Past) { past.Fingerprint, past.Workloads = "gone", []string{"x/a", "x/z"} }, "a-1.x", "", ""},
		{"gone with the inputs of the rule", "a-1.x", func(r *Result, past *Past) {
			past.Fingerprint = "gone"
			r.Skipped = append(r.Skipped, Skip{Rule: "cert-expired", Proxies: []string{"a-1.x"}})
		}, "a-1.x", "", ""},
		{"another pod lacks inputs", "a-1.x, b-1.x", func(r *Result, past *Past) {
			past.Fingerprint, past.Workloads = "gone", []string{"x/a"}
			r.Skipped = append(r.Skipped, Skip{Rule: "cert-expired", Proxies: []string{"b-1.x"}})
		}, "a-1.x b-1.x", "", "gone"},
		{"a rule that was skipped", "a-1.x", func(_ *Result, past *Past) { past.Rule, past.Fingerprint = "route-shadowed", "gone" }, "a-1.x", "", ""},
		{"a rule that did not run", "a-1.x", func(_ *Result, past *Past) { past.Rule, past.Fingerprint = "panic-mode", "gone" }, "a-1.x", "", ""},
		{"of no proxy", "a-1.x", func(_ *Result, past *Past) { past.Fingerprint, past.Workloads = "gone", nil }, "a-1.x", "", "gone"},
		{"of no proxy, and some were looked at", "a-1.x", func(r *Result, past *Past) {
			past.Fingerprint, past.Workloads, r.narrowed = "gone", nil, true
		}, "a-1.x", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := resultOf(strings.Split(tc.pods, ", ")...)
			past := PastOf(r.Findings)
			tc.change(r, &past[0])
			r.Since(past)
			fixed := ""
			for _, p := range r.Fixed {
				fixed += p.Fingerprint
			}
			if got := [3]string{proxiesOf(r.Findings), proxiesOf(r.Known), fixed}; got != [3]string{tc.fresh, tc.known, tc.fixed} {
				t.Errorf("got %q new, known and fixed, want %q, %q and %q", got, tc.fresh, tc.known, tc.fixed)
			}
		})
	}
	r := resultOf("a-1.x")
	r.Since(nil)
	if len(r.Findings) != 1 || len(r.Known)+len(r.Fixed) != 0 {
		t.Errorf("got %+v for an empty past, want everything to be new", r)
	}
}

// TestSuppressOfSome has suppressions that accept nothing, where not everything was judged.
func TestSuppressOfSome(t *testing.T) {
	list := []Suppression{{Rule: "TLS*", Namespace: "z"}, {Fingerprint: "f"}}
	for name, tc := range map[string]struct {
		narrowed, someRules bool
		unused              int
	}{
		"all":          {false, false, 2},
		"some proxies": {true, false, 0},
		"some rules":   {false, true, 1},
	} {
		r := resultOf("a.x")
		r.narrowed, r.someRules = tc.narrowed, tc.someRules
		if r.Suppress(list, time.Time{}); len(r.Unused) != tc.unused {
			t.Errorf("%s: got %d unused suppressions, want %d", name, len(r.Unused), tc.unused)
		}
	}
	r := resultOf("a.x (monday)")
	r.Findings[0].Related = []Location{{Ref: mesh.Ref{Proxy: "a.x (monday)"}}, {Ref: mesh.Ref{Proxy: "server.x"}}}
	r.Findings[0].Instances = append(r.Findings[0].Instances, Location{Ref: mesh.Ref{Proxy: "b.y"}})
	r.Suppress([]Suppression{{Rule: "TLS*", Namespace: "x"}}, time.Time{})
	if got := proxiesOf(r.Findings); got != "b.y" || len(r.Findings[0].Related) != 1 {
		t.Errorf("got %q left with %v, want b.y without what is related to the other", got, r.Findings[0].Related)
	}
}

func TestAnnotated(t *testing.T) {
	object := func(annotation string) mesh.Object {
		return mesh.Object{Kind: "Gateway", Namespace: "edge", Name: "gw", Line: 7, Fields: map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{suppressAnnotation: annotation}}}}
	}
	plain := object("TLS01")
	plain.Namespace = ""
	c := &mesh.Capture{Objects: []*mesh.Doc[[]mesh.Object]{mesh.NewDoc(mesh.Source{File: "crs"}, nil, func([]byte) ([]mesh.Object, error) {
		return []mesh.Object{object("TLS01, RTE02"), object("*"), {Kind: "Gateway"}, plain}, nil
	})}}
	var got []string
	for _, s := range Annotated(c) {
		got = append(got, s.Rule+" of "+s.Object+" at "+s.Place)
	}
	want := "TLS01 of Gateway edge/gw at crs:7; RTE02 of Gateway edge/gw at crs:7;  of Gateway edge/gw at crs:7; TLS01 of Gateway default/gw at crs:7"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}
