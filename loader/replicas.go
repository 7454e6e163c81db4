package loader

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// endpointWord is the endpoint in a file's name: syncz-istiod-a.json, istiod-a-metrics.txt.
var endpointWord = regexp.MustCompile(`(?:^|[-_.])(?:debug-)?(` + strings.Join(slices.Sorted(maps.Keys(debugNames)), "|") +
	`|inject|mesh|proxy-status|ps|metrics|discovery)(?:[-_.]|$)`)

// splitName splits the name of an istiod's file into the endpoint and what is
// left, which may name the replica.
func splitName(name string) (endpoint, replica string) {
	stem := strings.TrimSuffix(fileName(name), ".log")
	m := endpointWord.FindStringSubmatchIndex(stem)
	if m == nil {
		return "", stem
	}
	return stem[m[2]:m[3]], strings.Trim(stem[:m[0]]+"-"+stem[m[1]:], "-_.")
}

// namesIstiod reports whether a part of a file's name is an istiod's.
func namesIstiod(name string) bool {
	return strings.Contains(name, "istiod") || strings.Contains(name, "pilot")
}

// nameIstiods tells the istiods apart whose files lie in one folder. Files that
// can all be of one istiod are: only what is there twice, or names of several,
// make several of them.
func nameIstiods(files []*file) {
	folders := map[string][]*file{}
	for _, f := range files {
		if f.endpoint() != "" && f.id.name == "" && f.id.namespace == "" {
			folders[f.id.dir] = append(folders[f.id.dir], f)
		}
	}
	for _, folder := range folders {
		nameReplicas(folder)
	}
}

func nameReplicas(folder []*file) {
	names := make([]string, len(folder))
	seen, several, sole := map[string]bool{}, false, ""
	for i, f := range folder {
		names[i] = f.replica()
		several = several || seen[f.endpoint()] || sole != "" && namesIstiod(names[i]) && names[i] != sole
		seen[f.endpoint()] = true
		if namesIstiod(names[i]) {
			sole = names[i]
		}
	}
	taken := map[[2]string]bool{}
	for i, f := range folder {
		name := names[i]
		switch {
		case !several:
			name = sole
		case taken[[2]string{name, f.endpoint()}]:
			name = fileName(f.input.Path)
		}
		taken[[2]string{name, f.endpoint()}] = true
		f.id.name = name
		if pod, namespace, found := strings.Cut(name, "."); found && namesIstiod(pod) {
			f.id.name, f.id.namespace = pod, namespace
		}
	}
}

// replica is the istiod that the file names, in its content or else in its name;
// empty for the only one.
func (f *file) replica() string {
	if f.kind == mesh.KindClientConfig {
		statuses, _ := parseClientConfig(f.raw)
		if len(statuses) > 0 && !slices.ContainsFunc(statuses, func(s mesh.SyncStatus) bool { return s.Istiod != statuses[0].Istiod }) {
			return statuses[0].Istiod
		}
	}
	_, name := splitName(f.input.Path)
	if name == "istiod" || name == "istio-pilot" || name == "pilot" {
		return ""
	}
	return name
}

// ofResources makes an istiod's of the debug endpoints that answer in resources:
// what they print looks like a config_dump.
func (f *file) ofResources() {
	if f.kind != mesh.KindConfigDump && f.kind != mesh.KindResources {
		return
	}
	switch endpoint, _ := splitName(f.input.Path); endpoint {
	case "edsz", "ecdsz", "ndsz":
		f.kind, f.debug, f.input.Kind = mesh.KindDebug, endpoint, mesh.KindDebug
	}
}
