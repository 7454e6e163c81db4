package mesh

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// Gap is something that the capture lacks, why that matters, and the command
// that would have captured it.
type Gap struct {
	// What is missing, as its source names it: "config_dump", "clusters", "syncz".
	What string
	// Why says which questions stay open without it.
	Why string
	// Proxies are the proxies that lack it; empty for something of the mesh.
	Proxies []*Proxy
	// Command is a shell command that captures it, ready to paste.
	Command string
	// Essential is set where the main questions stay open.
	Essential bool
}

// wanted is one thing that a full capture has of each proxy.
type wanted struct {
	what, why string
	// path is the admin endpoint that gives it.
	path      string
	essential bool
	lacks     func(*Proxy) bool
}

const dumpPath = "config_dump?include_eds"

var wantedOfProxy = []wanted{
	{"config_dump", "nothing is known of what these proxies run", dumpPath, true,
		func(p *Proxy) bool { return len(p.Sections) == 0 }},
	{"bootstrap", "the dump is partial: without static clusters, references cannot be judged", dumpPath, true,
		func(p *Proxy) bool { return len(p.Sections) > 0 && p.Bootstrap == nil }},
	{"endpoints", "the dump was made without ?include_eds and there is no /clusters: no endpoint is known", dumpPath, true,
		func(p *Proxy) bool { return len(p.Sections) > 0 && !p.Has(Endpoint) && p.ClusterStatus == nil }},
	{"clusters", "health checks, ejections and connection failures of endpoints are not known", "clusters?format=json", false,
		func(p *Proxy) bool { return p.ClusterStatus == nil }},
	{"stats", "rejected updates and failed requests cannot be counted", "stats/prometheus", false,
		func(p *Proxy) bool { return p.Stats == nil }},
	{"certs", "certificates outside of SDS are not known", "certs", false,
		func(p *Proxy) bool { return p.Certificates == nil && !p.Has(Secret) }},
	{"server_info", "state, uptime and command line are not known", "server_info", false,
		func(p *Proxy) bool { return p.ServerInfo == nil }},
}

// Gaps lists what the capture lacks, what matters most first. Of a proxy that
// was captured several times, only what no capture of it has is missing.
func (c *Capture) Gaps() []Gap {
	gaps := c.meshGaps()
	var paths [][]string // parallel to the gaps of proxies
	first := len(gaps)
	for _, w := range wantedOfProxy {
		lacking := c.lacking(w.lacks)
		if len(lacking) == 0 {
			continue
		}
		if last := len(gaps) - 1; last >= first && gaps[last].Essential == w.essential && slices.Equal(gaps[last].Proxies, lacking) {
			gaps[last].What += ", " + w.what
			gaps[last].Why += "; " + w.why
			if !slices.Contains(paths[last-first], w.path) {
				paths[last-first] = append(paths[last-first], w.path)
			}
			continue
		}
		gaps = append(gaps, Gap{What: w.what, Why: w.why, Proxies: lacking, Essential: w.essential})
		paths = append(paths, []string{w.path})
	}
	for i := range paths {
		gaps[first+i].Command = proxyCommand(gaps[first+i].Proxies, paths[i])
	}
	slices.SortStableFunc(gaps, func(a, b Gap) int { return essentialFirst(a.Essential, b.Essential) })
	return gaps
}

func essentialFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// lacking are the proxies, one for each pod, of which no capture has something.
func (c *Capture) lacking(lacks func(*Proxy) bool) []*Proxy {
	type pod struct{ name, namespace string }
	has := map[pod]bool{}
	for _, p := range c.Proxies {
		if p.Kind == Ztunnel || !lacks(p) {
			has[pod{p.Name, p.Namespace}] = true
		}
	}
	var out []*Proxy
	for _, p := range c.Proxies {
		if id := (pod{p.Name, p.Namespace}); !has[id] {
			has[id] = true
			out = append(out, p)
		}
	}
	return out
}

const istiodExec = "kubectl exec -n istio-system deploy/istiod -- pilot-discovery request GET "

func (c *Capture) meshGaps() []Gap {
	if !slices.ContainsFunc(c.Proxies, func(p *Proxy) bool {
		return strings.Contains(p.ID, "~") || p.Kind == Ztunnel || p.ID == "" && p.Namespace != ""
	}) {
		return nil // no proxy of an Istio mesh
	}
	var gaps []Gap
	synced := slices.ContainsFunc(c.ControlPlanes, func(cp *ControlPlane) bool { return cp.Sync != nil })
	if !synced {
		gaps = append(gaps, Gap{What: "syncz", Essential: true,
			Why:     "what the control plane sent, and what was rejected, is not known",
			Command: istiodExec + "/debug/syncz > syncz.json"})
	}
	if !slices.ContainsFunc(c.ControlPlanes, func(cp *ControlPlane) bool { return cp.Debug["registryz"] != nil }) {
		gaps = append(gaps, Gap{What: "registryz", Why: "services that no captured proxy knows cannot be named",
			Command: istiodExec + "/debug/registryz > registryz.json"})
	}
	lacking := c.lacking(func(p *Proxy) bool {
		return p.Pilot == nil && len(p.Sections) > 0 && strings.Contains(p.ID, "~")
	})
	if len(lacking) > 0 {
		gaps = append(gaps, Gap{What: "istiod's view", Why: "what these proxies run cannot be compared with what istiod would send", Proxies: lacking, Command: PilotViewCommand(lacking...)})
	}
	if len(c.Objects) == 0 {
		gaps = append(gaps, Gap{What: "Kubernetes objects", Why: "pods, Services and the Istio objects behind the configuration are not known",
			Command: "kubectl get pods,services,endpointslices,virtualservices,destinationrules,gateways.networking.istio.io,serviceentries,sidecars,authorizationpolicies,peerauthentications -A -o yaml > objects.yaml"})
	}
	return gaps
}

// PilotViewCommand is the command that captures istiod's view of the proxies.
func PilotViewCommand(proxies ...*Proxy) string {
	if len(proxies) == 1 {
		pod := proxies[0].Name + "." + proxies[0].Namespace
		return istiodExec + quote("/debug/config_dump?proxyID="+pod) + " > " + quote("config_dump_istiod-"+pod+".json")
	}
	return fmt.Sprintf("for p in %s; do %s\"/debug/config_dump?proxyID=$p\" > \"config_dump_istiod-$p.json\"; done", pods(proxies, "."), istiodExec)
}

// AdminCommand is the command that captures what Envoy's admin interface says at path, such as
// "server_info".
func AdminCommand(p *Proxy, path string) string { return proxyCommand([]*Proxy{p}, []string{path}) }

// DumpCommand is the command that captures the whole config_dump of a proxy.
func DumpCommand(p *Proxy) string { return AdminCommand(p, dumpPath) }

// proxyCommand asks the admin interface of the proxies for paths: with
// pilot-agent in pods, else an Envoy outside of Istio at its own admin address.
// What is saved lies in a folder named after the proxy: little of it tells whose it is.
func proxyCommand(proxies []*Proxy, paths []string) string {
	const get = " -c istio-proxy -- pilot-agent request GET "
	inPods := slices.DeleteFunc(slices.Clone(proxies), func(p *Proxy) bool { return p.Namespace == "" })
	switch len(inPods) {
	case 0:
		folder := quote(proxies[0].Name)
		return "mkdir -p " + folder + " && " + forPaths(paths, func(path, name string) string {
			return "curl -s " + quote("http://"+adminAddress(proxies[0])+"/") + path + " > " + folder + "/" + name
		})
	case 1:
		p := inPods[0]
		folder := quote(p.Namespace + "/" + p.Name)
		return "mkdir -p " + folder + " && " + forPaths(paths, func(path, name string) string {
			return "kubectl exec -n " + quote(p.Namespace) + " " + quote(p.Name) + get + path + " > " + folder + "/" + name
		})
	}
	return "for p in " + pods(inPods, "/") + `; do mkdir -p "$p"; ` + forPaths(paths, func(path, name string) string {
		return `kubectl exec -n "${p%/*}" "${p#*/}"` + get + path + ` > "$p"/` + name
	}) + "; done"
}

func lastStep(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// forPaths is the command for each path; it gets the path and the file's name as
// words of the shell.
func forPaths(paths []string, command func(path, name string) string) string {
	if len(paths) == 1 {
		return command(quote(paths[0]), quote(lastStep(paths[0])))
	}
	return "for f in " + words(paths) + "; do " + command(`"$f"`, `"$(basename "$f")"`) + "; done"
}

func words(texts []string) string {
	var out []string
	for _, text := range texts {
		out = append(out, quote(text))
	}
	return strings.Join(out, " ")
}

// pods lists the pods as "namespace/name", or "name.namespace" for separator ".".
func pods(proxies []*Proxy, separator string) string {
	var out []string
	for _, p := range proxies {
		name := p.Namespace + separator + p.Name
		if separator == "." {
			name = p.Name + separator + p.Namespace
		}
		if name = quote(name); p.Namespace != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9./_-]+$`)

// quote makes one word of the shell out of text: names come from the capture,
// and the commands are made to be pasted.
func quote(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// adminAddress is where the bootstrap says that Envoy's admin interface listens.
func adminAddress(p *Proxy) string {
	if p.Bootstrap != nil {
		address := rawjson.Get(p.Bootstrap.Raw(), "admin", "address", "socket_address")
		if port := rawjson.Get(address, "port_value"); port != nil {
			return "127.0.0.1:" + string(port)
		}
	}
	return "127.0.0.1:15000"
}
