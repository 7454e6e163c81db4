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
}

// PastOf returns findings as those of a past run, sorted by rule and fingerprint.
func PastOf(findings []Finding) []Past {
	out := make([]Past, 0, len(findings))
	for _, f := range findings {
		subject := f.Ref
		subject.Proxy = "" // replicas share the finding
		out = append(out, Past{Rule: f.Rule, Code: f.Code, Severity: f.Severity.String(), Fingerprint: f.Fingerprint, Subject: subject.String(), Message: f.Message})
	}
	slices.SortFunc(out, func(a, b Past) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// Since moves the findings that were there before out of r.Findings and into
// r.Known, and notes in r.Fixed what is not found any more. What a rule that was
// not asked for or was skipped had found is neither.
func (r *Result) Since(past []Past) {
	before := map[string]bool{}
	for _, p := range past {
		before[p.Fingerprint] = true
	}
	now := map[string]bool{}
	for _, s := range r.Suppressed {
		now[s.Finding.Fingerprint] = true
	}
	var fresh []Finding
	for _, f := range r.Findings {
		now[f.Fingerprint] = true
		if before[f.Fingerprint] {
			r.Known = append(r.Known, f)
			continue
		}
		fresh = append(fresh, f)
	}
	r.Findings = fresh
	for _, p := range past {
		if !now[p.Fingerprint] && r.judged(p.Rule) {
			r.Fixed = append(r.Fixed, p)
		}
	}
}
