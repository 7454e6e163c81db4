package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// VirtualServiceWithoutEffect reports VirtualServices that no captured proxy has a route of.
var VirtualServiceWithoutEffect = &analyze.Rule{
	Name:       "virtualservice-without-effect",
	Code:       "RTE12",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a VirtualService is in the cluster, but in no proxy",
		Finds: "VirtualServices with `http` routes, from istiod's configz or Kubernetes YAML, that no route of any captured proxy names in `metadata.filter_metadata.istio.config`, though proxies that ought to have it were captured: sidecars without a Sidecar resource in a namespace that `exportTo` (or `defaultVirtualServiceExportTo` in istiod's `debug/mesh`) allows, or gateways that the Gateway's selector chooses.",
		Hurts: "Whatever it says does not happen. Usual reasons: another VirtualService for the same host is older and wins, the Gateway's hosts do not contain the host, the gateway's name lacks its namespace, or no HTTP port has the host.",
		Example: `kind: VirtualService
metadata: {name: reviews-fqdn}
spec: {hosts: [reviews.default.svc.cluster.local], http: [...]} # and an older one for host reviews`,
		Silent:     "delegates, which have no hosts; VirtualServices with tcp or tls routes only; those of another revision (label istio.io/rev); captures without a proxy that ought to have it, or of an old Istio that writes no `filter_metadata.istio.config`.",
		Fix:        "merge it into the VirtualService that wins for the host; or correct hosts, gateways (namespace/name) and exportTo",
		References: []string{"https://istio.io/latest/docs/ops/best-practices/traffic-management/#split-virtual-services", "https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService", "https://github.com/istio/istio/issues/19972"},
	},
	Run: runVirtualServiceWithoutEffect,
}

// routeOrigins are the Istio objects that the routes of a resource were made of.
type routeOrigins map[string]bool

func runVirtualServiceWithoutEffect(pass *analyze.Pass) {
	services := virtualServices(pass.Capture)
	if len(services) == 0 {
		return
	}
	effective := routeOrigins{}
	for _, p := range pass.Capture.Proxies {
		collectOrigins(pass, p, effective)
	}
	if len(effective) == 0 {
		return // an istiod that does not say what routes were made of
	}
	all := audiences(pass)
	for _, v := range services {
		if effective["VirtualService "+v.namespace+"/"+v.name] {
			continue
		}
		users := v.users(all)
		if len(users) == 0 {
			continue
		}
		f := analyze.Finding{
			Ref:      mesh.Ref{Name: "VirtualService " + v.namespace + "/" + v.name},
			Source:   v.source,
			Message:  fmt.Sprintf("%s has no route in any of the proxies that ought to have it (%s)", few(v.hosts), few(users)),
			Essence:  "without effect",
			Object:   "VirtualService " + v.namespace + "/" + v.name,
			Evidence: []analyze.Evidence{{Name: "gateways", Value: strings.Join(v.gateways, ", ")}},
		}
		for _, other := range services {
			if other.rivals(&v) {
				f.Evidence = append(f.Evidence, analyze.Evidence{Name: "another for the host", Value: "VirtualService " + other.namespace + "/" + other.name})
			}
		}
		pass.Report(f)
	}
}

// collectOrigins reads the notes out of the JSON of the routes: a scan for one word
// costs less than decoding.
func collectOrigins(pass *analyze.Pass, p *mesh.Proxy, into routeOrigins) {
	configs := []*mesh.Config{&p.Config}
	if p.Pilot != nil {
		configs = append(configs, p.Pilot)
	}
	for _, config := range configs {
		for _, r := range slices.Concat(config.Routes, config.Listeners) {
			if r.Content == nil {
				continue
			}
			for object := range analyze.Once(pass, r.Content, func() routeOrigins { return originsIn(r.Raw()) }) {
				into[object] = true
			}
		}
	}
}

func originsIn(raw []byte) routeOrigins {
	found := routeOrigins{}
	for {
		_, rest, ok := bytes.Cut(raw, []byte("/namespaces/"))
		if !ok {
			return found
		}
		raw = rest
		note, _, _ := bytes.Cut(raw[:min(len(raw), 1024)], []byte{'"'})
		if steps := strings.Split(string(note), "/"); len(steps) == 3 && strings.HasPrefix(steps[1], "virtual") {
			found["VirtualService "+steps[0]+"/"+steps[2]] = true
		}
	}
}

// virtualService is what tells which proxies ought to have one.
type virtualService struct {
	namespace, name           string
	hosts, gateways, exportTo []string
	source                    mesh.Source
}

func virtualServices(c *mesh.Capture) []virtualService {
	var out []virtualService
	byDefault := defaultExportTo(c)
	for _, o := range objectsOf(c, "VirtualService") {
		spec, _ := o.Fields["spec"].(map[string]any)
		metadata, _ := o.Fields["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		v := virtualService{namespace: o.Namespace, name: o.Name, hosts: stringsIn(spec["hosts"]), gateways: stringsIn(spec["gateways"]), exportTo: stringsIn(spec["exportTo"])}
		// A manifest without a namespace is not what the cluster has.
		if http, _ := spec["http"].([]any); o.Namespace == "" || len(http) == 0 || len(v.hosts) == 0 || labels["istio.io/rev"] != nil {
			continue
		}
		if len(v.gateways) == 0 {
			v.gateways = []string{"mesh"}
		}
		if len(v.exportTo) == 0 {
			v.exportTo = byDefault
		}
		out = append(out, v)
	}
	return out
}

// defaultExportTo is where VirtualServices go that do not say it themselves.
func defaultExportTo(c *mesh.Capture) []string {
	for _, cp := range c.ControlPlanes {
		config, _ := cp.Debug["mesh"].Get()
		var to []string
		// What cannot be read says nothing.
		_ = json.Unmarshal(rawjson.Get(config, "defaultVirtualServiceExportTo"), &to)
		if len(to) > 0 {
			return to
		}
	}
	return []string{"*"}
}

// audience is a proxy that routes, with what decides which VirtualServices it has.
type audience struct {
	proxy *mesh.Proxy
	// gateways are those that select the proxy, "namespace/name"; "mesh" for a sidecar
	// that no Sidecar resource narrows.
	gateways []string
}

func audiences(pass *analyze.Pass) []audience {
	gateways := objectsOf(pass.Capture, "Gateway")
	var out []audience
	for _, p := range pass.Proxies {
		a := audience{proxy: p}
		switch {
		case !p.Has(mesh.Route):
			continue
		case p.Kind == mesh.Sidecar && sidecarOf(pass.Capture, p) == "":
			a.gateways = []string{"mesh"}
		case p.Kind == mesh.Gateway:
			labels := nodeLabels(p)
			for _, gateway := range gateways {
				spec, _ := gateway.Fields["spec"].(map[string]any)
				selector, _ := spec["selector"].(map[string]any)
				if len(selector) > 0 && hasLabels(labels, selector) {
					a.gateways = append(a.gateways, gateway.Namespace+"/"+gateway.Name)
				}
			}
		}
		if len(a.gateways) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// users are the captured proxies that ought to have the VirtualService.
func (v *virtualService) users(all []audience) []string {
	var users []string
	for _, a := range all {
		if slices.ContainsFunc(v.gateways, func(gateway string) bool { return v.isBoundTo(gateway, &a) }) {
			users = append(users, a.proxy.Key())
		}
	}
	return users
}

// isBoundTo reports whether a gateway of the VirtualService leads to the proxy. A
// name without a namespace is one of its own namespace.
func (v *virtualService) isBoundTo(gateway string, a *audience) bool {
	switch {
	case gateway == "mesh":
		return slices.Contains(a.gateways, gateway) && v.isExportedTo(a.proxy.Namespace)
	case !strings.Contains(gateway, "/"):
		gateway = v.namespace + "/" + gateway
	}
	return slices.Contains(a.gateways, gateway)
}

func (v *virtualService) isExportedTo(namespace string) bool {
	return slices.ContainsFunc(v.exportTo, func(to string) bool {
		return to == "*" || to == namespace || to == "." && namespace == v.namespace
	})
}

// rivals reports whether two VirtualServices are for one host.
func (v *virtualService) rivals(other *virtualService) bool {
	if v.name == other.name && v.namespace == other.namespace {
		return false
	}
	return slices.ContainsFunc(v.hosts, func(host string) bool {
		return slices.ContainsFunc(other.hosts, func(o string) bool { return v.fullName(host) == other.fullName(o) })
	})
}

// fullName completes the short name of a Kubernetes service.
func (v *virtualService) fullName(host string) string {
	if strings.ContainsAny(host, ".*") {
		return host
	}
	return host + "." + v.namespace + ".svc.cluster.local"
}
