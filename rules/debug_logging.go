package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
)

// DebugLogging reports Envoys that log everything.
var DebugLogging = &analyze.Rule{
	Name:       "debug-logging",
	Code:       "PRX03",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Performance,
	Needs:      []analyze.Need{analyze.NeedServerInfo},
	Doc: analyze.Doc{
		Title:   "Envoy was started with debug logging",
		Finds:   "`command_line_options.log_level` of `/server_info` that is trace or debug, and components of `component_log_level` that are.",
		Hurts:   "Envoy writes several lines for each request: latency and CPU go up, the log volume fills, and headers such as tokens end up in the logs.",
		Example: `"command_line_options": {"log_level": "debug", "component_log_level": "misc:error"}`,
		Silent:  "levels that were changed while Envoy ran (`/logging`), which the command line does not show.",
		Fix:     "take away the annotation sidecar.istio.io/logLevel or sidecar.istio.io/componentLogLevel, or global.proxy.logLevel of the installation, once the search is over",
		References: []string{
			"https://istio.io/latest/docs/reference/config/annotations/",
			"https://www.envoyproxy.io/docs/envoy/latest/operations/cli",
		},
	},
	Run: runDebugLogging,
}

func isVerbose(level string) bool {
	return slices.Contains([]string{"trace", "debug"}, strings.ToLower(strings.TrimSpace(level)))
}

func runDebugLogging(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		info, err := p.ServerInfo.Get()
		if err != nil {
			continue
		}
		options := info.GetCommandLineOptions()
		var verbose []string
		if isVerbose(options.GetLogLevel()) {
			verbose = append(verbose, "log_level "+options.GetLogLevel())
		}
		for _, component := range strings.Split(options.GetComponentLogLevel(), ",") {
			if _, level, _ := strings.Cut(component, ":"); isVerbose(level) {
				verbose = append(verbose, "component_log_level "+strings.TrimSpace(component))
			}
		}
		if len(verbose) == 0 {
			continue
		}
		pass.Report(analyze.Finding{
			Ref:     p.Ref("", ""),
			Source:  p.ServerInfo.Source,
			Message: fmt.Sprintf("%s is on Envoy's command line", listNames(verbose, listedNames)),
			Essence: "verbose",
		})
	}
}
