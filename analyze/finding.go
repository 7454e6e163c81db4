package analyze

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// Finding is one fault, wherever it was seen. Texts come from the capture:
// writers must escape them.
type Finding struct {
	// Rule and Code name the rule.
	Rule, Code string
	Severity   Severity
	Confidence Confidence
	Category   Category
	// Ref is what the finding is about, on the first proxy that has the fault.
	Ref mesh.Ref
	// Source is where to look in the capture; zero where there is no such place.
	Source mesh.Source
	// Message is one sentence without a period, the offending value first. It
	// names neither the proxy nor the rule.
	Message string
	// Evidence are the values that the judgement rests on.
	Evidence []Evidence
	// Related are further places, such as the routes that lead to a cluster.
	Related []Location
	// Hits are the places whose requests meet the fault, the largest share first; with
	// Instances they are its blast radius. They are bounded: AllHits is their number.
	Hits    []Hit
	AllHits int
	// Object is the Istio or Kubernetes object behind it, as "Kind
	// namespace/name"; empty where the capture does not tell.
	Object string
	// Fix says what to do.
	Fix string
	// Essence tells faults of one rule and resource name apart where Message
	// cannot: it must be equal on all replicas and in later captures. Empty
	// stands for Message.
	Essence string
	// Fingerprint is the same for the same fault on replicas and in later
	// captures: it covers the rule, Ref without the proxy, and Essence.
	Fingerprint string
	// Instances are all places of the fault, Ref and Source included, one for
	// each proxy, sorted.
	Instances []Location
}

// Evidence is a value by name.
type Evidence struct {
	Name, Value string
}

// Location is a place in the capture.
type Location struct {
	Ref    mesh.Ref
	Source mesh.Source
	// Workload is that of the proxy, as "namespace/name"; set for instances of a finding.
	Workload string
	// Message says what is there; empty for an instance of a finding.
	Message string
}

const fingerprintBytes = 16

func (f *Finding) fingerprint() string {
	fields := []string{f.Rule, string(f.Ref.Kind), f.Ref.Name, f.Ref.Path, cmp.Or(f.Essence, f.Message)}
	sum := sha256.Sum256([]byte(strings.Join(fields, "\x00")))
	return hex.EncodeToString(sum[:fingerprintBytes])
}

// ofWorkload reports whether Ref names nothing that several workloads share: what one
// of them has is not what another one has.
func (f *Finding) ofWorkload() bool {
	return f.Ref.Name == "" || f.Ref.Kind == mesh.Secret || f.Ref.Kind == mesh.Bootstrap
}

// workloads are those of the instances, sorted.
func (f *Finding) workloads() []string {
	out := []string{}
	for _, in := range f.Instances {
		if in.Workload != "" {
			out = append(out, in.Workload)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// split returns the finding with the instances that fit, and with the others; nil where
// there are none. What is related to the proxies of one is not shown with the other.
func (f *Finding) split(fits func(Location) bool) (with, without *Finding) {
	part := func(want bool) *Finding {
		out := *f
		out.Instances = slices.DeleteFunc(slices.Clone(f.Instances), func(in Location) bool { return fits(in) != want })
		if len(out.Instances) == 0 {
			return nil
		}
		out.Ref, out.Source = out.Instances[0].Ref, out.Instances[0].Source
		here := map[string]bool{}
		for _, in := range out.Instances {
			here[in.Ref.Proxy] = true
		}
		there := func(l Location) bool {
			return !here[l.Ref.Proxy] && slices.ContainsFunc(f.Instances, func(in Location) bool { return in.Ref.Proxy == l.Ref.Proxy })
		}
		if len(out.Instances) < len(f.Instances) {
			out.Related = slices.DeleteFunc(slices.Clone(f.Related), there)
		}
		return &out
	}
	return part(true), part(false)
}

// group folds findings with one fingerprint into the worst of them, which gets
// the instances of all.
func group(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Fingerprint, b.Fingerprint), compare(a, b))
	})
	var out []Finding
	for _, f := range findings {
		here := Location{Ref: f.Ref, Source: f.Source}
		if n := len(out); n == 0 || out[n-1].Fingerprint != f.Fingerprint {
			f.Instances = nil
			out = append(out, f)
		}
		last := &out[len(out)-1]
		last.Instances = append(last.Instances, here)
		last.addHits(&f)
	}
	for i := range out {
		out[i].Instances = distinct(out[i].Instances)
	}
	slices.SortStableFunc(out, compare)
	return out
}

// distinct sorts the instances and keeps one of each proxy.
func distinct(instances []Location) []Location {
	slices.SortStableFunc(instances, func(a, b Location) int { return a.Ref.Compare(b.Ref) })
	return slices.CompactFunc(instances, func(a, b Location) bool { return a.Ref == b.Ref })
}

// compare orders findings by severity, the worst first, then by what they are
// about.
func compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(b.Severity, a.Severity),
		cmp.Compare(a.Code, b.Code),
		a.Ref.Compare(b.Ref),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Source.File, b.Source.File),
		cmp.Compare(a.Source.Line, b.Source.Line),
	)
}
