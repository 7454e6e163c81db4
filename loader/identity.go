package loader

import (
	"path"
	"regexp"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// identity is whose file it is, as far as the path or the content tell.
type identity struct {
	namespace, name, revision string
	// istiod is set for files of a control plane.
	istiod bool
	// pilot is set for istiod's view of a proxy.
	pilot bool
	// dir groups the files that were captured together.
	dir string
	// root is the folder that the layout begins in.
	root string
	// folder and parent may be pod and namespace: the last steps of a path that no tool is known for.
	folder, parent string
}

// layouts are the paths that known tools write. The groups are namespace and
// pod; istiod and pilot say whose file it is.
var layouts = []struct {
	pattern *regexp.Regexp
	istiod  bool
	pilot   bool
}{
	// the commands that info prints
	{regexp.MustCompile(`(?:^|/)config_dump_istiod-(?P<pod>[^/]+)\.(?P<ns>[^./]+)\.json$`), false, true},
	// istioctl bug-report
	{regexp.MustCompile(`(?:^|/)proxies/(?P<ns>[^/]+)/(?P<pod>[^/]+)/`), false, false},
	{regexp.MustCompile(`(?:^|/)istio/(?P<ns>[^/]+)/(?P<pod>[^/]+)/(?:debug/|discovery\.log|metrics)`), true, false},
	// OpenShift must-gather
	{regexp.MustCompile(`(?:^|/)namespaces/(?P<ns>[^/]+)/pods/(?P<pod>[^/]+)/(?:config_dump_istiod\.json|pilotConfiguration)`), false, true},
	{regexp.MustCompile(`(?:^|/)namespaces/(?P<ns>[^/]+)/pods/(?P<pod>[^/]+)/(?:config_dump_proxy\.json|envoyConfiguration|proxy_stats|istio-proxy/)`), false, false},
	{regexp.MustCompile(`(?:^|/)namespaces/(?P<ns>[^/]+)/(?:(?P<rev>[^/]+)/)?(?:debug-syncz\.json|controlplane/synchronization)`), true, false},
	// istio-dump of 2018 to 2020
	{regexp.MustCompile(`(?:^|/)logs/(?P<ns>[^/]+)/(?P<pod>[^/]+)/istio-proxy[^/]*\.log$`), false, false},
	{regexp.MustCompile(`(?:^|/)pilot/(?:configz|endpointz|adsz|authenticationz|metrics|syncz|registryz)-(?P<pod>[^/]+)$`), true, false},
	// a folder of debug endpoints, with istiod's view of the proxies below it
	{regexp.MustCompile(`(?:^|/)debug/config_dump/(?P<ns>[^/]+)/(?P<pod>[^/]+?)(?:\.json)?$`), false, true},
}

// debugFolders are istiod's if the content is: any other tool may have a folder
// of this name.
var debugFolders = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|/)(?P<pod>istiod[^/]*)/debug/[^/]+$`),
	regexp.MustCompile(`(?:^|/)debug/[^/]+$`),
}

// adminNames are the file names that Envoy's admin endpoints are saved under; a
// folder that holds one is a pod of the namespace that its parent is named after.
var adminNames = map[string]bool{
	"config_dump": true, "config_dump_include_eds": true, "clusters": true, "listeners": true, "certs": true,
	"server_info": true, "stats": true, "prometheus": true, "memory": true, "runtime": true, "istio-proxy.log": true,
}

var podName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?-[a-z0-9]{4,10}$`)

// identify reads the path of a file, and whether its content is an istiod's.
func identify(name string, istiods bool) identity {
	for _, l := range layouts {
		if id, ok := match(l.pattern, name); ok {
			id.istiod, id.pilot = l.istiod, l.pilot
			if !id.istiod {
				id.dir += id.namespace + "/" + id.name
			}
			return id
		}
	}
	if istiods {
		for _, pattern := range debugFolders {
			if id, ok := match(pattern, name); ok {
				id.istiod = true
				return id
			}
		}
	}
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	id := identity{dir: dir, root: dir, istiod: istiods}
	base, _, _ = strings.Cut(strings.TrimSuffix(base, ".json"), "?")
	if istiods || dir == "" || !adminNames[base] {
		return id
	}
	id.folder = path.Base(dir)
	if parent := path.Dir(dir); parent != "." && parent != "/" {
		id.parent = path.Base(parent)
	}
	if podName.MatchString(id.folder) {
		id.name, id.namespace = id.folder, id.parent
		id.root = above(dir, id.namespace, id.name)
	}
	return id
}

// match reads a path of a known layout.
func match(pattern *regexp.Regexp, name string) (identity, bool) {
	m := pattern.FindStringSubmatchIndex(name)
	if m == nil {
		return identity{}, false
	}
	id := identity{dir: name[:m[0]], root: name[:m[0]]}
	for i, group := range pattern.SubexpNames() {
		if m[2*i] < 0 {
			continue
		}
		switch text := name[m[2*i]:m[2*i+1]]; group {
		case "ns":
			id.namespace = text
		case "pod":
			id.name = text
		case "rev":
			id.revision = text
		}
	}
	return id, true
}

// above is the folder that holds the pod's folder, namespace/name or the name alone.
func above(dir, namespace, name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(dir, path.Join(namespace, name)), "/")
}

// node is what a bootstrap's node says about its proxy.
type node struct {
	id, name, namespace string
	kind                mesh.ProxyKind
	istioVersion        string
	envoyVersion        string
	addresses           []string
}

var nodeKinds = map[string]mesh.ProxyKind{
	"sidecar": mesh.Sidecar, "router": mesh.Gateway, "ingress": mesh.Gateway, "waypoint": mesh.Waypoint, "ztunnel": mesh.Ztunnel,
}

// readNode reads node of a bootstrap's JSON.
func readNode(bootstrap []byte) node {
	raw := rawjson.Get(bootstrap, "node")
	n := node{id: rawjson.GetText(raw, "id"), kind: mesh.OtherProxy}
	if n.id == "" {
		n.kind = mesh.UnknownProxy
	}
	metadata := rawjson.Get(raw, "metadata")
	n.istioVersion = rawjson.GetText(metadata, "ISTIO_VERSION")
	n.envoyVersion = envoyVersion(raw)
	parts := strings.Split(n.id, "~")
	if len(parts) != 4 {
		n.name = n.id
		return n
	}
	n.kind = nodeKinds[parts[0]]
	if n.kind == "" {
		n.kind = mesh.OtherProxy
	}
	n.name = parts[2]
	if i := strings.LastIndexByte(parts[2], '.'); i >= 0 {
		n.name, n.namespace = parts[2][:i], parts[2][i+1:]
	}
	n.addresses = append(n.addresses, parts[1])
	for _, ip := range strings.Split(rawjson.GetText(metadata, "INSTANCE_IPS"), ",") {
		if ip != "" && ip != parts[1] {
			n.addresses = append(n.addresses, ip)
		}
	}
	return n
}

// envoyVersion reads user_agent_build_version, or build_version of old Envoys:
// "commit/1.7.0-dev/Clean/RELEASE".
func envoyVersion(node []byte) string {
	version := rawjson.Get(node, "user_agent_build_version", "version")
	if version != nil {
		major, minor, patch := number(version, "major_number"), number(version, "minor_number"), number(version, "patch")
		return major + "." + minor + "." + patch
	}
	if parts := strings.Split(rawjson.GetText(node, "build_version"), "/"); len(parts) > 1 {
		return parts[1]
	}
	return ""
}

func number(raw []byte, field string) string {
	if n := rawjson.Get(raw, field); n != nil {
		return string(n)
	}
	return "0"
}
