package rules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// PushStatusConflict reports what istiod found to contradict itself when it last
// built configurations.
var PushStatusConflict = &analyze.Rule{
	Name:       "push-status-conflict",
	Code:       "SYN08",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedPushStatus},
	Doc: analyze.Doc{
		Title: "istiod dropped a part of the configuration because it conflicts with another",
		Finds: "Entries of istiod's `debug/push_status` under `pilot_conflict_inbound_listener`, `pilot_conflict_outbound_listener_tcp_over_current_tcp`, `pilot_duplicate_envoy_clusters`, " +
			"`pilot_dns_cluster_without_endpoints`, `pilot_vservice_dup_domain` and `pilot_destrule_subsets`: what the last push could not use.",
		Hurts: "One of the two sides is silently not in the proxies: a port is served as the other service's, a VirtualService or subset has no effect, calls to a host end with 404 NR or 503 UH.",
		Example: `{"pilot_vservice_dup_domain": {"cart.shop.svc.cluster.local:80": {
  "proxy": "web-1.shop", "message": "duplicate domain from virtual service: cart.shop.svc.cluster.local:80"}}}`,
		Silent: "`pilot_eds_no_instances`, `pilot_endpoint_not_ready`, `endpoint_no_pod` and `pilot_no_ip`, which are there whenever pods start, stop or are scaled to zero.",
		Fix:    "make the two definitions one, or keep them apart by port, host or namespace; istiod takes the older one",
		References: []string{
			"https://istio.io/latest/docs/reference/commands/pilot-discovery/",
			"https://github.com/istio/istio/issues/10456",
		},
	},
	Run: runPushStatusConflict,
}

// conflicts are the entries of push_status that tell of a loss, and what is lost.
var conflicts = map[string]string{
	"pilot_conflict_inbound_listener":                       "two services of the pod claim the port, and one of them is not served as its own protocol",
	"pilot_conflict_outbound_listener_tcp_over_current_tcp": "two services claim the address and port, and one of them is not reached",
	"pilot_duplicate_envoy_clusters":                        "two services make the same cluster, and one of them is dropped",
	"pilot_dns_cluster_without_endpoints":                   "the cluster of type DNS has no address to resolve: calls end with 503 (UH)",
	"pilot_vservice_dup_domain":                             "two VirtualServices or services claim the host, and one of them has no effect",
	"pilot_destrule_subsets":                                "two DestinationRules define the subset, and one of them has no effect",
}

// maxConflicts bounds the findings of one kind: a broken host breaks in many places.
const maxConflicts = 50

func runPushStatusConflict(pass *analyze.Pass) {
	for _, cp := range pass.Capture.ControlPlanes {
		doc := cp.Debug["push_status"]
		raw, _ := doc.Get()
		var status map[string]map[string]struct{ Proxy, Message string }
		if len(raw) == 0 || json.Unmarshal(raw, &status) != nil {
			continue
		}
		for _, kind := range slices.Sorted(maps.Keys(conflicts)) {
			entries := status[kind]
			names := slices.Sorted(maps.Keys(entries))
			for _, name := range names[:min(len(names), maxConflicts)] {
				f := analyze.Finding{
					Ref:      mesh.Ref{Proxy: cp.Key(), Name: name},
					Source:   doc.Source,
					Message:  fmt.Sprintf("%s: %s", cmp.Or(entries[name].Message, name), conflicts[kind]),
					Essence:  kind,
					Evidence: []analyze.Evidence{{Name: "push_status", Value: kind}},
				}
				if name == entries[name].Proxy {
					f.Ref.Name = mesh.WorkloadOf(name) // the next capture has other pods
				}
				if entries[name].Proxy != "" {
					f.Evidence = append(f.Evidence, analyze.Evidence{Name: "seen for", Value: entries[name].Proxy})
				}
				if len(names) > maxConflicts {
					f.Evidence = append(f.Evidence, analyze.Evidence{Name: "of this kind in all", Value: fmt.Sprint(len(names))})
				}
				pass.Report(f)
			}
		}
	}
}
