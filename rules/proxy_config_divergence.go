package rules

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ProxyConfigDivergence reports replicas of one workload with different
// configurations.
var ProxyConfigDivergence = &analyze.Rule{
	Name:       "proxy-config-divergence",
	Code:       "MSH03",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "replicas of one workload have different configurations",
		Finds: "Proxies of one workload, pod template and istiod revision whose active dynamic clusters (by name), listeners and route configurations (by content, the pod's own addresses aside) differ. The replica with the configuration that fewer have is reported with the resources that it lacks, has beyond the others, or has in another version; of two, the one with fewer rejected and warming resources, then the one that was updated last, is taken for right.",
		Hurts: "A share of the requests, by which replica happens to serve them, gets old routes, old policies or no route at all. It looks like a fault that comes and goes.",
		Example: `web-7d4b9c-aaaaa: outbound|80||cart..., outbound|80||pay...
web-7d4b9c-bbbbb: outbound|80||cart...                       # stopped getting updates`,
		Silent: "pods of different templates (`pod-template-hash`), which is a rollout or a canary, and of different revisions; the order of resources; endpoints, which are endpoint-set-divergence; the listeners of a headless service, which each pod has for all pods but itself; contents of clusters, which may hold an order of localities; pods that were captured more than once, and gateways' and sidecars' static resources.",
		Fix:    "see whether the replica still gets updates: rules xds-ack-stale, xds-resource-rejected and proxy-not-connected; restart it if it is stuck",
		References: []string{
			"https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/",
			"https://github.com/istio/istio/issues/8320",
			"https://github.com/istio/istio/issues/31277",
		},
	},
	Run: runProxyConfigDivergence,
}

func runProxyConfigDivergence(pass *analyze.Pass) {
	groups := map[string][]*mesh.Proxy{}
	sole := soleDumpsOf(pass)
	for _, p := range pass.Capture.Proxies {
		if !sole[p] || p.Bootstrap == nil || !p.Has(mesh.Cluster) || !p.Has(mesh.Listener) {
			continue
		}
		template := p.Bootstrap.Peek("node", "metadata", "LABELS", "pod-template-hash")
		revision := p.Bootstrap.Peek("node", "metadata", "LABELS", "istio.io/rev")
		key := strings.Join([]string{p.Namespace, p.Workload(), template, revision, p.IstioVersion, meshOf(p)}, "\x00")
		groups[key] = append(groups[key], p)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if replicas := groups[key]; len(replicas) > 1 {
			compareReplicas(pass, replicas)
		}
	}
}

// comparedKinds are the resources in which replicas should agree.
var comparedKinds = []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route}

// replica is what of a proxy is compared: a digest of each resource by its kind and
// name.
type replica struct {
	proxy     *mesh.Proxy
	resources map[resourceName]digest
}

type resourceName struct {
	kind mesh.ResourceKind
	name string
}

type digest [sha256.Size]byte

// newReplica leaves out the listeners that a headless service gives every replica
// for each of the others.
func newReplica(pass *analyze.Pass, p *mesh.Proxy, siblings []*mesh.Proxy) replica {
	out := replica{p, map[resourceName]digest{}}
	for _, kind := range comparedKinds {
		for _, r := range p.Resources(kind) {
			if r.State != mesh.Active || r.Origin != mesh.Dynamic || r.Content == nil {
				continue
			}
			if kind == mesh.Listener && isOfPod(r.Name(), siblings) {
				continue
			}
			key := resourceName{kind, string(anonymous(p, []byte(r.Name())))}
			if kind == mesh.Cluster {
				out.resources[key] = digest{}
				continue
			}
			out.resources[key] = digestOf(pass, p, r)
		}
	}
	return out
}

// isOfPod reports whether a listener "ip_port" is for the address of a pod.
func isOfPod(listener string, pods []*mesh.Proxy) bool {
	address, _, found := strings.Cut(listener, "_")
	return found && slices.ContainsFunc(pods, func(p *mesh.Proxy) bool { return slices.Contains(p.Addresses, address) })
}

// digestOf is computed once for each content that does not name the pod.
func digestOf(pass *analyze.Pass, p *mesh.Proxy, r *mesh.Resource) digest {
	common := analyze.Once(pass, r.Content, func() digest { return sha256.Sum256(r.Raw()) })
	if own := anonymous(p, r.Raw()); len(own) != len(r.Raw()) {
		return sha256.Sum256(own)
	}
	return common
}

// anonymous leaves out the pod's own addresses and name.
func anonymous(p *mesh.Proxy, text []byte) []byte {
	for _, own := range append([]string{p.Name}, p.Addresses...) {
		if len(own) > 2 {
			text = withoutWhole(text, []byte(own))
		}
	}
	return text
}

// withoutWhole cuts an address or a name out, but not out of a longer one: 10.1.0.2
// is no part of 10.1.0.26, nor web-1 of web-10 and of the host web-1.shop.
func withoutWhole(text, name []byte) []byte {
	isIPv6 := bytes.IndexByte(name, ':') >= 0
	continues := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' || c == '-' || c == ':' && isIPv6
	}
	var out []byte
	kept := 0
	for end := 0; ; {
		at := bytes.Index(text[end:], name)
		switch {
		case at < 0 && kept == 0:
			return text
		case at < 0:
			return append(out, text[kept:]...)
		}
		at += end
		end = at + len(name)
		if at > 0 && continues(text[at-1]) || end < len(text) && continues(text[end]) {
			continue
		}
		out = append(out, text[kept:at]...)
		kept = end
	}
}

func (r replica) equal(other replica) bool { return maps.Equal(r.resources, other.resources) }

func compareReplicas(pass *analyze.Pass, proxies []*mesh.Proxy) {
	var variants [][]replica
	for _, p := range proxies {
		r := newReplica(pass, p, proxies)
		i := slices.IndexFunc(variants, func(v []replica) bool { return v[0].equal(r) })
		if i < 0 {
			variants = append(variants, nil)
			i = len(variants) - 1
		}
		variants[i] = append(variants[i], r)
	}
	slices.SortStableFunc(variants, func(a, b []replica) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(unfinished(a), unfinished(b)), lastPush(b).Compare(lastPush(a)))
	})
	for _, odd := range variants[1:] {
		for _, r := range odd {
			reportOddReplica(pass, r, variants[0])
		}
	}
}

func reportOddReplica(pass *analyze.Pass, odd replica, usual []replica) {
	reference := usual[0]
	var lacks, extra, other []resourceName
	for name, d := range reference.resources {
		switch own, has := odd.resources[name]; {
		case !has:
			lacks = append(lacks, name)
		case own != d:
			other = append(other, name)
		}
	}
	for name := range odd.resources {
		if _, has := reference.resources[name]; !has {
			extra = append(extra, name)
		}
	}
	f := analyze.Finding{
		Ref:     odd.proxy.Ref("", ""),
		Source:  odd.proxy.Bootstrap.Source,
		Essence: odd.proxy.Namespace + "/" + odd.proxy.Workload(),
		Related: []analyze.Location{{Ref: reference.proxy.Ref("", ""), Source: reference.proxy.Bootstrap.Source, Message: fmt.Sprintf("the configuration that %s", have(len(usual)))}},
	}
	var parts []string
	for _, part := range []struct {
		word  string
		names []resourceName
	}{{"lacks", lacks}, {"has another version of", other}, {"alone has", extra}} {
		if len(part.names) == 0 {
			continue
		}
		slices.SortFunc(part.names, func(a, b resourceName) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
		})
		first := part.names[0]
		text := fmt.Sprintf("%s %s %s", part.word, first.kind, first.name)
		if more := len(part.names) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
		for _, name := range part.names[:min(len(part.names), listedPlaces)] {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: part.word, Value: fmt.Sprintf("%s %s", name.kind, name.name)})
		}
	}
	f.Message = fmt.Sprintf("this replica of %s %s, unlike %s", odd.proxy.Workload(), strings.Join(parts, ", "), countNamed(len(usual), "other replica"))
	pass.Report(f)
}

func have(n int) string {
	if n == 1 {
		return "one replica has"
	}
	return fmt.Sprintf("%d replicas have", n)
}

// unfinished counts the updates that the replicas refused, or that still wait.
func unfinished(replicas []replica) int {
	n := 0
	for _, r := range replicas {
		for _, kind := range comparedKinds {
			for _, resource := range r.proxy.Resources(kind) {
				if resource.State == mesh.Rejected || resource.State == mesh.Warming {
					n++
				}
			}
		}
	}
	return n
}

// lastPush is when the newest resource of the replicas came.
func lastPush(replicas []replica) time.Time {
	var t time.Time
	for _, r := range replicas {
		for _, kind := range comparedKinds {
			for _, resource := range r.proxy.Resources(kind) {
				if resource.Updated.After(t) {
					t = resource.Updated
				}
			}
		}
	}
	return t
}
