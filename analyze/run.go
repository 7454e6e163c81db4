package analyze

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/meshray/meshray/analyze/mesh"
)

// Options narrow a run. The zero value is everything.
type Options struct {
	// Namespace narrows to the proxies of a namespace.
	Namespace string
	// Proxy narrows to one proxy.
	Proxy *mesh.Proxy
	// SomeRules is set where the user left rules out.
	SomeRules bool
	// Hits finds the places whose requests meet the fault of a finding, where the rule
	// itself does not tell; nil is for those that need not be known.
	Hits func(*Pass, *Finding) []Hit
}

// Run judges the capture by the rules. Captures of several meshes that were opened
// together are judged each for itself.
func Run(c *mesh.Capture, rules []*Rule, opts Options) *Result {
	result := &Result{
		Rules: rules, narrowed: opts.Namespace != "" || opts.Proxy != nil, someRules: opts.SomeRules,
		workloads: map[string]string{}, selected: map[string]bool{},
	}
	var findings []Finding
	parts := c.Meshes()
	for _, part := range parts {
		found := result.judge(part, opts, len(parts) > 1)
		findings = append(findings, found...)
	}
	result.Findings = group(findings)
	result.setWorkloads(c, opts)
	slices.SortStableFunc(result.Skipped, func(a, b Skip) int { return strings.Compare(a.Rule, b.Rule) })
	return result
}

// judge runs the rules on a capture of one mesh. One of several is left out where the
// user selected none of its proxies.
func (result *Result) judge(c *mesh.Capture, opts Options, several bool) []Finding {
	var proxies []*mesh.Proxy
	for _, p := range c.Proxies {
		if opts.selects(p.Key()) {
			proxies = append(proxies, p)
		}
	}
	if several && result.narrowed && len(proxies) == 0 {
		return nil
	}
	result.Proxies += len(proxies)
	shared, inputs := &memo{results: map[memoKey]func() any{}}, inputs{}
	var passes []*Pass
	for _, rule := range result.Rules {
		ready, skipped := rule.ready(c, proxies, inputs)
		result.skip(skipped, proxies, several)
		if len(skipped) > 0 && len(ready) == 0 {
			continue
		}
		passes = append(passes, &Pass{Rule: rule, Capture: c, Proxies: ready, selects: opts.selects, hits: opts.Hits, memo: shared})
	}
	if len(result.Rules) > decodesAhead {
		sideBySide(contents(proxies), func(decode func()) { decode() })
	}
	sideBySide(passes, (*Pass).run)
	var findings []Finding
	for _, pass := range passes {
		findings = append(findings, pass.findings...)
	}
	return findings
}

// skip adds what was skipped of one mesh to what was skipped of others. One of several
// names its proxies where a rule was skipped for all of them.
func (result *Result) skip(skipped []Skip, proxies []*mesh.Proxy, several bool) {
	for _, s := range skipped {
		if several && len(s.Proxies) == 0 {
			for _, p := range proxies {
				s.Proxies = append(s.Proxies, p.Key())
			}
			if len(s.Proxies) == 0 {
				continue // nothing there to judge
			}
		}
		i := slices.IndexFunc(result.Skipped, func(known Skip) bool { return known.Rule == s.Rule && slices.Equal(known.Missing, s.Missing) })
		if i < 0 {
			result.Skipped = append(result.Skipped, s)
			continue
		}
		result.Skipped[i].Proxies = append(result.Skipped[i].Proxies, s.Proxies...)
		slices.Sort(result.Skipped[i].Proxies)
	}
}

// run calls the rule. A panic is a bug of the rule; it becomes a finding, which
// keeps the rule from counting as passed, and the other rules go on.
func (p *Pass) run() {
	defer func() {
		if bug := recover(); bug != nil {
			p.selects, p.hits = func(string) bool { return true }, nil
			p.Report(Finding{
				Severity:   Error,
				Confidence: Proven,
				Category:   Hygiene,
				Message:    fmt.Sprintf("this rule crashed (%v); what it would have found is not known", bug),
				Essence:    "crashed",
				Fix:        "report the crash with the capture, or run without the rule: --skip " + p.Rule.Name,
			})
		}
	}()
	p.Rule.Run(p)
}

// ready splits off the proxies that lack what the rule needs. Rules judge
// Envoys: a ztunnel lacks nothing, it is just not meant.
func (r *Rule) ready(c *mesh.Capture, proxies []*mesh.Proxy, known inputs) (ready []*mesh.Proxy, skipped []Skip) {
	if missing := r.missing(func(n Need) bool { return known.allow(n, c) }); len(missing) > 0 {
		return nil, []Skip{{Rule: r.Name, Code: r.Code, Missing: missing}}
	}
	for _, p := range proxies {
		if p.Kind == mesh.Ztunnel {
			continue
		}
		missing := r.missing(func(n Need) bool { return known.meets(n, p, c) })
		if len(missing) == 0 {
			ready = append(ready, p)
			continue
		}
		i := slices.IndexFunc(skipped, func(s Skip) bool { return slices.Equal(s.Missing, missing) })
		if i < 0 {
			i = len(skipped)
			skipped = append(skipped, Skip{Rule: r.Name, Code: r.Code, Missing: missing})
		}
		skipped[i].Proxies = append(skipped[i].Proxies, p.Key())
	}
	return ready, skipped
}

// sideBySide calls do for each of them, in their order, on all cores.
func sideBySide[T any](all []T, do func(T)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(all)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				do(all[i])
			}
		})
	}
	workers.Wait()
}

// decodesAhead is the number of rules from which on it pays to decode ahead: with
// so many, all of contents is looked at.
const decodesAhead = 20

// contents is what most rules look at, as what decodes it. Each content is there once.
func contents(proxies []*mesh.Proxy) []func() {
	var out []func()
	seen := map[*mesh.Content]bool{}
	for _, p := range proxies {
		for _, r := range slices.Concat(p.Listeners, p.Routes) {
			if r.State == mesh.Active && r.Content != nil && !seen[r.Content] {
				seen[r.Content] = true
				out = append(out, func() { _, _ = r.Message() }) // the rule that needs it meets the error again
			}
		}
		if p.ClusterStatus != nil {
			out = append(out, func() { _, _ = p.ClusterStatus.Get() })
		}
	}
	return out
}

// inputs remembers which proxies meet which needs: many rules ask the same.
type inputs map[inputKey]bool

type inputKey struct {
	need Need
	// proxy is nil for a need of the capture that is met.
	proxy *mesh.Proxy
}

// allow reports whether the capture meets the need, if it is one of the capture.
func (i inputs) allow(n Need, c *mesh.Capture) bool {
	if i[inputKey{need: n}] {
		return true
	}
	met, applies := n.ofCapture(c)
	i[inputKey{need: n}] = met && applies
	return met || !applies
}

func (i inputs) meets(n Need, p *mesh.Proxy, c *mesh.Capture) bool {
	if i[inputKey{need: n}] {
		return true
	}
	key := inputKey{n, p}
	met, known := i[key]
	if !known {
		met = n.ofProxy(p, c)
		i[key] = met
	}
	return met
}

func (r *Rule) missing(met func(Need) bool) []Need {
	var missing []Need
	for _, n := range r.Needs {
		if !met(n) {
			missing = append(missing, n)
		}
	}
	return missing
}

// selects reports whether findings about the proxy with this key are wanted. A
// proxy that only istiod knows of has a key too, and one captured several times
// goes by its key without the label.
func (o Options) selects(key string) bool {
	if o.Proxy != nil {
		return key == o.Proxy.Key() || key == o.Proxy.Name+"."+o.Proxy.Namespace
	}
	if o.Namespace == "" {
		return true
	}
	key, _, _ = strings.Cut(key, " (")
	return strings.HasSuffix(key, "."+o.Namespace)
}
