package rules

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// XDSResourceRejected reports updates that Envoy refused.
var XDSResourceRejected = &analyze.Rule{
	Name:       "xds-resource-rejected",
	Code:       "SYN01",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedUpdates},
	Doc: analyze.Doc{
		Title: "Envoy rejected a resource that the control plane sent (NACK)",
		Finds: "`error_state` of dynamic listeners (Envoy fills it for no other type; CSDS dumps do), `resources[].lastError` in istiod's `debug/syncz`, and `config for TYPE rejected` in the proxy's log, unless the resource was updated since. " +
			"Where only a counter `*.update_rejected` tells of it, it is a warning: counters count since Envoy started and do not say which resource it was. " +
			"A refusal of several clusters or listeners is one finding for each. " +
			"Where the capture has the refused configuration, Envoy's, or istiod's view of it, it is held against the constraints of Envoy's API, and what breaks them is named.",
		Hurts: "The proxy keeps the old version, or has none: new routes, ports and policies do not work, and a listener that was never accepted does not answer at all. " +
			"Envoy takes the good listeners and clusters of a response, but one bad route configuration holds back its whole RDS response.",
		Example: `"dynamic_listeners": [{"name": "0.0.0.0_8080", "error_state": {
  "details": "error adding listener '0.0.0.0:8080': multiple filter chains with the same matching rules are defined"}}]`,
		Silent: "Envoy lists a rejected listener twice, with its name and without: that is one fault. A `lastError` of a type whose last push was acknowledged is over. " +
			"So is a refusal in the log whose resource has a newer `last_updated`, a listener that a later dump has without `error_state`, and a resource that the dump no longer has after a push that was acknowledged. " +
			"Envoy does not name the secret or the assignment that it refused: that is over, too, where something of the type was updated later and nothing of it waits. What the capture leaves open is a likely warning. " +
			"A rejected cluster stands among the warming ones for ever and looks like one that waits for its endpoints. The log tells them apart; without it, one that has nothing to wait for while `cluster_manager.cds.update_rejected` counts is a warning.",
		Fix: "correct the named resource: most often it comes from an EnvoyFilter, a VirtualService or a certificate",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol",
			"https://github.com/istio/istio/issues/41729",
			"https://github.com/istio/istio/issues/30498",
		},
	},
	Run: runXDSResourceRejected,
}

func runXDSResourceRejected(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	bySync := syncRefusals(g)
	for _, p := range pass.Proxies {
		known := stateRefusals(p)
		for _, r := range slices.Concat(eachRefusal(p, bySync[p.Key()]), logRefusals(g, p)) {
			if !slices.ContainsFunc(known, r.same) {
				known = append(known, r)
			}
		}
		delete(bySync, p.Key())
		counted := countedRefusals(p)
		for _, r := range known {
			reportRefusal(pass, p, r, counted[r.kind])
			delete(counted, r.kind)
		}
		for _, kind := range slices.Sorted(maps.Keys(counted)) {
			reportCounted(pass, p, kind, counted[kind])
		}
	}
	for _, proxy := range slices.Sorted(maps.Keys(bySync)) {
		p := &mesh.Proxy{Name: proxy}
		for _, r := range eachRefusal(p, bySync[proxy]) {
			reportRefusal(pass, p, r, nil)
		}
	}
}

// causes are the refusals that are common enough to have an explanation.
var causes = []struct{ text, cause string }{
	{"Only unique values for domains", "two virtual hosts of one route configuration claim the same domain"},
	{"Only a single wildcard domain", "two virtual hosts of one route configuration claim the domain *"},
	{"same matching rules", "two filter chains of one listener match the same connections: the same host and port in two Gateways, or an EnvoyFilter"},
	{"duplicate address", "two listeners claim the same address and port"},
	{"invalid local jwks", "a RequestAuthentication has keys that cannot be parsed"},
	{"registered implementation", "the filter is not built into this Envoy: an EnvoyFilter for another version"},
	{"Proto constraint validation failed", "a field is out of its allowed range: most often an EnvoyFilter"},
	{"ring hash", "the bounds of the ring hash contradict each other"},
}

// addresses differ between replicas that have one fault.
var addresses = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`)

func reportRefusal(pass *analyze.Pass, p *mesh.Proxy, r refusal, counted []mesh.Rejection) {
	f := analyze.Finding{
		Ref:     p.Ref(r.kind, r.name),
		Source:  r.source,
		Message: fmt.Sprintf("%s rejected: %s; %s", cmp.Or(r.name, "an update"), strings.Join(strings.Fields(r.details), " "), consequence(p, r)),
		Essence: addresses.ReplaceAllString(r.details, "IP"),
	}
	if r.unsure || r.guessed {
		f.Severity, f.Confidence = analyze.Warning, analyze.Likely
	}
	if r.unsure {
		f.Message += ", unless it was corrected since"
	}
	if !r.at.IsZero() {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "rejected at", Value: r.at.UTC().Format(time.RFC3339)})
	}
	for _, c := range causes {
		if strings.Contains(r.details, c.text) {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "cause", Value: c.cause})
		}
	}
	for _, violation := range refusedViolations(p, r.kind, r.name) {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "constraint", Value: violation})
	}
	var held []string
	for _, c := range counted {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: c.Metric, Value: fmt.Sprintf("%.0f", c.Count)})
		if c.Name != "" && c.Name != r.name && r.kind == mesh.Route {
			held = append(held, c.Name)
		}
	}
	if len(held) > 0 {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "held back in the same response", Value: strings.Join(held, ", ")})
	}
	pass.Report(f)
}

// consequence says what the proxy runs instead.
func consequence(p *mesh.Proxy, r refusal) string {
	switch {
	case r.name == "" || !p.Has(r.kind):
		return "the proxy keeps what it had"
	case p.Active(r.kind, r.name) != nil:
		return "its previous version stays in force"
	}
	return "the proxy has no version of it"
}

// reportCounted reports what only counters tell of.
func reportCounted(pass *analyze.Pass, p *mesh.Proxy, kind mesh.ResourceKind, counted []mesh.Rejection) {
	f := analyze.Finding{
		Severity:   analyze.Warning,
		Confidence: analyze.Likely,
		Ref:        p.Ref(kind, ""),
		Source:     p.Stats.Source,
		Message:    fmt.Sprintf("%s updates were rejected since Envoy started; the capture does not tell whether the last one was", counted[0].Type),
		Fix:        "look for \"rejected\" in the proxy's log and for lastError in istiod's debug/syncz",
	}
	for _, c := range counted {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: c.Metric, Value: fmt.Sprintf("%.0f", c.Count)})
	}
	suspects := warming(p, kind)
	if len(suspects) > 0 {
		f.Evidence = append(f.Evidence, analyze.Evidence{Name: "rejected or waiting", Value: strings.Join(suspects, ", ")})
	}
	for _, name := range suspects {
		broken := refusedViolations(p, kind, name)
		if len(broken) == 0 {
			continue
		}
		f.Ref.Name = name
		f.Message = fmt.Sprintf("%s breaks a constraint of Envoy's API, and %s updates were rejected since Envoy started: %s", name, counted[0].Type, broken[0])
		for _, violation := range broken {
			f.Evidence = append(f.Evidence, analyze.Evidence{Name: "constraint", Value: violation})
		}
		break
	}
	pass.Report(f)
}

func warming(p *mesh.Proxy, kind mesh.ResourceKind) []string {
	var names []string
	for _, r := range p.Resources(kind) {
		if r.State == mesh.Warming {
			names = append(names, r.Name())
		}
	}
	return names
}
