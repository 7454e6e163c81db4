package rules

import (
	"path"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// CaptureIncomplete reports what the capture lacks, so that silence of the other
// rules is not mistaken for health.
var CaptureIncomplete = &analyze.Rule{
	Name:       "capture-incomplete",
	Code:       "PRX07",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Doc: analyze.Doc{
		Title: "the capture lacks files that would answer more questions",
		Finds: "Files of each proxy and control plane that a full capture has and this one has not (config_dump, endpoints, bootstrap, clusters, stats, certs, server_info, syncz, registryz, Kubernetes objects), and files that are damaged. Each comes with the command that captures it.",
		Hurts: "Nothing in the mesh. But a rule without its inputs is skipped, and no finding then means nothing.",
		Example: `proxies/default/productpage-v1-5d4f8c7b9-abcde/config_dump # without ?include_eds
proxies/default/productpage-v1-5d4f8c7b9-abcde/clusters    # not there`,
		Silent: "ztunnels have no Envoy admin interface; what only Istio has is not missed where no proxy is Istio's.",
		Fix:    "capture it again, with `istioctl bug-report` or the command given",
		References: []string{
			"https://istio.io/latest/docs/reference/commands/istioctl/#istioctl-bug-report",
		},
	},
	Run: runCaptureIncomplete,
}

func runCaptureIncomplete(pass *analyze.Pass) {
	for _, gap := range pass.Capture.Gaps() {
		f := analyze.Finding{
			Ref:     mesh.Ref{Name: gap.What},
			Message: gap.What + ": not in the capture; " + gap.Why,
			Fix:     gap.Command,
		}
		for _, p := range gap.Proxies {
			f.Ref.Proxy = p.Key()
			pass.Report(f)
		}
		if len(gap.Proxies) == 0 {
			pass.Report(f)
		}
	}
	misread := map[string]string{}
	for _, problem := range pass.Capture.Misread(0) {
		misread[problem.Source.File] = problem.Message
	}
	for _, in := range pass.Capture.Inputs {
		message := ": " + misread[in.Path]
		if in.Fate == mesh.FateDamaged {
			message = " is damaged: " + in.Reason
		} else if misread[in.Path] == "" {
			continue
		}
		f := analyze.Finding{
			Ref:     mesh.Ref{Proxy: in.Owner, Name: in.Path},
			Source:  mesh.Source{File: in.Path},
			Message: in.Path + message,
			Essence: "damaged", // the place moves with every line
			Fix:     "capture this file again",
		}
		if workload := mesh.WorkloadOf(in.Owner); workload != "" {
			f.Ref.Name = path.Base(in.Path) // folders are named for pods
			f.Essence += " of " + workload
		}
		pass.Report(f)
	}
}
