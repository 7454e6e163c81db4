package loader

import (
	"bytes"
	"cmp"
	"regexp"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// istiods reports whether the content is an istiod's; where that is common to
// istiod and Envoy, whether the name says so.
func (f *file) istiods() bool {
	switch f.kind {
	case mesh.KindDebug, mesh.KindClientConfig:
		return true
	case mesh.KindStats:
		return bytes.Contains(f.buf, []byte("\npilot_")) && !bytes.Contains(f.buf, []byte("\nenvoy_"))
	case mesh.KindLog:
		return istiodLog.MatchString(f.input.Path)
	}
	return false
}

var istiodLog = regexp.MustCompile(`(?:^|/)(?:discovery|istiod[^/]*|[^/]+-istiod[^/]*)\.log$`)

// addIstiod collects the debug endpoints of control planes.
func (j *joiner) addIstiod(f *file) {
	endpoint := f.endpoint()
	if endpoint == "" {
		return
	}
	cp := j.istiod(f.id)
	cp.Files = append(cp.Files, f.input)
	if !j.takes(slot{cp, endpoint}, f) {
		return
	}
	source := mesh.Source{File: f.input.Path, Line: 1}
	switch {
	case f.kind == mesh.KindStats:
		f.input.Kind = mesh.KindIstiodMetrics
		cp.Metrics = mesh.NewDoc(source, f.raw, parseStats)
	case f.kind == mesh.KindLog:
		cp.Log = mesh.NewDoc(source, f.raw, parseLog)
	case f.kind == mesh.KindClientConfig:
		cp.Sync = mesh.NewDoc(source, f.raw, parseClientConfig)
	case f.debug == "syncz":
		cp.Sync = mesh.NewDoc(source, f.raw, parseSyncz)
	case f.debug == "adsz", f.debug == "connections" && cp.Connections == nil:
		cp.Connections = mesh.NewDoc(source, f.raw, parseAdsz)
	default:
		cp.Debug[f.debug] = mesh.NewDoc(source, f.raw, parseRaw)
	}
}

// endpoint is what an istiod's file has of it; empty for files that are not an istiod's.
func (f *file) endpoint() string {
	switch {
	case f.kind == mesh.KindDebug:
		return f.debug
	case f.kind == mesh.KindClientConfig:
		return "syncz"
	case f.id.istiod && (f.kind == mesh.KindStats || f.kind == mesh.KindLog):
		return string(f.kind)
	}
	return ""
}

func (j *joiner) istiod(id identity) *mesh.ControlPlane {
	name := id.name
	if name == "" && id.revision != "" {
		name = "istiod-" + id.revision
	}
	key := id.dir + "\x00" + id.namespace + "\x00" + name
	cp := j.istiods[key]
	if cp == nil {
		cp = &mesh.ControlPlane{Name: cmp.Or(name, "istiod"), Namespace: id.namespace, Revision: id.revision, Debug: map[string]*mesh.Doc[rawJSON]{}}
		j.istiods[key] = cp
		j.capture.ControlPlanes = append(j.capture.ControlPlanes, cp)
	}
	return cp
}

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
