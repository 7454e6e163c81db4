package loader

import (
	"regexp"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// revisionLine reads a bug-report's versions file, which prints Go values.
var revisionLine = regexp.MustCompile(`Revision ([^\s:]+):\s*\n[^\n]*[{ ]Version:"([^"]+)"`)

// addVersions gives the control planes their revision and version: from the
// versions file of a bug-report, else from their own metrics.
func (j *joiner) addVersions(files []*file) {
	for _, f := range files {
		if f.kind != mesh.KindVersions {
			continue
		}
		found := revisionLine.FindAllSubmatch(f.raw, -1)
		for _, cp := range j.capture.ControlPlanes {
			for _, m := range found {
				revision, version := string(m[1]), string(m[2])
				if len(found) == 1 || strings.Contains(cp.Name, "istiod-"+revision+"-") {
					cp.Revision, cp.Version = revision, version
				}
			}
		}
	}
	for _, cp := range j.capture.ControlPlanes {
		if cp.Version == "" {
			cp.Version = builtVersion(cp)
		}
	}
}

// builtVersion reads the tag of istio_build in istiod's metrics.
func builtVersion(cp *mesh.ControlPlane) string {
	stats, _ := cp.Metrics.Get()
	if stats == nil {
		return ""
	}
	for _, s := range stats.Samples {
		if s.Name == "istio_build" || s.Name == "pilot_info" {
			if v := s.Labels["tag"]; v != "" {
				return v
			}
			return s.Labels["version"]
		}
	}
	return ""
}
