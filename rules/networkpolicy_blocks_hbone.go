package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// NetworkPolicyBlocksHBONE reports ambient pods whose NetworkPolicies let traffic in
// on some ports, but not on that of HBONE.
var NetworkPolicyBlocksHBONE = &analyze.Rule{
	Name:       "networkpolicy-blocks-hbone",
	Code:       "MSH07",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedZtunnel, analyze.NeedObjects},
	Doc: analyze.Doc{
		Title: "NetworkPolicies let an ambient pod's own ports in, but not HBONE on 15008",
		Finds: "Workloads with protocol HBONE in a ztunnel's config_dump, and the NetworkPolicies of their namespace that select them. All policies together allow at least one TCP port in, and none of their rules allows 15008: by number, by range (`endPort`), or by having no `ports`. " +
			"A policy with an empty `podSelector` selects every pod; for other selectors the labels come from the captured Pods.",
		Hurts: "Within the mesh the connections to the pod come as HBONE on port 15008, whatever port the client asked for. The network plugin drops them: clients time out, while calls from outside of the mesh work.",
		Example: `kind: NetworkPolicy
spec:
  podSelector: {matchLabels: {app: cart}}
  ingress:
  - ports: [{port: 8080, protocol: TCP}]   # and not 15008`,
		Silent: "pods that no policy selects; policies that let nothing in at all, which is a default that others open; ports given by name; selectors with `matchExpressions`, and pods whose labels were not captured. A network plugin that does not enforce policies lets all pass: hence no more than a warning.",
		Fix:    "allow TCP port 15008 beside the application's ports in the NetworkPolicy",
		References: []string{
			"https://istio.io/latest/docs/ambient/usage/networkpolicy/",
			"https://kubernetes.io/docs/concepts/services-networking/network-policies/",
		},
	},
	Run: runNetworkPolicyBlocksHBONE,
}

// hbonePort is where pods of the ambient mesh take connections.
const hbonePort = 15008

func runNetworkPolicyBlocksHBONE(pass *analyze.Pass) {
	policies := map[string][]networkPolicy{}
	for _, o := range kubernetesObjects(pass.Capture, "networking.k8s.io/v1", "NetworkPolicy") {
		if policy := newNetworkPolicy(o); policy.ingress {
			policies[o.Namespace] = append(policies[o.Namespace], policy)
		}
	}
	labels := labelsOfPods(pass.Capture)
	for p, dump := range pass.Capture.Ztunnels() {
		blocked := map[string][]string{}
		for _, w := range dump.Workloads {
			if w.Protocol != "HBONE" {
				continue
			}
			if by := blocking(policies[w.Namespace], labels[w.Namespace+"/"+w.Name]); by != "" {
				key := w.Namespace + "/" + by
				blocked[key] = append(blocked[key], w.Namespace+"/"+w.Name)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(blocked)) {
			reportBlocked(pass, p, key, blocked[key])
		}
	}
}

// networkPolicy is what of a NetworkPolicy matters for a port.
type networkPolicy struct {
	object mesh.Object
	// ingress is set where it restricts what comes in.
	ingress bool
	// all is set where it selects every pod; labels are those that it asks for. A
	// selector that is not understood has neither.
	all    bool
	labels map[string]any
	// opens is set where a rule allows some TCP port, hbone where one allows 15008.
	opens, hbone bool
}

func newNetworkPolicy(o mesh.Object) networkPolicy {
	spec, _ := o.Fields["spec"].(map[string]any)
	policy := networkPolicy{object: o, ingress: true}
	if types, ok := spec["policyTypes"].([]any); ok && len(types) > 0 {
		policy.ingress = slices.Contains(types, any("Ingress"))
	}
	selector, _ := spec["podSelector"].(map[string]any)
	labels, _ := selector["matchLabels"].(map[string]any)
	expressions, _ := selector["matchExpressions"].([]any)
	if len(expressions) == 0 {
		policy.all, policy.labels = len(labels) == 0, labels
	}
	rules, _ := spec["ingress"].([]any)
	for _, rule := range rules {
		fields, _ := rule.(map[string]any)
		ports, _ := fields["ports"].([]any)
		if len(ports) == 0 {
			policy.opens, policy.hbone = true, true
		}
		for _, port := range ports {
			entry, _ := port.(map[string]any)
			policy.allow(entry)
		}
	}
	return policy
}

// allow notes a NetworkPolicyPort. A port given by name may be any.
func (n *networkPolicy) allow(port map[string]any) {
	if protocol, ok := port["protocol"].(string); ok && protocol != "TCP" {
		return
	}
	n.opens = true
	first, numbered := port["port"].(float64)
	last, ranged := port["endPort"].(float64)
	if !ranged {
		last = first
	}
	n.hbone = n.hbone || !numbered || first <= hbonePort && hbonePort <= last
}

// blocking names the first policy that opens ports of a pod, if all policies
// together leave that of HBONE closed; labels are nil where the pod was not captured.
func blocking(policies []networkPolicy, labels map[string]string) string {
	by := ""
	for _, policy := range policies {
		switch {
		case !policy.all && (labels == nil || len(policy.labels) == 0):
			return "" // it may select the pod and open the port
		case !policy.all && !hasLabels(labels, policy.labels):
		case policy.hbone:
			return ""
		case policy.opens && by == "":
			by = policy.object.Name
		}
	}
	return by
}

// kubernetesObjects returns the captured objects of a kind, sorted, each once.
func kubernetesObjects(c *mesh.Capture, apiVersion, kind string) []mesh.Object {
	var out []mesh.Object
	for _, doc := range c.Objects {
		objects, _ := doc.Get()
		for _, o := range objects {
			if o.Kind == kind && o.APIVersion == apiVersion {
				out = append(out, o)
			}
		}
	}
	slices.SortStableFunc(out, compareObjects)
	return slices.CompactFunc(out, func(a, b mesh.Object) bool { return compareObjects(a, b) == 0 })
}

// labelsOfPods are the labels of the captured Pods by "namespace/name".
func labelsOfPods(c *mesh.Capture) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, o := range kubernetesObjects(c, "v1", "Pod") {
		metadata, _ := o.Fields["metadata"].(map[string]any)
		fields, _ := metadata["labels"].(map[string]any)
		labels := map[string]string{}
		for name, value := range fields {
			labels[name], _ = value.(string)
		}
		out[o.Namespace+"/"+o.Name] = labels
	}
	return out
}

func reportBlocked(pass *analyze.Pass, p *mesh.Proxy, policy string, pods []string) {
	slices.Sort(pods)
	f := analyze.Finding{
		Ref:     mesh.Ref{Proxy: p.Key(), Name: policy},
		Source:  p.ZtunnelDump.Source,
		Message: fmt.Sprintf("%s opens ports of %s, but nothing opens port %d of HBONE", policy, countNamed(len(pods), "ambient pod"), hbonePort),
		Essence: "blocks",
		Object:  "NetworkPolicy " + policy,
	}
	for _, pod := range pods[:min(len(pods), listedPlaces)] {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "pod", Value: pod})
	}
	pass.Report(f)
}
