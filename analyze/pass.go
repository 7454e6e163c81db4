package analyze

import (
	"cmp"
	"slices"
	"strconv"
	"sync"

	"github.com/meshray/meshray/analyze/mesh"
)

// Pass is what one rule gets to see, and where it reports.
type Pass struct {
	Rule *Rule
	// Capture is the whole capture, whatever was selected.
	Capture *mesh.Capture
	// Proxies are the proxies to judge: selected by the user, and with all that
	// the rule needs. They are sorted by Key.
	Proxies []*mesh.Proxy

	selects  func(proxy string) bool
	hits     func(*Pass, *Finding) []Hit
	memo     *memo
	findings []Finding
}

// maxRelated bounds what one finding carries: a route table may lead to one
// cluster from a hundred thousand places.
const maxRelated = 50

// Report adds a finding. What the rule leaves empty is filled in: Severity,
// Confidence and Category from the rule, Fix from its documentation, Hits by
// Options.Hits. Related locations that repeat
// are dropped, and so are those beyond a bound. A finding
// about a proxy that the user did not select is dropped.
func (p *Pass) Report(f Finding) {
	if !p.selects(f.Ref.Proxy) {
		return
	}
	f.Rule, f.Code = p.Rule.Name, p.Rule.Code
	f.Severity = cmp.Or(f.Severity, p.Rule.Severity)
	f.Confidence = cmp.Or(f.Confidence, p.Rule.Confidence)
	f.Category = cmp.Or(f.Category, p.Rule.Category)
	f.Fix = cmp.Or(f.Fix, p.Rule.Doc.Fix)
	f.Related = slices.Compact(f.Related)
	if n := len(f.Related); n > maxRelated {
		f.Related = f.Related[:maxRelated]
		f.Evidence = append(f.Evidence, Evidence{Name: "related places in all", Value: strconv.Itoa(n)})
	}
	if f.Hits == nil && p.hits != nil {
		f.Hits = p.hits(p, &f)
	}
	f.Hits = distinctHits(f.Hits)
	f.AllHits = len(f.Hits)
	f.Hits = f.Hits[:min(len(f.Hits), maxHits)]
	f.Fingerprint = f.fingerprint()
	p.findings = append(p.findings, f)
}

// memo holds what was computed from contents and proxies, by what it was computed
// from and the type of result. Rules run side by side and share it.
type memo struct {
	mu      sync.RWMutex
	results map[memoKey]func() any
}

// of returns what computes the result, or waits for who does, and remembers it.
func (m *memo) of(key memoKey, compute func() any) func() any {
	m.mu.RLock()
	result, ok := m.results[key]
	m.mu.RUnlock()
	if ok {
		return result
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if result, ok = m.results[key]; !ok {
		result = sync.OnceValue(compute)
		m.results[key] = result
	}
	return result
}

// memoKey has a content or a proxy, or neither for what there is one of.
type memoKey struct {
	content *mesh.Content
	proxy   *mesh.Proxy
	result  any // a nil *T
}

// OnceForProxy is [Once] for what is made of a proxy as a whole.
func OnceForProxy[T any](p *Pass, proxy *mesh.Proxy, compute func() T) T {
	return once(p, memoKey{proxy: proxy}, compute)
}

// Once returns what compute makes of a content. It is computed once for all
// proxies that have the content and for all rules of a run that ask for a T: the
// cost of a run grows with distinct content, not with proxies. The result is
// shared and must not be changed.
func Once[T any](p *Pass, content *mesh.Content, compute func() T) T {
	return once(p, memoKey{content: content}, compute)
}

func once[T any](p *Pass, key memoKey, compute func() T) T {
	key.result = (*T)(nil)
	return p.memo.of(key, func() any { return compute() })().(T)
}
