package rules

import (
	"fmt"
	"strings"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ProxyNotLive reports Envoys that have not finished to start.
var ProxyNotLive = &analyze.Rule{
	Name:       "proxy-not-live",
	Code:       "SYN11",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedServerInfo},
	Doc: analyze.Doc{
		Title:   "Envoy has been up for more than a minute and is not live",
		Finds:   "`state` of `/server_info` that is PRE_INITIALIZING or INITIALIZING with `uptime_current_epoch` above 60 seconds. What it waits for is read from `/init_dump`, from the refused updates and from what is warming.",
		Hurts:   "Envoy opens its listeners when all are initialized: nothing gets in or out of the pod, the readiness probe fails, and istio-proxy logs `Envoy proxy is NOT ready`.",
		Example: `{"state": "INITIALIZING", "uptime_current_epoch": "900s"}`,
		Silent:  "an Envoy in its first minute. DRAINING is a pod that is being stopped, or one whose health check was failed by hand: info.",
		Fix:     "see to the first of what it waits for; without a word of istiod in its log see that it reaches istiod at all (port 15012, its token)",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/operations/admin",
			"https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/init",
			"https://github.com/istio/istio/issues/34108",
		},
	},
	Run: runProxyNotLive,
}

func runProxyNotLive(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		info, err := p.ServerInfo.Get()
		if err != nil || info.GetState() == adminv3.ServerInfo_LIVE {
			continue
		}
		up := info.GetUptimeCurrentEpoch().AsDuration()
		f := analyze.Finding{
			Ref:      p.Ref("", ""),
			Source:   p.ServerInfo.Source,
			Essence:  info.GetState().String(),
			Evidence: []analyze.Evidence{{Name: "uptime_current_epoch", Value: up.String()}},
		}
		switch {
		case info.GetState() == adminv3.ServerInfo_DRAINING:
			f.Severity, f.Message = analyze.Info, "DRAINING: Envoy turns new connections away"
			f.Fix = "nothing if the pod is being stopped; else look for POST /healthcheck/fail or /drain_listeners"
		case up <= time.Minute:
			continue
		default:
			waits := unready(p)
			f.Message = fmt.Sprintf("%s for %s: no listener is open", info.GetState(), age(up))
			if len(waits) > 0 {
				f.Message += "; it waits for " + listNames(waits, listedNames)
			}
			if len(waits) > listedNames {
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: "waits for", Value: strings.Join(waits[:min(len(waits), maxWaits)], ", ")})
			}
		}
		pass.Report(f)
	}
}

const maxWaits = 50

// unready lists what keeps Envoy from being live, the causes before what waits
// for them.
func unready(p *mesh.Proxy) []string {
	var waits []string
	for _, r := range stateRefusals(p) {
		waits = append(waits, fmt.Sprintf("%s %s, which it rejected", r.kind, r.name))
	}
	dump, _ := p.InitDump.Get()
	for _, d := range dump.GetUnreadyTargetsDumps() {
		waits = append(waits, d.GetTargetNames()...)
	}
	if len(waits) > 0 {
		return waits
	}
	for _, kind := range []mesh.ResourceKind{mesh.Secret, mesh.Cluster, mesh.Listener} {
		for _, name := range warming(p, kind) {
			waits = append(waits, string(kind)+" "+name)
		}
	}
	if len(waits) == 0 && len(p.Sections) > 0 && len(p.Listeners) == 0 {
		waits = append(waits, "its first listeners")
	}
	return waits
}
