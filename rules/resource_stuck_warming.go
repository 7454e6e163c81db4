package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ResourceStuckWarming reports clusters and listeners that wait for something
// that does not come.
var ResourceStuckWarming = &analyze.Rule{
	Name:       "resource-stuck-warming",
	Code:       "SYN03",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "a cluster or listener has been warming for more than a minute",
		Finds: "`dynamic_warming_clusters` and `dynamic_listeners[].warming_state` whose `last_updated` is more than a minute before the newest moment that the proxy's own files know of. Where only the rest of the capture is so much newer, it is a likely warning: to capture many proxies takes minutes. " +
			"What they wait for is read from the dump (a cluster without its EDS assignment, a health check or an answer of DNS) and from `/init_dump`. Those that wait for the same kind of thing are one finding.",
		Hurts: "A listener that never warmed does not answer: connections are refused. A cluster that never warmed does not exist for routes: 503 with response flag NC. " +
			"Where an older version is active it goes on serving, and the change has no effect: that is a warning, as is a cluster that nothing routes to. istiod sets `initial_fetch_timeout: 0s`: Envoy waits for ever.",
		Example: `"dynamic_warming_clusters": [{"last_updated": "2026-05-01T08:00:00Z", # dumped at 10:00
  "cluster": {"name": "outbound|80||cart.shop.svc.cluster.local", "type": "EDS"}}]`,
		Silent: "what was updated within a minute of the capture, or at an unknown time. A cluster that Envoy rejected stands among the warming ones too: that is `xds-resource-rejected`. What waits for a secret is `sds-secret-missing`.",
		Fix:    "supply what is waited for: for endpoints see whether istiod answers EDS (xds-ack-stale), for DNS and health checks see whether the hosts answer",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/init",
			"https://github.com/istio/istio/issues/50186",
		},
	},
	Run: runResourceStuckWarming,
}

// warmingPatience is how long a resource may wait before something must be wrong.
const warmingPatience = time.Minute

// waiting are the resources of one kind that wait for one kind of thing.
type waiting struct {
	kind mesh.ResourceKind
	// what is the kind of thing, such as "endpoints".
	what string
	// harmless says why nobody misses them as things stand; empty where somebody does.
	harmless string
	// sure is set where they certainly waited that long.
	sure bool
}

func runResourceStuckWarming(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	for _, p := range pass.Proxies {
		groups := map[waiting][]*mesh.Resource{}
		var order []waiting
		var routed map[string][]placed
		for _, r := range slices.Concat(p.Clusters, p.Listeners) {
			if r.State != mesh.Warming || r.Updated.IsZero() {
				continue
			}
			waited, sure := g.waited(p, r.Updated)
			if waited <= warmingPatience || waitsForKind(r) == secretWait {
				continue
			}
			if routed == nil {
				routed = referencesByCluster(pass, p)
			}
			key := waiting{kind: r.Kind, what: waitsForKind(r), harmless: harmless(p, r, routed), sure: sure}
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], r)
		}
		for _, key := range order {
			slices.SortStableFunc(groups[key], func(a, b *mesh.Resource) int { return cmp.Compare(a.Name(), b.Name()) })
			reportWarming(pass, g, p, key, groups[key])
		}
	}
}

// harmless says why nobody misses a resource that warms; "" where somebody does.
func harmless(p *mesh.Proxy, r *mesh.Resource, routed map[string][]placed) string {
	switch {
	case r.State == mesh.Warming && p.Active(r.Kind, r.Name()) != nil:
		return "its previous version stays in force"
	case r.Kind == mesh.Cluster && len(routed[r.Name()]) == 0:
		return "nothing routes there"
	}
	return ""
}

// secretWait is a wait that sds-secret-missing tells of.
const secretWait = "secret"

// waitsForKind is the kind of the first thing that the resource waits for.
func waitsForKind(r *mesh.Resource) string {
	if len(r.WaitsFor) == 0 {
		return "something that the capture does not tell"
	}
	for _, kind := range []string{"endpoints", secretWait} {
		if strings.HasPrefix(r.WaitsFor[0], kind+" ") {
			return kind
		}
	}
	return r.WaitsFor[0]
}

const listedNames = 3

func reportWarming(pass *analyze.Pass, g *gathering, p *mesh.Proxy, key waiting, resources []*mesh.Resource) {
	oldest := resources[0].Updated
	waits := map[string]bool{}
	var names []string
	f := analyze.Finding{Source: resources[0].Source}
	if key.harmless != "" || !key.sure {
		f.Severity = analyze.Warning
	}
	if !key.sure {
		f.Confidence = analyze.Likely
	}
	for _, r := range resources {
		if r.Updated.Before(oldest) {
			oldest = r.Updated
		}
		names = append(names, r.Name())
		for _, w := range r.WaitsFor {
			waits[w] = true
		}
		f.Related = append(f.Related, analyze.Location{Ref: p.Ref(r.Kind, r.Name()), Source: r.Source, Message: "warming"})
	}
	f.Ref = p.Ref(key.kind, "")
	if len(resources) == 1 {
		f.Ref.Name, f.Related = names[0], nil
	}
	waited, _ := g.waited(p, oldest)
	subject := names[0] + " has been"
	if len(names) > 1 {
		subject = fmt.Sprintf("%d %ss (%s) have been", len(names), key.kind, listNames(names, listedNames))
	}
	f.Message = fmt.Sprintf("%s warming for %s, waiting for %s: %s", subject, age(waited), key.what, key.consequence())
	f.Essence = key.what + ": " + key.consequence()
	f.Evidence = append(f.Evidence, analyze.Evidence{Name: "updated", Value: oldest.UTC().Format(time.RFC3339)})
	if len(waits) > 0 {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "waits for", Value: listNames(slices.Sorted(maps.Keys(waits)), maxWaits)})
	}
	pass.Report(f)
}

func (w waiting) consequence() string {
	switch {
	case w.harmless != "":
		return w.harmless
	case w.kind == mesh.Cluster:
		return "requests that are routed there get 503 (NC)"
	}
	return "no connection is accepted"
}

// listNames names the first of them and counts the rest.
func listNames(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
