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
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// EndpointSetDivergence reports proxies that have other endpoints of a service than
// most.
var EndpointSetDivergence = &analyze.Rule{
	Name:       "endpoint-set-divergence",
	Code:       "EPT05",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedLoadAssignments},
	Doc: analyze.Doc{
		Title: "a proxy has other endpoints of a service than most proxies have",
		Finds: "ClusterLoadAssignments of one name whose sets of addresses differ among the sidecars, or among the gateways, of one cluster and network (`CLUSTER_ID` and `NETWORK` of the node). The proxies with the set that fewer have are reported, one finding for each proxy, with what they lack and what only they have. Where no set has a majority, the one that came last is taken for right.",
		Hurts: "The odd proxy calls pods that are gone (503 with flag UF) or leaves new pods without load. Whether a request works depends on which client sends it.",
		Example: `# on 9 proxies
{"cluster_name": "outbound|80||cart.shop.svc.cluster.local", "endpoints": ["10.1.0.7:8080", "10.1.0.8:8080"]}
# on the tenth
{"cluster_name": "outbound|80||cart.shop.svc.cluster.local", "endpoints": ["10.1.0.7:8080"]}`,
		Silent: "the order, the weights, the localities and the priorities of the endpoints, which differ by design. Subsets and hosts outside of the cluster are compared within a namespace, because a DestinationRule or ServiceEntry may hold there only. Gateways get the endpoints of headless services, sidecars do not; " +
			"where a locality has no endpoints (`localityLbSetting.distribute`), proxies of one node locality are compared; services with internalTrafficPolicy Local (by istiod's `registryz`) and endpoints behind a tunnel are left out, and so are pods that were captured more than once.",
		Fix: "see whether the proxy still gets updates: rules xds-ack-stale, xds-resource-rejected and proxy-not-connected; restart it if it is stuck",
		References: []string{
			"https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/",
			"https://github.com/istio/istio/issues/31277",
		},
	},
	Run: runEndpointSetDivergence,
}

// endpointView is what one proxy has of an assignment.
type endpointView struct {
	proxy    *mesh.Proxy
	resource *mesh.Resource
}

func runEndpointSetDivergence(pass *analyze.Pass) {
	views := comparableAssignments(pass)
	odd := map[*mesh.Proxy][]oddSet{}
	for _, name := range slices.Sorted(maps.Keys(views)) {
		for _, alike := range comparableViews(pass, views[name]) {
			for _, o := range oddSets(pass, alike) {
				odd[o.view.proxy] = append(odd[o.view.proxy], o)
			}
		}
	}
	for _, p := range pass.Proxies {
		if sets := odd[p]; len(sets) > 0 {
			reportOddSets(pass, p, sets)
		}
	}
}

// comparableAssignments groups the assignments that should be alike. Those that
// all have one content are left out at once.
func comparableAssignments(pass *analyze.Pass) map[string][]endpointView {
	views := map[string][]endpointView{}
	differs := map[string]bool{}
	local := distributedLocally(pass.Capture)
	sole := soleDumpsOf(pass)
	for _, p := range pass.Capture.Proxies {
		if !sole[p] || p.Kind != mesh.Sidecar && p.Kind != mesh.Gateway {
			continue
		}
		from := meshOf(p)
		for _, r := range p.Endpoints {
			target, ok := parseIstioCluster(r.Name())
			if !ok || r.State != mesh.Active || r.Content == nil || local[target.host] {
				continue
			}
			key := r.Name() + "\x00" + from + "\x00" + string(p.Kind)
			if target.subset != "" || serviceNamespace(target.host) == "" {
				key += "\x00" + p.Namespace
			}
			differs[key] = differs[key] || len(views[key]) > 0 && views[key][0].resource.Content != r.Content
			views[key] = append(views[key], endpointView{p, r})
		}
	}
	maps.DeleteFunc(views, func(key string, _ []endpointView) bool { return !differs[key] })
	return views
}

// comparableViews groups the views of an assignment that should be alike: by the
// node's locality where a DestinationRule distributes by locality, because Istio
// then leaves the localities that get no share without endpoints.
func comparableViews(pass *analyze.Pass, views []endpointView) map[string][]endpointView {
	if !slices.ContainsFunc(views, func(v endpointView) bool { return hasEmptyLocality(pass, v.resource) }) {
		return map[string][]endpointView{"": views}
	}
	out := map[string][]endpointView{}
	for _, v := range views {
		out[localityOf(v.proxy)] = append(out[localityOf(v.proxy)], v)
	}
	return out
}

// localityOf names the region, zone and sub-zone of a proxy's node.
func localityOf(p *mesh.Proxy) string {
	if p.Bootstrap == nil {
		return ""
	}
	at := func(part string) string { return p.Bootstrap.Peek("node", "locality", part) }
	return at("region") + "/" + at("zone") + "/" + at("sub_zone")
}

// emptyLocality tells whether a locality of an assignment has no endpoints.
type emptyLocality bool

func hasEmptyLocality(pass *analyze.Pass, r *mesh.Resource) bool {
	return bool(analyze.Once(pass, r.Content, func() emptyLocality {
		return emptyLocality(slices.ContainsFunc(rawjson.Elements(r.PeekRaw("endpoints")), func(locality []byte) bool {
			return len(rawjson.Elements(rawjson.Get(locality, "lb_endpoints"))) == 0
		}))
	}))
}

// meshOf names the cluster and network from which a proxy sees the mesh.
func meshOf(p *mesh.Proxy) string {
	if p.Bootstrap == nil {
		return ""
	}
	return p.Bootstrap.Peek("node", "metadata", "CLUSTER_ID") + "\x00" + p.Bootstrap.Peek("node", "metadata", "NETWORK")
}

func distributedLocally(c *mesh.Capture) map[string]bool {
	out := map[string]bool{}
	for _, s := range registeredServices(c) {
		if s.nodeLocal {
			out[s.host] = true
		}
	}
	return out
}

// oddSet is an assignment that differs from the one that most proxies have.
type oddSet struct {
	view            endpointView
	lacks, onlyHere []string
	// others are the proxies with the usual set, usual is one of them.
	others int
	usual  endpointView
}

// addressSet are the addresses of an assignment, sorted.
type addressSet []string

func addressesOf(pass *analyze.Pass, r *mesh.Resource) addressSet {
	return analyze.Once(pass, r.Content, func() addressSet {
		var set addressSet
		for _, h := range assignedHealth(pass, r) {
			set = append(set, h.address)
		}
		slices.Sort(set)
		return slices.Compact(set)
	})
}

func oddSets(pass *analyze.Pass, views []endpointView) []oddSet {
	bySet := map[string][]endpointView{}
	for _, v := range views {
		set := addressesOf(pass, v.resource)
		if slices.ContainsFunc(set, isTunnel) {
			return nil
		}
		key := strings.Join(set, "\x00")
		bySet[key] = append(bySet[key], v)
	}
	if len(bySet) < 2 {
		return nil
	}
	order := slices.SortedFunc(maps.Keys(bySet), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(bySet[b]), len(bySet[a])), newest(bySet[b]).Compare(newest(bySet[a])), cmp.Compare(a, b))
	})
	usual := bySet[order[0]]
	reference := addressesOf(pass, usual[0].resource)
	var out []oddSet
	for _, key := range order[1:] {
		for _, v := range bySet[key] {
			own := addressesOf(pass, v.resource)
			out = append(out, oddSet{view: v, lacks: without(reference, own), onlyHere: without(own, reference), others: len(usual), usual: usual[0]})
		}
	}
	return out
}

// newest is when the latest of the assignments came.
func newest(views []endpointView) time.Time {
	var t time.Time
	for _, v := range views {
		if v.resource.Updated.After(t) {
			t = v.resource.Updated
		}
	}
	return t
}

// without returns the elements of a sorted list that another sorted one lacks.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { _, found := slices.BinarySearch(b, s); return found })
}

func reportOddSets(pass *analyze.Pass, p *mesh.Proxy, sets []oddSet) {
	first := sets[0]
	f := analyze.Finding{
		Ref:     p.Ref(mesh.Endpoint, first.view.resource.Name()),
		Source:  first.view.resource.Source,
		Message: fmt.Sprintf("%s differs from that of %s: %s", first.view.resource.Name(), countNamed(first.others, "other proxy", "other proxies"), first.difference()),
	}
	var names []string
	for _, o := range sets {
		names = append(names, o.view.resource.Name())
	}
	if more := len(sets) - 1; more > 0 {
		f.Ref.Name = ""
		f.Message += fmt.Sprintf("; and so do %s", countNamed(more, "assignment more", "assignments more"))
	}
	for _, o := range sets[:min(len(sets), listedPlaces)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: o.view.resource.Name(), Value: o.difference()})
		f.Related = append(f.Related, analyze.Location{
			Ref: o.usual.proxy.Ref(mesh.Endpoint, o.usual.resource.Name()), Source: o.usual.resource.Source, Message: "what most proxies have",
		})
	}
	f.Essence = strings.Join(names, "\x00")
	pass.Report(f)
}

const listedAddresses = 5

// difference says what the set lacks and what only it has.
func (o *oddSet) difference() string {
	var parts []string
	for _, part := range []struct {
		word      string
		addresses []string
	}{{"lacks", o.lacks}, {"only here", o.onlyHere}} {
		if len(part.addresses) == 0 {
			continue
		}
		text := part.word + " " + strings.Join(part.addresses[:min(len(part.addresses), listedAddresses)], ", ")
		if more := len(part.addresses) - listedAddresses; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
