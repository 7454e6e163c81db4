package rules

import (
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// routeFault is what is wrong with one route, told without the port: istiod copies
// routes to the route configurations of several ports.
type routeFault struct {
	virtualHost string
	// message is the finding's.
	message  string
	object   string
	severity analyze.Severity
	evidence []analyze.Evidence
	// related are further virtual hosts and routes of the same configuration.
	related []string
	fix     string
	// route words the route and share is the percentage of its requests that meet the
	// fault; 0 where the fault is of the virtual host or not counted in requests.
	route string
	share float64
}

// reportRouteFaults reports what judge finds in the route configurations of a
// proxy. Copies of one fault are one finding, at the first place that somebody can
// call; what nobody can call is left out. judge is asked once per table.
func reportRouteFaults(pass *analyze.Pass, p *mesh.Proxy, judge func(t *routeTable) []routeFault) {
	var known *clusterIndex
	var findings []analyze.Finding
	at := map[string]int{}
	for _, t := range routeTables(pass, p) {
		for _, fault := range judge(&t) {
			if known == nil {
				known = newClusterIndex(p)
			}
			if !t.isCalled(known, fault.virtualHost) {
				continue
			}
			ref := t.ref(p, fault.virtualHost)
			key := fault.object + "\x00" + fault.message
			if i, copied := at[key]; copied {
				findings[i].Related = append(findings[i].Related, analyze.Location{Ref: ref, Source: t.in.Source, Message: "the same"})
				findings[i].Hits = append(findings[i].Hits, fault.hits(ref)...)
				continue
			}
			at[key] = len(findings)
			findings = append(findings, fault.finding(ref, t.in.Source))
		}
	}
	for _, f := range findings {
		pass.Report(f)
	}
}

func (f *routeFault) finding(ref mesh.Ref, source mesh.Source) analyze.Finding {
	finding := analyze.Finding{
		Severity: f.severity, Ref: ref, Source: source, Message: f.message,
		Evidence: slices.Clone(f.evidence), Object: f.object, Fix: f.fix,
	}
	finding.Hits = f.hits(ref)
	for _, text := range f.related {
		finding.Related = append(finding.Related, analyze.Location{Ref: ref, Source: source, Message: text})
	}
	return finding
}

// hits is where the fault is, if it is of a route.
func (f *routeFault) hits(ref mesh.Ref) []analyze.Hit {
	if f.share == 0 {
		return nil
	}
	ref.Proxy = ""
	return []analyze.Hit{{Ref: ref, Route: f.route, As: string(useRoute), Share: f.share}}
}

// hostOf is the virtual host's name without the port that istiod puts behind it.
func hostOf(vh *routev3.VirtualHost) string {
	if host, _ := cutPort(vh.GetName()); host != "" {
		return host
	}
	return vh.GetName()
}

// routeWords names a route of a virtual host: its name where it has one, and what
// it asks for.
func routeWords(route *routev3.Route, index int) string {
	words := strings.TrimSuffix(trace.MatchWords(route.GetMatch()), " match")
	if name := route.GetName(); name != "" && name != "default" {
		return fmt.Sprintf("route %s (%s)", name, words)
	}
	return fmt.Sprintf("route #%d (%s)", index, words)
}

// onceOfTable is [analyze.Once] for what follows from a route configuration alone;
// one inside of a listener has no content of its own.
func onceOfTable[F ~[]routeFault](pass *analyze.Pass, t *routeTable, compute func() F) []routeFault {
	if t.inline != "" {
		return compute()
	}
	return analyze.Once(pass, t.in.Content, compute)
}

// eachRoute judges all routes of a configuration one by one.
func eachRoute[F ~[]routeFault](config *routev3.RouteConfiguration, judge func(vh *routev3.VirtualHost, route *routev3.Route, index int) (routeFault, bool)) F {
	var faults F
	for _, vh := range config.GetVirtualHosts() {
		for i, route := range vh.GetRoutes() {
			if fault, found := judge(vh, route, i); found {
				if fault.share == 0 {
					fault.route, fault.share = routeWords(route, i), everything
				}
				faults = append(faults, fault)
			}
		}
	}
	return faults
}
