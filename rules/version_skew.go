package rules

import (
	"fmt"
	"slices"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// VersionSkew reports proxies whose version istiod is not made for.
var VersionSkew = &analyze.Rule{
	Name:       "version-skew",
	Code:       "MSH01",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Hygiene,
	Needs:      []analyze.Need{analyze.NeedIstiodVersion},
	Doc: analyze.Doc{
		Title: "a proxy's version is newer than istiod's, or more than one minor version older",
		Finds: "`ISTIO_VERSION` of the proxy's node, or `istio_version` in `debug/syncz`, against the version of the istiod that the proxy is connected to: from a bug-report's versions, or `istio_build` in istiod's metrics.",
		Hurts: "Istio supports proxies of istiod's own minor version and of the one before. With others istiod may send what the proxy does not know: it rejects it (NACK) or passes over it, and policies have no effect.",
		Example: `istiod: 1.25.0
"node": {"metadata": {"ISTIO_VERSION": "1.22.3"}}`,
		Silent: "a proxy of another revision is compared with the istiod that lists it; where none does, only if all istiods of the capture are of one minor version. Versions that are not Istio's own numbers are not judged.",
		Fix:    "restart the workload, so that the sidecar of istiod's version is injected; where the proxy is newer, upgrade istiod first",
		References: []string{
			"https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew",
			"https://github.com/istio/istio/issues/51459",
		},
	},
	Run: runVersionSkew,
}

func runVersionSkew(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	for _, p := range pass.Proxies {
		source := mesh.Source{}
		if p.Bootstrap != nil {
			source = p.Bootstrap.Source
		}
		compareVersions(pass, p.Ref("", ""), source, p.IstioVersion, g.versionFor(p))
	}
	for _, cp := range pass.Capture.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		for _, s := range statuses {
			if len(g.proxies(cp, s.Proxy)) == 0 {
				compareVersions(pass, mesh.Ref{Proxy: s.Proxy}, cp.Sync.Source, s.IstioVersion, cp.Version)
			}
		}
	}
}

// versionFor is the version of the istiod that the proxy is connected to; "" where
// it could be one of several.
func (g *gathering) versionFor(p *mesh.Proxy) string {
	candidates := g.istiods(p)
	if len(candidates) == 0 {
		nearest := 0
		for _, cp := range g.capture.ControlPlanes {
			nearest = max(nearest, sharedFolder(place(p.Files), place(cp.Files)))
		}
		candidates = slices.DeleteFunc(slices.Clone(g.capture.ControlPlanes), func(cp *mesh.ControlPlane) bool {
			return sharedFolder(place(p.Files), place(cp.Files)) < nearest
		})
	}
	version := ""
	for _, cp := range candidates {
		known, ok := parseMinor(cp.Version)
		first, _ := parseMinor(version)
		if !ok || version != "" && known != first {
			return ""
		}
		version = cp.Version
	}
	return version
}

// supportedSkew is how many minor versions a proxy may be behind istiod.
const supportedSkew = 1

func compareVersions(pass *analyze.Pass, ref mesh.Ref, source mesh.Source, proxy, istiod string) {
	p, known := parseMinor(proxy)
	c, comparable := parseMinor(istiod)
	behind := c.minor - p.minor
	if !known || !comparable || p.major != c.major || behind >= 0 && behind <= supportedSkew {
		return
	}
	f := analyze.Finding{
		Ref:     ref,
		Source:  source,
		Message: fmt.Sprintf("%s is %d minor versions older than istiod, which is %s", proxy, behind, istiod),
		Essence: p.String() + " by " + c.String(),
		Evidence: []analyze.Evidence{
			{Name: "version of the proxy", Value: proxy},
			{Name: "version of istiod", Value: istiod},
		},
	}
	if behind < 0 {
		f.Message = fmt.Sprintf("%s is newer than istiod, which is %s", proxy, istiod)
	}
	pass.Report(f)
}
