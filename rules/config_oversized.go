package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ConfigOversized reports sidecars that carry far more than they call.
var ConfigOversized = &analyze.Rule{
	Name:       "config-oversized",
	Code:       "PRF01",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Performance,
	Profile:    analyze.Perf,
	Needs:      []analyze.Need{analyze.NeedClusters, analyze.NeedClusterStatus, analyze.NeedServerInfo},
	Doc: analyze.Doc{
		Title: "a sidecar holds a large configuration of which it uses little",
		Finds: "Sidecars with more than 2000 outbound clusters, or more than 20 MB of resources in the dump, that have been up for an hour (`uptime_current_epoch`), and where less than a tenth of the outbound clusters has a host with `cx_total` above 0 in `/clusters`. " +
			"The evidence is the list of `egress.hosts` that would cover what was called.",
		Hurts: "Memory in every pod, and CPU time in istiod and in every proxy at each push: slow rollouts, pods killed for memory (OOMKilled), late endpoints.",
		Example: `dynamic_active_clusters: 3600
clusters with connections: 12`,
		Silent: "proxies without `/clusters` or `/server_info`, of which the use is not known; a proxy that is up for less than an hour; gateways. A workload with rare calls (a nightly job) uses more than the hour shows.",
		Fix:    "write a Sidecar resource for the workload's namespace with the egress.hosts of the evidence, after a look at what is called rarely",
		References: []string{
			"https://istio.io/latest/docs/reference/config/networking/sidecar/",
			"https://istio.io/latest/docs/ops/configuration/mesh/configuration-scoping/",
			"https://github.com/istio/istio/issues/7912",
		},
	},
	Run: runConfigOversized,
}

const (
	tooManyClusters = 2000
	tooManyBytes    = 20 << 20
)

func runConfigOversized(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		info, err := p.ServerInfo.Get()
		if p.Kind != mesh.Sidecar || err != nil || info.GetUptimeCurrentEpoch().AsDuration() < time.Hour {
			continue
		}
		outbound, size := weigh(p)
		if outbound <= tooManyClusters && size <= tooManyBytes {
			continue
		}
		used := clustersWithTraffic(p)
		if float64(len(used)) >= usedShare*float64(outbound) {
			continue
		}
		pass.Report(analyze.Finding{
			Ref:     p.Ref("", ""),
			Source:  p.ClusterStatus.Source,
			Message: fmt.Sprintf("%d outbound clusters in %d MB of configuration, and calls to only %d of them since the proxy started", outbound, size>>20, len(used)),
			Essence: p.Namespace + "/" + p.Workload(),
			Evidence: append([]analyze.Evidence{
				{Name: "uptime", Value: age(info.GetUptimeCurrentEpoch().AsDuration())},
			}, egressHosts(used)...),
			Object: sidecarOf(pass.Capture, p),
		})
	}
}

// weigh counts the outbound clusters and the bytes of all resources.
func weigh(p *mesh.Proxy) (outbound, size int) {
	for _, r := range p.Clusters {
		if strings.HasPrefix(r.Name(), "outbound|") && r.State == mesh.Active {
			outbound++
		}
	}
	for _, kind := range []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret, mesh.Extension} {
		for _, r := range p.Resources(kind) {
			size += len(r.Raw())
		}
	}
	return outbound, size
}

// clustersWithTraffic are the outbound clusters with connections.
func clustersWithTraffic(p *mesh.Proxy) []istioCluster {
	var out []istioCluster
	status, _ := p.ClusterStatus.Get()
	for _, c := range status.GetClusterStatuses() {
		target, ok := parseIstioCluster(c.GetName())
		if !ok || target.direction != "outbound" {
			continue
		}
		for _, h := range c.GetHostStatuses() {
			if counter(h, "cx_total") > 0 {
				out = append(out, target)
				break
			}
		}
	}
	return out
}

// egressHosts are the hosts of a Sidecar that covers the clusters.
func egressHosts(used []istioCluster) []analyze.Evidence {
	hosts := map[string]bool{"istio-system/*": true}
	for _, target := range used {
		namespace := serviceNamespace(target.host)
		if namespace == "" {
			namespace = "*"
		}
		hosts[namespace+"/"+target.host] = true
	}
	var out []analyze.Evidence
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		out = append(out, analyze.Evidence{Name: "egress.hosts", Value: host})
	}
	return out
}
