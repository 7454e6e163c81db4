package analyze

import (
	"slices"
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
	for _, p := range proxies {
		f.Instances = append(f.Instances, Location{Ref: mesh.Ref{Proxy: p, Kind: mesh.Secret, Name: "default"}})
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
		{"a star stops at a slash", Suppression{Object: "Gateway *"}, "a.x b.y", "", 1, 0, 0},
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

func TestSince(t *testing.T) {
	before := PastOf(resultOf("a.x").Findings)
	gone := Past{Rule: "cert-expired", Fingerprint: "gone"}
	r := resultOf("b.y", "c.z") // the same fault on other replicas
	r.Since(append(slices.Clone(before), gone, Past{Rule: "route-shadowed", Fingerprint: "not judged"}))
	if len(r.Findings) != 0 || len(r.Known) != 1 {
		t.Errorf("got %d new and %d known findings, want the fault to be known", len(r.Findings), len(r.Known))
	}
	if len(r.Fixed) != 1 || r.Fixed[0] != gone {
		t.Errorf("got %v fixed, want %v only: the other rule was skipped", r.Fixed, gone)
	}
	r = resultOf("a.x")
	r.Since(nil)
	if len(r.Findings) != 1 || len(r.Known)+len(r.Fixed) != 0 {
		t.Errorf("got %+v for an empty past, want everything to be new", r)
	}
}

func TestAnnotated(t *testing.T) {
	object := func(annotation string) mesh.Object {
		return mesh.Object{Kind: "Gateway", Namespace: "edge", Name: "gw", Line: 7, Fields: map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{suppressAnnotation: annotation}}}}
	}
	c := &mesh.Capture{Objects: []*mesh.Doc[[]mesh.Object]{mesh.NewDoc(mesh.Source{File: "crs"}, nil, func([]byte) ([]mesh.Object, error) {
		return []mesh.Object{object("TLS01, RTE02"), object("*"), {Kind: "Gateway"}}, nil
	})}}
	var got []string
	for _, s := range Annotated(c) {
		got = append(got, s.Rule+" of "+s.Object+" at "+s.Place)
	}
	want := "TLS01 of Gateway edge/gw at crs:7; RTE02 of Gateway edge/gw at crs:7;  of Gateway edge/gw at crs:7"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("got %s, want %s", text, want)
	}
}
