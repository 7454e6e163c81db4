package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// DuplicateServiceHost reports hosts that two services of the registry claim.
var DuplicateServiceHost = &analyze.Rule{
	Name:       "duplicate-service-host",
	Code:       "CLU09",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedRegistry},
	Doc: analyze.Doc{
		Title: "two services claim the same host",
		Finds: "Two entries of istiod's `debug/registryz` with one `hostname` and a port in common: a Kubernetes Service and a ServiceEntry, or ServiceEntries of two namespaces whose `exportTo` lets one proxy see both.",
		Hurts: "istiod keeps one of them for each proxy, and drops the other's addresses, protocol and endpoints without a word; which one it is can differ from proxy to proxy. Calls go to the wrong endpoints or are treated as another protocol.",
		Example: `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart, namespace: legacy}
spec: {hosts: [cart.shop.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}]}   # a Service has this host already`,
		Silent: "one service in several clusters, which is one name in one namespace; services without a port in common, which istiod merges; ServiceEntries that are exported to their own namespaces only. Several istiods list the same services.",
		Fix:    "keep one of the two, or give the ServiceEntry another host; exportTo \".\" confines a ServiceEntry to its namespace",
		References: []string{
			"https://istio.io/latest/docs/reference/config/networking/service-entry/",
			"https://github.com/istio/istio/issues/24458",
		},
	},
	Run: runDuplicateServiceHost,
}

func runDuplicateServiceHost(pass *analyze.Pass) {
	byHost := map[string][]registered{}
	for _, s := range registeredServices(pass.Capture) {
		known := slices.ContainsFunc(byHost[s.host], func(other registered) bool { return other.same(s) })
		if s.host != "" && !known {
			byHost[s.host] = append(byHost[s.host], s)
		}
	}
	for _, host := range slices.Sorted(maps.Keys(byHost)) {
		services := byHost[host]
		slices.SortStableFunc(services, func(a, b registered) int { return cmp.Compare(a.String(), b.String()) })
		for i, s := range services {
			for _, other := range services[i+1:] {
				if port := s.commonPort(other); port != "" && s.seenWith(other) {
					reportDuplicate(pass, s, other, port)
				}
			}
		}
	}
}

// same reports whether two entries are one service, of another cluster or istiod.
func (s registered) same(other registered) bool {
	return s.namespace == other.namespace && s.registry == other.registry
}

func (s registered) String() string {
	kind := "ServiceEntry"
	if s.registry == "Kubernetes" {
		kind = "Service"
	}
	return fmt.Sprintf("%s %s/%s", kind, s.namespace, s.name)
}

// commonPort is the lowest port that both have; "" for none.
func (s registered) commonPort(other registered) string {
	for _, port := range slices.SortedFunc(maps.Keys(s.ports), comparePorts) {
		if _, ok := other.ports[port]; ok {
			return port
		}
	}
	return ""
}

// seenWith reports whether a proxy can see both.
func (s registered) seenWith(other registered) bool {
	// A namespace that neither names stands for all that only "*" reaches.
	namespaces := slices.Concat([]string{"", s.namespace, other.namespace}, s.exportTo, other.exportTo)
	return slices.ContainsFunc(namespaces, func(n string) bool { return n != "." && s.seenIn(n) && other.seenIn(n) })
}

func (s registered) seenEverywhere() bool {
	return len(s.exportTo) == 0 || slices.Contains(s.exportTo, "*")
}

func (s registered) seenIn(namespace string) bool {
	return s.seenEverywhere() || slices.Contains(s.exportTo, namespace) || slices.Contains(s.exportTo, ".") && s.namespace == namespace
}

func reportDuplicate(pass *analyze.Pass, s, other registered, port string) {
	f := analyze.Finding{
		Ref:     mesh.Ref{Name: s.host},
		Source:  s.from,
		Message: fmt.Sprintf("%s:%s is claimed by %s and %s", s.host, port, s, other),
		Object:  other.String(),
	}
	for _, claim := range []registered{s, other} {
		value := claim.ports[port]
		if len(claim.exportTo) > 0 {
			value += ", exported to " + strings.Join(claim.exportTo, " ")
		}
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: claim.String(), Value: value})
	}
	pass.Report(f)
}
