package rules

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// refusal is an update that Envoy refused, as one input tells of it.
type refusal struct {
	kind mesh.ResourceKind
	// name is the resource at fault; empty where the input does not tell.
	name, details string
	at            time.Time
	source        mesh.Source
	// unsure is set where it may be over, guessed where a counter is all that tells of it.
	unsure, guessed bool
}

// same reports whether both tell of one fault.
func (r refusal) same(other refusal) bool {
	return r.kind == other.kind && (r.name != "" && r.name == other.name || r.details == other.details)
}

// refusedKinds are what Envoy gets by xDS.
var refusedKinds = []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.ScopedRoute, mesh.Endpoint, mesh.Secret, mesh.Extension}

func stateRefusals(p *mesh.Proxy) []refusal {
	var out []refusal
	for _, kind := range refusedKinds {
		for _, r := range p.Resources(kind) {
			if r.State == mesh.Rejected && r.Error != nil {
				out = append(out, refusal{kind: kind, name: r.Name(), details: r.Error.Details, at: r.Error.At, source: r.Source, guessed: r.Error.Witness == mesh.InCounter})
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
		out = append(out, refusal{kind: kindOf(t.TypeURL), details: t.LastError, at: t.SentAt, source: source})
	}
	return out
}

var (
	rejectedInLog = regexp.MustCompile(`(?s)config for (type\.googleapis\.com/\S+) rejected: (.+)`)
	logThread     = regexp.MustCompile(`\s+thread=\d+$`)
)

// logRefusals returns the refusals in the proxy's log that still stand, or may.
func logRefusals(g *gathering, p *mesh.Proxy) []refusal {
	if p.Log == nil || !bytes.Contains(p.Log.Raw, []byte(" rejected: ")) {
		return nil // logs are large, and most need not be parsed
	}
	lines, _ := p.Log.Get()
	var out []refusal
	for i, line := range slices.Backward(lines) {
		m := rejectedInLog.FindStringSubmatch(line.Text)
		if m == nil {
			continue
		}
		whole := refusal{kind: kindOf(m[1]), details: logThread.ReplaceAllString(m[2], "") + continued(lines[i+1:]), at: line.Time,
			source: mesh.Source{File: p.Log.Source.File, Line: line.Line}}
		for _, r := range eachRefusal(p, []refusal{whole}) {
			over, unsure := r.since(g, p)
			if !over && !slices.ContainsFunc(out, r.same) {
				r.unsure = unsure
				out = append(out, r)
			}
		}
	}
	slices.Reverse(out)
	return out
}

// continued are the lines of a refusal behind its first that may name a resource:
// Envoy gives every listener a line.
func continued(lines []mesh.LogLine) string {
	var text strings.Builder
	for _, line := range lines {
		if !line.Time.IsZero() || line.Level != "" {
			break
		}
		if at := refusedName.FindStringIndex(line.Text); at != nil && at[0] == 0 {
			text.WriteString("\n" + logThread.ReplaceAllString(line.Text, ""))
		}
	}
	return text.String()
}

// since tells what became of a refusal in the log by the dump and istiod, which are
// newer: whether it is over, or may be.
func (r *refusal) since(g *gathering, p *mesh.Proxy) (over, unsure bool) {
	var newer, waiting, refused bool
	for _, other := range p.Resources(r.kind) {
		updated := other.Updated.After(r.at)
		newer = newer || updated
		waiting = waiting || other.State == mesh.Warming || other.State == mesh.Rejected
		// A rejected cluster stands among the warming ones.
		refused = refused || r.name != "" && other.Name() == r.name &&
			(other.State == mesh.Rejected || other.State == mesh.Warming && r.kind != mesh.Listener && !updated)
	}
	active, acked := p.Active(r.kind, r.name), g.acked(p, r.kind, r.at)
	switch {
	case active != nil && active.Updated.After(r.at):
		return true, false
	case refused:
		return false, false
	case r.kind == mesh.Listener && p.Whole(mesh.Listener) && dumpedAfter(p, r.at):
		return true, false // the dump would have its error_state
	case r.name == "":
		return acked || newer && !waiting, true
	case active == nil:
		return acked, newer // removed since, or never accepted
	}
	return false, acked // put back to what it was, or the push was of others
}

// dumpedAfter reports whether the dump knows of an update after a moment.
func dumpedAfter(p *mesh.Proxy, moment time.Time) bool {
	return slices.ContainsFunc(refusedKinds, func(kind mesh.ResourceKind) bool {
		return slices.ContainsFunc(p.Resources(kind), func(r *mesh.Resource) bool { return r.Updated.After(moment) })
	})
}

// acked reports whether a proxy has acknowledged the last push of a type, which was
// not before a moment.
func (g *gathering) acked(p *mesh.Proxy, kind mesh.ResourceKind, moment time.Time) bool {
	for _, cp := range g.istiods(p) {
		statuses, _ := cp.Sync.Get()
		for _, status := range statuses {
			if status.Proxy == p.Name+"."+p.Namespace && slices.ContainsFunc(status.Types, func(t mesh.TypeSync) bool {
				return kindOf(t.TypeURL) == kind && t.Sent != "" && t.Sent == t.Acked && (t.SentAt.IsZero() || !t.SentAt.Before(moment))
			}) {
				return true
			}
		}
	}
	return false
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

var (
	refusedBatch = regexp.MustCompile(`^[Ee]rror adding/updating (?:listener|cluster)\(s\) `)
	refusedName  = regexp.MustCompile(`(?:^|, |\n)(\S+): `)
	// istioName is how istiod names clusters and listeners.
	istioName = regexp.MustCompile(`^(?:(?:in|out)bound[a-z-]*\|\d+\|[^|]*\|\S*|outbound_\.\d+_\.\S+|[0-9a-f.:]+_\d+|virtual(?:In|Out)bound)$`)
	culprits  = []*regexp.Regexp{
		regexp.MustCompile(` in route (\S+)$`),
		regexp.MustCompile(`(?:route configuration|RouteConfiguration) '?([^\s']+)'?`),
	}
)

// eachRefusal names the resources at fault. Envoy puts the refusals of several clusters
// or listeners together, each as "name: reason".
func eachRefusal(p *mesh.Proxy, refusals []refusal) []refusal {
	var out []refusal
	for _, r := range refusals {
		batch := refusedBatch.FindString(r.details)
		rest := r.details[len(batch):]
		starts := refusedNames(p, r.kind, rest)
		if batch == "" || len(starts) == 0 {
			r.name = culprit(r.details)
			out = append(out, r)
			continue
		}
		for i, at := range starts {
			end := len(rest)
			if i+1 < len(starts) {
				end = starts[i+1][0]
			}
			one := r
			one.name = rest[at[2]:at[3]]
			one.details = batch + strings.TrimSpace(rest[at[2]:end])
			out = append(out, one)
		}
	}
	return out
}

// refusedNames finds where the text comes to another resource; none where it does not
// begin with one. A word of a reason can look like a name: only one that the proxy or
// istiod would have counts.
func refusedNames(p *mesh.Proxy, kind mesh.ResourceKind, text string) [][]int {
	starts := refusedName.FindAllStringSubmatchIndex(text, -1)
	if len(starts) == 0 || starts[0][0] != 0 {
		return nil
	}
	return slices.DeleteFunc(starts, func(at []int) bool {
		name := text[at[2]:at[3]]
		return at[0] != 0 && !istioName.MatchString(name) &&
			!slices.ContainsFunc(p.Resources(kind), func(r *mesh.Resource) bool { return r.Name() == name })
	})
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
