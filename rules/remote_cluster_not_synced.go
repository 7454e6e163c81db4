package rules

import (
	"fmt"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// RemoteClusterNotSynced reports clusters that istiod cannot read.
var RemoteClusterNotSynced = &analyze.Rule{
	Name:       "remote-cluster-not-synced",
	Code:       "SYN12",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedRemoteClusters},
	Doc: analyze.Doc{
		Title: "istiod does not read a cluster of the mesh",
		Finds: "`syncStatus` in istiod's `debug/clusterz` other than `synced`.",
		Hurts: "istiod knows neither the services nor the endpoints of that cluster, or only those of the time before: traffic does not fail over to it, or goes to pods that are gone (503 UF, UH).",
		Example: `[{"id": "Kubernetes", "syncStatus": "synced"},
 {"id": "west", "secretName": "istio-system/istio-remote-secret-west", "syncStatus": "timeout"}]`,
		Silent: "nothing else looks like it. `syncing` may be a cluster that was just added: it is a warning.",
		Fix:    "see that istiod reaches the API server of the cluster, and that its remote secret is still valid: istioctl create-remote-secret",
		References: []string{
			"https://istio.io/latest/docs/setup/install/multicluster/",
			"https://github.com/istio/istio/issues/54997",
		},
	},
	Run: runRemoteClusterNotSynced,
}

func runRemoteClusterNotSynced(pass *analyze.Pass) {
	for _, cp := range pass.Capture.ControlPlanes {
		raw, _ := cp.Debug["clusterz"].Get()
		for _, cluster := range rawjson.Elements(raw) {
			id, status := rawjson.GetText(cluster, "id"), rawjson.GetText(cluster, "syncStatus")
			if id == "" || status == "" || strings.EqualFold(status, "synced") {
				continue
			}
			f := analyze.Finding{
				Ref:      mesh.Ref{Proxy: cp.Key(), Name: id},
				Source:   cp.Debug["clusterz"].Source,
				Message:  fmt.Sprintf("cluster %s is %s: istiod does not know its services and endpoints as they are", id, status),
				Essence:  status,
				Evidence: []analyze.Evidence{{Name: "syncStatus", Value: status}},
			}
			if secret := rawjson.GetText(cluster, "secretName"); secret != "" {
				f.Object = "Secret " + secret
			}
			if strings.EqualFold(status, "syncing") {
				f.Severity = analyze.Warning
			}
			pass.Report(f)
		}
	}
}
