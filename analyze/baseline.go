package analyze

import (
	"cmp"
	"slices"
)

// Past is a finding of an earlier run: of a baseline, or of an earlier capture.
type Past struct {
	Rule        string `json:"rule"`
	Code        string `json:"code"`
	Severity    string `json:"severity"`
	Fingerprint string `json:"fingerprint"`
	// Subject is what it was about, for people.
	Subject string `json:"subject"`
	// Message is what it said.
	Message string `json:"message"`
	// Workloads are those of the proxies that had it, as "namespace/name", sorted.
	Workloads []string `json:"workloads"`
}

// PastOf returns findings as those of a past run, sorted by rule and fingerprint.
func PastOf(findings []Finding) []Past {
	out := make([]Past, 0, len(findings))
	for _, f := range findings {
		subject := f.Ref
		subject.Proxy = "" // replicas share the finding
		out = append(out, Past{Rule: f.Rule, Code: f.Code, Severity: f.Severity.String(), Fingerprint: f.Fingerprint, Subject: subject.String(), Message: f.Message, Workloads: f.workloads()})
	}
	slices.SortFunc(out, func(a, b Past) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// Since moves the findings that were there before out of r.Findings and into
// r.Known, and notes in r.Fixed what is not found any more. A finding that got worse is
// new, and so is one about a workload itself for workloads that did not have it. What was
// not judged is not fixed: a rule that was not asked for or was skipped, a workload that
// was not selected or that the capture does not have.
func (r *Result) Since(past []Past) {
	before := map[string]*Past{}
	for i := range past {
		before[past[i].Fingerprint] = &past[i]
	}
	now := map[string]bool{}
	for _, s := range r.Suppressed {
		now[s.Finding.Fingerprint] = true
	}
	var fresh []Finding
	for _, f := range r.Findings {
		now[f.Fingerprint] = true
		known, others := before[f.Fingerprint].splits(&f)
		if known != nil {
			r.Known = append(r.Known, *known)
		}
		if others != nil {
			fresh = append(fresh, *others)
		}
	}
	r.Findings = fresh
	for _, p := range past {
		if !now[p.Fingerprint] && r.rejudged(&p) {
			r.Fixed = append(r.Fixed, p)
		}
	}
}

// splits returns what of a finding is known from the past, and what is not.
func (p *Past) splits(f *Finding) (known, others *Finding) {
	if p == nil {
		return nil, f
	}
	if worst, err := ParseSeverity(p.Severity); err == nil && f.Severity > worst {
		return nil, f
	}
	if !f.ofWorkload() {
		return f, nil
	}
	return f.split(func(in Location) bool { return in.Workload == "" || slices.Contains(p.Workloads, in.Workload) })
}

// rejudged reports whether what had the finding was judged again.
func (r *Result) rejudged(p *Past) bool {
	if !slices.ContainsFunc(r.Rules, func(rule *Rule) bool { return rule.Name == p.Rule }) {
		return false
	}
	if len(p.Workloads) == 0 && r.narrowed {
		return false
	}
	skipped := map[string]bool{}
	for _, s := range r.Skipped {
		if s.Rule != p.Rule {
			continue
		}
		if len(s.Proxies) == 0 {
			return false
		}
		for _, key := range s.Proxies {
			skipped[r.workloads[key]] = true
		}
	}
	return !slices.ContainsFunc(p.Workloads, func(workload string) bool { return skipped[workload] || !r.selected[workload] })
}
