package loader

import (
	"bytes"
	"path"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// sniffed is what the content of a file was found to be.
type sniffed struct {
	kind mesh.FileKind
	// at is where the content begins, behind a byte order mark, an HTTP status
	// line, or what kubectl printed first.
	at int
	// json is set where the content at that offset is JSON.
	json bool
	// debug names the istiod debug endpoint for KindDebug, KindPilotDump included.
	debug string
	// resource is set for KindResources: what the array holds.
	resource mesh.ResourceKind
	// section is set for a part of a config_dump that stands alone, as istioctl
	// proxy-config bootstrap and secret print it.
	section bool
	// wrapped is set for config_dumps inside an object: {"ns": {"name": {"configs": ...}}}.
	wrapped bool
}

// sniff classifies content; name breaks ties only.
func sniff(name string, data []byte) sniffed {
	data, bom := bytes.CutPrefix(data, []byte("\xef\xbb\xbf"))
	skew := 0
	if bom {
		skew = 3
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return sniffed{kind: mesh.KindEmpty}
	}
	if at := jsonStart(data); at == 0 || at > 0 && !holdsJSON(name, data[:at]) {
		found := sniffJSON(name, data, at)
		if found.kind == mesh.KindLog && path.Ext(name) != ".log" {
			found = behindLog(name, data, found)
		}
		if found.kind != mesh.KindUnknown || at == 0 {
			found.at += skew
			found.json = true
			return found
		}
	}
	if endpoint := debugEndpoint(name); endpoint != "" && hollow(data) {
		return sniffed{kind: mesh.KindDebug, debug: endpoint, at: skew, json: true}
	}
	return sniffed{kind: sniffText(name, data), at: skew}
}

// behindLog looks behind the JSON log records that a file begins with: commands log
// before they print. It returns log where no document of another kind is near.
func behindLog(name string, data []byte, log sniffed) sniffed {
	for at := log.at; at < junkBefore; {
		n := bytes.IndexByte(data[at:], '\n')
		if n < 0 {
			return log
		}
		start := jsonStart(data[at+n+1:])
		if start < 0 {
			return log
		}
		at += n + 1 + start
		switch found := sniffJSON(name, data, at); found.kind {
		case mesh.KindLog:
		case mesh.KindUnknown, mesh.KindAccessLog, mesh.KindRequests:
			return log
		default:
			return found
		}
	}
	return log
}

// holdsJSON reports whether the text before some JSON says that the JSON is a
// part of it, and not the content of the file.
func holdsJSON(name string, before []byte) bool {
	kind := sniffText(name, before)
	return structured[kind] || kind == mesh.KindLog && path.Ext(name) == ".log"
}

// structured are the kinds of text in which a line may well look like JSON.
var structured = map[mesh.FileKind]bool{
	mesh.KindKubernetes: true, mesh.KindBootstrap: true, mesh.KindConfigDump: true, mesh.KindClusters: true,
	mesh.KindStats: true, mesh.KindNetstat: true, mesh.KindVersions: true, mesh.KindAnalysis: true, mesh.KindAccessLog: true,
}

const (
	// junkBefore bounds the text that may stand before JSON.
	junkBefore = 64 << 10
	// sniffBytes is as much of a text as is looked at.
	sniffBytes = 16 << 10
)

// jsonStart finds the first line that opens an object or an array; -1 if there
// is none near the start. A log record such as "[2026-..." opens neither.
func jsonStart(data []byte) int {
	for at := 0; at < min(len(data), junkBefore); {
		line := at
		for line < len(data) && (data[line] == ' ' || data[line] == '\t' || data[line] == '\r') {
			line++
		}
		if line < len(data) && opensJSON(data[line:]) {
			return line
		}
		next := bytes.IndexByte(data[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
	}
	return -1
}

func opensJSON(data []byte) bool {
	rest := bytes.TrimLeft(data[1:min(len(data), 4096)], " \t\r\n")
	switch {
	case data[0] == '{':
		return len(rest) == 0 || rest[0] == '"' || rest[0] == '}'
	case data[0] == '[':
		return len(rest) == 0 || rest[0] == '{' || rest[0] == ']'
	}
	return false
}

// debugEndpoint is the istiod endpoint that a path names: ".../debug/syncz" and
// must-gather's "debug-syncz.json", or a bare "registryz.json".
func debugEndpoint(name string) string {
	base := strings.TrimSuffix(path.Base(name), ".json")
	base = strings.TrimPrefix(base, "debug-")
	if strings.Contains("/"+name, "/debug/") && !strings.Contains(name, "/config_dump/") {
		return base
	}
	if i := strings.IndexByte(base, '-'); i > 0 && strings.Contains("/"+name, "/pilot/") {
		base = base[:i] // istio-dump: pilot/configz-istio-pilot-abc
	}
	if debugNames[base] {
		return base
	}
	if endpoint, replica := splitName(base); debugNames[endpoint] && namesIstiod(replica) {
		return endpoint
	}
	return ""
}

var debugNames = map[string]bool{
	"adsz": true, "ambientz": true, "authenticationz": true, "authorizationz": true, "cachez": true, "cdsz": true,
	"clusterz": true, "configz": true, "connections": true, "ecdsz": true, "edsz": true, "endpointShardz": true,
	"endpointz": true, "instancesz": true, "krtz": true, "mcsz": true, "ndsz": true, "networkz": true, "push_status": true,
	"pushcontext": true, "registryz": true, "resourcesz": true, "sidecarz": true, "syncz": true, "telemetryz": true,
}
