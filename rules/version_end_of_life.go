package rules

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// VersionEndOfLife reports versions of Istio that get no more security fixes.
var VersionEndOfLife = &analyze.Rule{
	Name:       "version-end-of-life",
	Code:       "PRX06",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedTime},
	Doc: analyze.Doc{
		Title: "a version of Istio that gets no more security fixes",
		Finds: "`ISTIO_VERSION` of the proxy's node and the version of istiod, of a minor version whose support ended before the capture was made. The dates are those that istio.io had published in " + supportTable +
			" for the versions 1.7 to 1.29; of the last three they are the planned ones.",
		Hurts:   "Faults that are found in Istio or Envoy, also those that can be used from outside, are fixed in later versions only.",
		Example: `"node": {"metadata": {"ISTIO_VERSION": "1.18.2"}} # captured in May 2026; support ended in January 2024`,
		Silent:  "versions that were supported at the time of the capture, those that are newer than the table, and builds of vendors, who fix old versions for longer (OpenShift Service Mesh, or a suffix such as `-asm.3`). Another vendor's build with Istio's own numbers cannot be told.",
		Fix:     "upgrade, one minor version after the other; or see how long your vendor supports this version",
		References: []string{
			"https://istio.io/latest/docs/releases/supported-releases/",
			"https://istio.io/latest/news/security/",
		},
	},
	Run: runVersionEndOfLife,
}

// supportTable is when the dates of supportEnds were read.
const supportTable = "February 2026"

// supportEnds are the days on which the support of 1.7 and the minor versions
// after it ended or was planned to.
var supportEnds = []string{
	"2021-02-25", "2021-05-12", "2021-10-08", // 1.7 to 1.9
	"2022-01-07", "2022-03-25", "2022-07-12", "2022-10-12", "2022-12-27", // 1.10 to 1.14
	"2023-04-04", "2023-07-25", "2023-10-27", "2024-01-04", "2024-04-24", // 1.15 to 1.19
	"2024-06-25", "2024-09-27", "2025-01-22", "2025-04-16", "2025-06-24", // 1.20 to 1.24
	"2025-09-30", "2025-12-22", "2026-03-30", "2026-05-31", "2026-08-31", // 1.25 to 1.29
}

// firstSupported is the minor version that supportEnds begins with; what is older
// ended before it.
const firstSupported = 7

// supportEnd is the last day of support of a minor version; false where it is not
// known.
func supportEnd(m minor) (time.Time, bool) {
	index := max(m.minor-firstSupported, 0)
	if m.major != 1 || index >= len(supportEnds) {
		return time.Time{}, false
	}
	end, err := time.Parse(time.DateOnly, supportEnds[index])
	return end, err == nil
}

// firstPlanned is the first minor version whose support had not ended when the
// table was read.
const firstPlanned = 27

func (m minor) ended() string {
	switch {
	case m.minor >= firstPlanned:
		return "was to end on"
	case m.minor < firstSupported:
		return "ended before"
	}
	return "ended on"
}

// released are the versions that Istio itself released; a vendor's have a suffix.
var released = regexp.MustCompile(`^\d+\.\d+\.\d+(-(alpha|beta|rc)[.\d]*)?$`)

// isVendorBuild recognises OpenShift Service Mesh, which fixes versions that Istio
// no longer does and gives them Istio's numbers.
func isVendorBuild(p *mesh.Proxy) bool {
	if p.Bootstrap == nil {
		return false
	}
	node := rawjson.Get(p.Bootstrap.Raw(), "node")
	status := rawjson.GetText(node, "user_agent_build_version", "metadata", "revision.status")
	return strings.HasPrefix(status, "OSSM") || rawjson.Get(node, "metadata", "LABELS", "maistra-version") != nil
}

func runVersionEndOfLife(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	judge := func(ref mesh.Ref, source mesh.Source, version string, now time.Time) {
		m, ok := parseMinor(version)
		end, known := supportEnd(m)
		if !ok || !known || !released.MatchString(version) || !now.After(end.AddDate(0, 0, 1)) {
			return
		}
		pass.Report(analyze.Finding{
			Ref:     ref,
			Source:  source,
			Message: fmt.Sprintf("%s had been out of support for %s: that of Istio %s %s %s", version, age(now.Sub(end)), m, m.ended(), end.Format(time.DateOnly)),
			Essence: m.String(),
			Evidence: []analyze.Evidence{
				{Name: "judged at", Value: now.UTC().Format(time.RFC3339)},
				{Name: "table of", Value: supportTable},
			},
		})
	}
	for _, p := range pass.Proxies {
		source := mesh.Source{}
		if p.Bootstrap != nil {
			source = p.Bootstrap.Source
		}
		if !isVendorBuild(p) {
			judge(p.Ref("", ""), source, p.IstioVersion, pass.Capture.AsOf)
		}
	}
	for _, cp := range pass.Capture.ControlPlanes {
		source := mesh.Source{File: place(cp.Files)}
		judge(mesh.Ref{Proxy: cp.Key()}, source, cp.Version, g.asOf(cp))
	}
}
