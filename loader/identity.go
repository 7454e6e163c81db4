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
}

// layouts are the paths that known tools write. The groups are namespace and
// pod; istio and pilot in the name of the layout say whose file it is.
var layouts = []struct {
	pattern *regexp.Regexp
	istiod  bool
	pilot   bool
}{
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
	{regexp.MustCompile(`(?:^|/)(?P<pod>istiod[^/]*)/debug/[^/]+$`), true, false},
	{regexp.MustCompile(`(?:^|/)debug/[^/]+$`), true, false},
}

// adminNames are the file names that Envoy's admin endpoints are saved under; a
// folder that holds one is a pod of the namespace that its parent is named after.
var adminNames = map[string]bool{
	"config_dump": true, "config_dump?include_eds": true, "config_dump_include_eds": true, "clusters": true, "listeners": true,
	"certs": true, "server_info": true, "stats": true, "memory": true, "runtime": true, "istio-proxy.log": true,
}

var podName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?-[a-z0-9]{4,10}$`)

// identify reads the path.
func identify(name string) identity {
	for _, l := range layouts {
		m := l.pattern.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		id := identity{istiod: l.istiod, pilot: l.pilot, dir: name[:strings.Index(name, m[0])]}
		for i, group := range l.pattern.SubexpNames() {
			switch group {
			case "ns":
				id.namespace = m[i]
			case "pod":
				id.name = m[i]
			case "rev":
				id.revision = m[i]
			}
		}
		if !id.istiod {
			id.dir += id.namespace + "/" + id.name
		}
		return id
	}
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	id := identity{dir: dir}
	if pod := path.Base(dir); adminNames[strings.TrimSuffix(base, ".json")] && podName.MatchString(pod) {
		id.name = pod
		if parent := path.Dir(dir); parent != "." && parent != "/" {
			id.namespace = path.Base(parent)
		}
	}
	return id
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
