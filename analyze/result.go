package analyze

import (
	"cmp"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// Result is what a run found.
type Result struct {
	// Findings are grouped, the worst first.
	Findings []Finding
	// Skipped are the judgements that could not be made, sorted by rule.
	Skipped []Skip
	// Rules are the rules that were asked for, in their order.
	Rules []*Rule
	// Proxies is the number of proxies that were selected.
	Proxies int

	// Suppressed are findings that are accepted, Unused and Expired the
	// suppressions that accept nothing; set by Suppress.
	Suppressed      []Suppressed
	Unused, Expired []Suppression
	// Known are findings that an earlier run had, Fixed those that only it had; set
	// by Since.
	Known []Finding
	Fixed []Past

	// narrowed is set where proxies were left out, someRules where rules were.
	narrowed, someRules bool
	// workloads are those of all proxies and control planes by key; selected are those of
	// which findings were wanted.
	workloads map[string]string
	selected  map[string]bool
}

// Shown returns the result without findings below a severity. What was judged is the
// same.
func (r *Result) Shown(least Severity) *Result {
	out := *r
	out.Findings, out.Known = atLeast(r.Findings, least), atLeast(r.Known, least)
	out.Suppressed = slices.DeleteFunc(slices.Clone(r.Suppressed), func(s Suppressed) bool { return s.Finding.Severity < least })
	return &out
}

func atLeast(findings []Finding, least Severity) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Severity < least })
}

// Worst is the highest severity among the findings; 0 if there are none.
func (r *Result) Worst() Severity {
	if len(r.Findings) == 0 {
		return 0
	}
	return r.Findings[0].Severity
}

// Skip says that a rule could not judge some or all proxies.
type Skip struct {
	Rule, Code string
	// Missing are the inputs that are not in the capture.
	Missing []Need
	// Proxies are the proxies that lack them, sorted; empty where the whole rule
	// was skipped for something of the capture.
	Proxies []string
}

// setWorkloads notes which workloads the capture has, and those of all instances.
func (result *Result) setWorkloads(c *mesh.Capture, opts Options) {
	have := func(key, workload string) {
		result.workloads[key] = workload
		if opts.selects(key) {
			result.selected[workload] = true
		}
	}
	for _, cp := range c.ControlPlanes {
		have(cp.Key(), mesh.WorkloadOf(cp.Key()))
		statuses, _ := cp.Sync.Get()
		for _, s := range statuses {
			have(s.Proxy, mesh.WorkloadOf(s.Proxy))
		}
	}
	for _, p := range c.Proxies {
		have(p.Key(), p.Namespace+"/"+p.Workload())
	}
	for _, f := range result.Findings {
		for i := range f.Instances {
			in := &f.Instances[i]
			in.Workload = cmp.Or(result.workloads[in.Ref.Proxy], mesh.WorkloadOf(in.Ref.Proxy))
		}
	}
}
