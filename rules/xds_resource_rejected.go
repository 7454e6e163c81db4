package rules

import (
	"bytes"
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
			"Where the capture has the refused configuration, Envoy's, or istiod's view of it, it is held against the constraints of Envoy's API, and what breaks them is named.",
		Hurts: "The proxy keeps the old version, or has none: new routes, ports and policies do not work, and a listener that was never accepted does not answer at all. " +
			"Envoy takes the good listeners and clusters of a response, but one bad route configuration holds back its whole RDS response.",
		Example: `"dynamic_listeners": [{"name": "0.0.0.0_8080", "error_state": {
  "details": "error adding listener '0.0.0.0:8080': multiple filter chains with the same matching rules are defined"}}]`,
		Silent: "Envoy lists a rejected listener twice, with its name and without: that is one fault. A `lastError` of a type whose last push was acknowledged is over, and so is a refusal in the log with a newer `last_updated`. " +
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

// refusal is an update that Envoy refused, as one input tells of it.
type refusal struct {
	kind mesh.ResourceKind
	// name is the resource at fault; empty where the input does not tell.
	name, details string
	at            time.Time
	source        mesh.Source
}

func runXDSResourceRejected(pass *analyze.Pass) {
	bySync := syncRefusals(newGathering(pass.Capture))
	for _, p := range pass.Proxies {
		known := stateRefusals(p)
		for _, r := range slices.Concat(bySync[p.Key()], logRefusals(p)) {
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
		for _, r := range bySync[proxy] {
			reportRefusal(pass, &mesh.Proxy{Name: proxy}, r, nil)
		}
	}
}

// same reports whether both tell of one fault.
func (r refusal) same(other refusal) bool {
	return r.kind == other.kind && (r.name != "" && r.name == other.name || r.details == other.details)
}

func stateRefusals(p *mesh.Proxy) []refusal {
	var out []refusal
	kinds := []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.ScopedRoute, mesh.Endpoint, mesh.Secret, mesh.Extension}
	for _, kind := range kinds {
		for _, r := range p.Resources(kind) {
			if r.State == mesh.Rejected && r.Error != nil {
				out = append(out, refusal{kind: kind, name: r.Name(), details: r.Error.Details, at: r.Error.At, source: r.Source})
			}
		}
	}
	return out
}

// syncRefusals returns what the istiods were refused, by the key of the proxy.
func syncRefusals(g *gathering) map[string][]refusal {
	out := map[string][]refusal{}
	for _, cp := range g.capture.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		for _, status := range statuses {
			refused := refusedTypes(status, cp.Sync.Source)
			if len(refused) == 0 {
				continue
			}
			for _, ref := range g.refs(cp, status.Proxy) {
				for _, r := range refused {
					if !slices.ContainsFunc(out[ref.Proxy], r.same) {
						out[ref.Proxy] = append(out[ref.Proxy], r)
					}
				}
			}
		}
	}
	return out
}

func refusedTypes(status mesh.SyncStatus, source mesh.Source) []refusal {
	var out []refusal
	for _, t := range status.Types {
		if t.LastError == "" || t.Sent == t.Acked && t.Sent != "" {
			continue
		}
		out = append(out, refusal{kind: kindOf(t.TypeURL), name: culprit(t.LastError), details: t.LastError, at: t.SentAt, source: source})
	}
	return out
}

var rejectedInLog = regexp.MustCompile(`config for (type\.googleapis\.com/\S+) rejected: (.+?)(?:\s+thread=\d+)?$`)

// logRefusals returns the refusals in the proxy's log that still stand: whose
// resource was not updated since.
func logRefusals(p *mesh.Proxy) []refusal {
	if p.Log == nil || !bytes.Contains(p.Log.Raw, []byte(" rejected: ")) {
		return nil // logs are large, and most need not be parsed
	}
	lines, _ := p.Log.Get()
	var out []refusal
	for _, line := range slices.Backward(lines) {
		m := rejectedInLog.FindStringSubmatch(line.Text)
		if m == nil {
			continue
		}
		r := refusal{kind: kindOf(m[1]), name: culprit(m[2]), details: m[2], at: line.Time,
			source: mesh.Source{File: p.Log.Source.File, Line: line.Line}}
		active := p.Active(r.kind, r.name)
		if active != nil && active.Updated.After(r.at) || slices.ContainsFunc(out, r.same) {
			continue
		}
		out = append(out, r)
	}
	slices.Reverse(out)
	return out
}

func countedRefusals(p *mesh.Proxy) map[mesh.ResourceKind][]mesh.Rejection {
	out := map[mesh.ResourceKind][]mesh.Rejection{}
	stats, _ := p.Stats.Get()
	for _, r := range stats.Rejections() {
		if kind, ok := kindsByType[r.Type]; ok {
			out[kind] = append(out[kind], r)
		}
	}
	return out
}

var kindsByType = map[string]mesh.ResourceKind{
	"CDS": mesh.Cluster, "LDS": mesh.Listener, "RDS": mesh.Route, "SRDS": mesh.ScopedRoute,
	"EDS": mesh.Endpoint, "SDS": mesh.Secret, "ECDS": mesh.Extension,
}

func kindOf(typeURL string) mesh.ResourceKind {
	for _, kind := range kindsByType {
		if kind.TypeURL() == typeURL {
			return kind
		}
	}
	return mesh.ResourceKind(typeURL)
}

var culprits = []*regexp.Regexp{
	regexp.MustCompile(`^(?:Error adding/updating|error adding/updating) (?:listener|cluster)\(s\) ([^\s:]+):`),
	regexp.MustCompile(` in route (\S+)$`),
	regexp.MustCompile(`(?:route configuration|RouteConfiguration) '?([^\s']+)'?`),
}

// culprit is the resource that Envoy's text of a refusal names; "" if none.
func culprit(details string) string {
	for _, pattern := range culprits {
		if m := pattern.FindStringSubmatch(details); m != nil {
			return m[1]
		}
	}
	return ""
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
		if strings.HasPrefix(r.details, c.Metric) {
			f.Severity, f.Confidence = analyze.Warning, analyze.Likely // the counter is all there is
		}
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
