package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// survey is what the capture as a whole knows of destinations.
type survey struct {
	// closed are answers that proxies with the same configuration share.
	closed  map[exitKey]bool
	capture *mesh.Capture
	// namespaces are the owners of the known destinations, "" where not known.
	namespaces map[destination]string
	// destinations are the known ones, sorted.
	destinations []destination
	// exports are the namespaces that see a host; none for all.
	exports map[string][]string
	// behind are the proxies that have not acknowledged what istiod sent them.
	behind map[string]bool
}

func newSurvey(c *mesh.Capture) *survey {
	s := &survey{capture: c, namespaces: knownDestinations(c), exports: map[string][]string{}, behind: map[string]bool{}, closed: map[exitKey]bool{}}
	for d := range s.namespaces {
		s.destinations = append(s.destinations, d)
	}
	slices.SortFunc(s.destinations, compareDestinations)
	for _, service := range registeredServices(c) {
		if len(service.exportTo) > 0 {
			s.exports[service.host] = service.exportTo
		}
	}
	for _, cp := range c.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		for _, status := range statuses {
			if slices.ContainsFunc(status.Types, func(t mesh.TypeSync) bool { return t.Acked != "" && t.Sent != t.Acked }) {
				s.behind[status.Proxy] = true
			}
		}
	}
	return s
}

// portsOf are the known destinations of a host.
func (s *survey) portsOf(host string) []destination {
	start, _ := slices.BinarySearchFunc(s.destinations, destination{host: host}, compareDestinations)
	end := start
	for end < len(s.destinations) && s.destinations[end].host == host {
		end++
	}
	return s.destinations[start:end]
}

// obstacleKind is what keeps a destination out of a proxy.
type obstacleKind int

const (
	notImported obstacleKind = iota
	notExported
	outdated
	unexplained
)

// obstacle is one thing that keeps destinations out of a proxy.
type obstacle struct {
	kind obstacleKind
	// words complete the sentence about the destinations.
	words string
	// object is the Istio object to change; "" where there is none.
	object string
}

func compareObstacles(a, b obstacle) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.object, b.object), cmp.Compare(a.words, b.words))
}

// obstacles are those of one proxy.
type obstacles struct {
	survey *survey
	proxy  *mesh.Proxy
	// sidecar is the Sidecar that applies; narrows is set where it lists egress hosts.
	sidecar string
	narrows bool
	egress  []string
	// policy says who set REGISTRY_ONLY.
	policy string
}

func (s *survey) obstaclesOf(p *mesh.Proxy) *obstacles {
	o := &obstacles{survey: s, proxy: p, policy: "of the mesh"}
	object, found := sidecarFor(s.capture, p)
	if !found {
		return o
	}
	o.sidecar = fmt.Sprintf("Sidecar %s/%s", object.Namespace, object.Name)
	spec, _ := object.Fields["spec"].(map[string]any)
	if policy, _ := spec["outboundTrafficPolicy"].(map[string]any); policy["mode"] == "REGISTRY_ONLY" {
		o.policy = "of " + o.sidecar
	}
	egress, _ := spec["egress"].([]any)
	for _, listener := range egress {
		fields, _ := listener.(map[string]any)
		o.egress, o.narrows = append(o.egress, stringsIn(fields["hosts"])...), true
	}
	return o
}

// stringsIn are the strings of a list in an object.
func stringsIn(list any) []string {
	values, _ := list.([]any)
	var out []string
	for _, value := range values {
		if text, ok := value.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// of says what keeps a destination out.
func (o *obstacles) of(d destination) obstacle {
	namespace := o.survey.namespaces[d]
	exports := o.survey.exports[d.host]
	switch {
	case len(exports) > 0 && !o.isAmong(exports, namespace):
		return obstacle{notExported, fmt.Sprintf("exportTo (%s) leaves out namespace %s", strings.Join(exports, ", "), o.proxy.Namespace), ""}
	case o.narrows && !o.imports(namespace, d.host):
		return obstacle{notImported, o.sidecar + " does not import them", o.sidecar}
	case !o.narrows && o.survey.behind[o.proxy.Name+"."+o.proxy.Namespace]:
		return obstacle{outdated, "the proxy has not acknowledged what istiod sent it last", ""}
	}
	return obstacle{unexplained, "the proxy knows nothing of them, though the mesh does", o.sidecar}
}

// isAmong reports whether the proxy's namespace is among those of an exportTo.
func (o *obstacles) isAmong(exports []string, owner string) bool {
	return slices.Contains(exports, "*") || slices.Contains(exports, o.proxy.Namespace) || slices.Contains(exports, ".") && owner == o.proxy.Namespace
}

// imports reports whether the Sidecar's egress hosts have a host: "namespace/host",
// either of them maybe a wildcard, the namespace "." for the proxy's own. A host of
// which the namespace is not known is taken to be in any.
func (o *obstacles) imports(namespace, host string) bool {
	return slices.ContainsFunc(o.egress, func(pattern string) bool {
		in, name, found := strings.Cut(pattern, "/")
		if !found {
			in, name = "*", pattern
		}
		if in == "." {
			in = o.proxy.Namespace
		}
		suffix, wild := strings.CutPrefix(name, "*")
		return (in == "*" || in == namespace || namespace == "") && (name == host || wild && strings.HasSuffix(host, suffix))
	})
}

// opening is the smallest change that opens the destinations.
func (s *survey) opening(o obstacle, p *mesh.Proxy, stopped []destination) string {
	switch o.kind {
	case notExported:
		return fmt.Sprintf("if they are needed: add %q to exportTo of %s (annotation networking.istio.io/exportTo of a Service)", p.Namespace, few(hostsOf(stopped)))
	case outdated:
		return "find out why the proxy does not apply its configuration (xds-ack-stale, xds-resource-rejected), or restart it"
	}
	hosts := s.imported(stopped)
	if o.object == "" {
		return "if they are needed: add " + hosts + " to egress.hosts of the Sidecar resource that selects the workload; without one, the services are not exported to this namespace (exportTo)"
	}
	return "if they are needed: add " + hosts + " to egress.hosts of " + o.object
}

// hostsOf are the hosts of sorted destinations, each once.
func hostsOf(destinations []destination) []string {
	var hosts []string
	for _, d := range destinations {
		hosts = append(hosts, d.host)
	}
	return slices.Compact(hosts)
}

// wholeNamespace is the number of hosts from which on their namespace is named instead.
const wholeNamespace = 5

// imported writes destinations as egress hosts of a Sidecar, many of one namespace
// as all of it.
func (s *survey) imported(stopped []destination) string {
	byNamespace := map[string][]string{}
	for _, d := range stopped {
		namespace := cmp.Or(s.namespaces[d], "*")
		byNamespace[namespace] = append(byNamespace[namespace], d.host)
	}
	var entries []string
	for namespace, hosts := range byNamespace {
		hosts = slices.Compact(hosts)
		if len(hosts) >= wholeNamespace && namespace != "*" {
			hosts = []string{"*"}
		}
		for _, host := range hosts[:min(len(hosts), wholeNamespace)] {
			entries = append(entries, namespace+"/"+host)
		}
	}
	slices.Sort(entries)
	const listed = 8
	return `"` + strings.Join(entries[:min(len(entries), listed)], `", "`) + `"`
}
