package loader

import (
	"bytes"
	"path"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

func sniffJSON(name string, data []byte, at int) sniffed {
	s := rawjson.New(data, at)
	found := sniffed{kind: mesh.KindUnknown, at: at}
	if s.Kind() == '[' {
		sniffArray(s, name, &found)
	} else {
		sniffObject(s, name, data, &found)
	}
	if found.kind == mesh.KindUnknown || found.kind == mesh.KindDebug && found.debug == "" {
		if endpoint := debugEndpoint(name); endpoint != "" {
			found.kind, found.debug = mesh.KindDebug, endpoint
		}
	}
	if found.kind == mesh.KindUnknown && hollow(data[at:]) {
		found.kind = hollowKinds[strings.TrimSuffix(path.Base(name), ".json")]
	}
	if found.kind == "" {
		found.kind = mesh.KindUnknown
	}
	return found
}

// hollow reports whether JSON says nothing: {}, [] or null. Such a file is what
// its name says.
func hollow(data []byte) bool {
	switch strings.Join(strings.Fields(string(data[:min(len(data), 64)])), "") {
	case "{}", "[]", "null":
		return true
	}
	return false
}

var hollowKinds = map[string]mesh.FileKind{
	"init_dump": mesh.KindInitDump, "certs": mesh.KindCerts, "runtime": mesh.KindRuntime, "memory": mesh.KindMemory,
	"clusters": mesh.KindClusters, "listeners": mesh.KindListeners, "stats": mesh.KindStats, "config_dump": mesh.KindConfigDump,
}

// decisive maps a member of a top-level object, in snake_case, to the kind of
// file that it gives away.
var decisive = []struct {
	field string
	kind  mesh.FileKind
}{
	{"configs", mesh.KindConfigDump},
	{"cluster_statuses", mesh.KindClusters},
	{"listener_statuses", mesh.KindListeners},
	{"command_line_options", mesh.KindServerInfo},
	{"uptime_current_epoch", mesh.KindServerInfo},
	{"unready_targets_dumps", mesh.KindInitDump},
	{"workload_state", mesh.KindZtunnel},
	{"staged_services", mesh.KindZtunnel},
	{"static_resources", mesh.KindBootstrap},
	{"dynamic_resources", mesh.KindBootstrap},
	{"bootstrap_extensions", mesh.KindBootstrap},
	{"bootstrap", mesh.KindConfigDump},
	{"dynamic_active_secrets", mesh.KindConfigDump},
	{"dynamic_warming_secrets", mesh.KindConfigDump},
	{"static_secrets", mesh.KindConfigDump},
	{"ecds_filters", mesh.KindConfigDump},
	{"heap_size", mesh.KindMemory},
	{"virtual_hosts", mesh.KindResources},
	{"filter_chains", mesh.KindResources},
	{"api_version", mesh.KindKubernetes},
	{"total_clients", mesh.KindDebug},
	{"xds_config", mesh.KindClientConfig},
	{"generic_xds_configs", mesh.KindClientConfig},
	{"stats", mesh.KindStats},
}

// members are the beginnings of an object's values, by key.
type members map[string][]byte

// memberBytes is as much of a value as is looked at.
const memberBytes = 512

// has reports whether all names are there.
func (m members) has(names ...string) bool {
	for _, name := range names {
		if _, ok := m[name]; !ok {
			return false
		}
	}
	return true
}

// membersLooked bounds how much of an object is read to classify it: a value
// that is passed over costs a scan.
const membersLooked = 64

func sniffObject(s *rawjson.Scanner, name string, data []byte, found *sniffed) {
	s.Object()
	keys := members{}
	for n := 0; n < membersLooked; n++ {
		key, ok := s.Key()
		if !ok {
			break
		}
		for _, d := range decisive {
			if rawjson.Is(key, d.field) {
				found.kind = d.kind
				refineObject(s, d.field, found)
				return
			}
		}
		k := string(key)
		start := s.Offset()
		value, ok := s.Value()
		if !ok {
			keys[k] = data[start:min(len(data), start+memberBytes)] // it is cut off
			break
		}
		keys[k] = value[:min(len(value), memberBytes)]
		if n == 0 && holdsDump(value) {
			found.kind, found.wrapped = mesh.KindConfigDump, true
			return
		}
	}
	found.kind, found.debug = kindByMembers(keys, name)
}

// refineObject settles what a decisive member leaves open.
func refineObject(s *rawjson.Scanner, field string, found *sniffed) {
	switch field {
	case "bootstrap", "dynamic_active_secrets", "dynamic_warming_secrets", "static_secrets", "ecds_filters":
		found.section = true
	case "virtual_hosts":
		found.resource = mesh.Route
	case "filter_chains":
		found.resource = mesh.Listener
	case "total_clients":
		found.debug = "connections"
		s.Value()
		for {
			key, ok := s.Key()
			if !ok {
				return
			}
			value, _ := s.Value()
			if string(key) == "clients" && (bytes.Contains(value, []byte(`"metadata"`)) || bytes.Contains(value, []byte(`"watches"`))) {
				found.debug = "adsz"
			}
		}
	}
}

// holdsDump reports whether value wraps config_dumps by namespace and name.
func holdsDump(value []byte) bool {
	for depth := 0; depth < 3; depth++ {
		s := rawjson.New(value, 0)
		if s.Kind() != '{' || !s.Object() {
			return false
		}
		key, ok := s.Key()
		if !ok {
			return false
		}
		if string(key) == "configs" {
			return true
		}
		value, _ = s.Value()
	}
	return false
}

func kindByMembers(keys members, name string) (mesh.FileKind, string) {
	has := keys.has
	switch {
	case keys.ofZtunnel(name):
		return mesh.KindZtunnel, ""
	case has("entries", "layers"):
		return mesh.KindRuntime, ""
	case has("allocated"):
		return mesh.KindMemory, ""
	case has("workloads", "services", "policies"):
		return mesh.KindDebug, "ambientz"
	case has("certificates"):
		return mesh.KindCerts, ""
	case has("kind", "apiVersion"):
		return mesh.KindKubernetes, ""
	case has("node") && (has("admin") || has("cluster_manager") || has("tracing")):
		return mesh.KindBootstrap, ""
	case has("typeUrl", "resources") || has("type_url", "resources"):
		return mesh.KindClientConfig, ""
	case has("request") || has("predicted"):
		return mesh.KindRequests, ""
	case has("start_time") || has("response_code"):
		return mesh.KindAccessLog, ""
	case has("level", "msg") || has("level", "time") || has("level", "ts"):
		return mesh.KindLog, ""
	case has("proxyListenPort"):
		return mesh.KindDebug, "mesh"
	}
	return mesh.KindUnknown, ""
}

// elementKinds maps members of an array's first element to the kind of file.
var elementKinds = []struct {
	fields   []string // snake_case; all must be there
	kind     mesh.FileKind
	debug    string
	resource mesh.ResourceKind
}{
	{[]string{"proxy", "cluster_sent"}, mesh.KindDebug, "syncz", ""},
	{[]string{"proxy", "cluster_acked"}, mesh.KindDebug, "syncz", ""},
	{[]string{"proxy", "listener_sent"}, mesh.KindDebug, "syncz", ""},
	{[]string{"proxy", "resources"}, mesh.KindDebug, "syncz", ""},
	{[]string{"proxy", "istio_version"}, mesh.KindDebug, "syncz", ""},
	{[]string{"proxy", "proxy_version"}, mesh.KindDebug, "syncz", ""},
	{[]string{"node", "xds_config"}, mesh.KindClientConfig, "", ""},
	{[]string{"node", "generic_xds_configs"}, mesh.KindClientConfig, "", ""},
	{[]string{"node", "connect"}, mesh.KindDebug, "adsz", ""},
	{[]string{"host_statuses"}, mesh.KindClusters, "", ""},
	{[]string{"virtual_hosts"}, mesh.KindResources, "", mesh.Route},
	{[]string{"filter_chains"}, mesh.KindResources, "", mesh.Listener},
	{[]string{"cluster_name", "endpoints"}, mesh.KindResources, "", mesh.Endpoint},
	{[]string{"connect_timeout"}, mesh.KindResources, "", mesh.Cluster},
	{[]string{"load_assignment"}, mesh.KindResources, "", mesh.Cluster},
	{[]string{"tls_certificate"}, mesh.KindResources, "", mesh.Secret},
	{[]string{"validation_context"}, mesh.KindResources, "", mesh.Secret},
	{[]string{"api_version", "kind"}, mesh.KindKubernetes, "", ""},
	{[]string{"spec", "group", "version"}, mesh.KindKubernetes, "", ""},
	{[]string{"hostname", "ports"}, mesh.KindDebug, "registryz", ""},
	{[]string{"svc", "ep"}, mesh.KindDebug, "endpointz", ""},
}

// elementsLooked is how many elements of an array are read to classify it: the
// first may lack a member that others have.
const elementsLooked = 3

func sniffArray(s *rawjson.Scanner, name string, found *sniffed) {
	s.Array()
	for n := 0; n < elementsLooked && s.Element(); n++ {
		if s.Kind() != '{' {
			return
		}
		var keys [][]byte
		for s.Object(); ; {
			key, ok := s.Key()
			if !ok {
				break
			}
			keys = append(keys, key)
			if string(key) != "@type" {
				s.Skip()
			} else if kind := kindOfType(s.Text()); kind != "" {
				found.kind, found.resource = mesh.KindResources, kind
				return
			}
		}
		for _, e := range elementKinds {
			if hasAll(keys, e.fields) {
				found.kind, found.debug, found.resource = e.kind, e.debug, e.resource
				return
			}
		}
	}
}

func hasAll(keys [][]byte, fields []string) bool {
	for _, field := range fields {
		ok := false
		for _, key := range keys {
			ok = ok || rawjson.Is(key, field)
		}
		if !ok {
			return false
		}
	}
	return true
}
