package proxystatus

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// columnTypes are the types that have a column of their own.
func columnTypes() []string { return []string{"CDS", "LDS", "EDS", "RDS", "ECDS"} }

// columns returns the types with those of the columns that are missing, in order.
func columns(types []mesh.TypeSync) []TypeStatus {
	var out []TypeStatus
	for _, short := range columnTypes() {
		t := TypeStatus{TypeSync: mesh.TypeSync{Type: short, Percent: -1}, Age: -1}
		if i := slices.IndexFunc(types, func(ts mesh.TypeSync) bool { return ts.Type == short }); i >= 0 {
			t.TypeSync = types[i]
		}
		out = append(out, t)
	}
	for _, ts := range types {
		if !slices.Contains(columnTypes(), ts.Type) {
			out = append(out, TypeStatus{TypeSync: ts, Age: -1})
		}
	}
	return out
}

// reported is the state that istiod itself reports.
func reported(ts mesh.TypeSync, proxyType string) State {
	switch ts.Status {
	case "SYNCED":
		return Synced
	case "STALE":
		return Stale
	case "ERROR":
		return Error
	case "NOT_SENT":
		return NotSent
	case "UNKNOWN":
		return Ignored
	}
	switch {
	case ts.LastError != "":
		return Error
	case ts.Sent == "" && expected(ts.Type, proxyType):
		return NotSent
	case ts.Sent == "":
		return Ignored
	case ts.Sent == ts.Acked:
		return Synced
	}
	return Stale
}

// expected reports whether every proxy of the kind asks for the type: a ztunnel
// takes workloads only, and an Envoy asks for ECDS only where a filter needs it.
func expected(short, proxyType string) bool {
	return proxyType != "ztunnel" && short != "ECDS" && slices.Contains(columnTypes(), short)
}

// kinds are the resources of each type, and so where its error_state stands.
func kinds(short string) mesh.ResourceKind {
	switch short {
	case "CDS":
		return mesh.Cluster
	case "LDS":
		return mesh.Listener
	case "EDS":
		return mesh.Endpoint
	case "RDS":
		return mesh.Route
	case "ECDS":
		return mesh.Extension
	case "SDS":
		return mesh.Secret
	}
	return ""
}

// ownEvidence looks for refusals that the proxy itself reports.
func ownEvidence(row *Row, p *mesh.Proxy) {
	if p == nil {
		return
	}
	rejections := rejections(p.Stats)
	for i := range row.Types {
		t := &row.Types[i]
		if t.State == Error && t.Reason != "" {
			continue
		}
		if reason, witness := refusal(t, p); reason != "" {
			t.State, t.Reason, t.Evidence = Error, reason, Evidence(witness)
			continue
		}
		if reason := counted(t.Type, rejections); reason != "" {
			t.Reason, t.Evidence = reason, Counter
			if t.State == Stale {
				t.State = Error
			}
		}
	}
}

// rejections reads the statistics only if a counter in them says something: a
// capture of many proxies has some hundred megabytes of zeros.
func rejections(doc *mesh.Doc[*mesh.Stats]) []mesh.Rejection {
	if doc == nil || !counts(doc.Raw) {
		return nil
	}
	stats, _ := doc.Get()
	return stats.Rejections()
}

// counts reports whether any update_rejected counter may be above zero.
func counts(raw []byte) bool {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		return bytes.Contains(raw, []byte("update_rejected"))
	}
	for {
		i := bytes.Index(raw, []byte("update_rejected"))
		if i < 0 {
			return false
		}
		line, rest, _ := bytes.Cut(raw[i:], []byte("\n"))
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[len(fields)-1]) != "0" {
			return true
		}
		raw = rest
	}
}

// refusal says which of the type's resources was refused and why, and what tells of it. A
// refusal that is older than an update that the proxy has acknowledged since is of the past.
func refusal(t *TypeStatus, p *mesh.Proxy) (first string, witness mesh.Witness) {
	more := 0
	for _, r := range p.Resources(kinds(t.Type)) {
		if r.State != mesh.Rejected || r.Error == nil {
			continue
		}
		if t.State == Synced && !r.Error.At.IsZero() && t.SentAt.After(r.Error.At) {
			continue
		}
		if first == "" {
			first, witness = named(r.Name(), r.Error.Details), r.Error.Witness
		} else {
			more++
		}
	}
	if more > 0 {
		first += fmt.Sprintf(" (and %d more)", more)
	}
	return first, witness
}

func named(name, details string) string {
	switch {
	case details == "":
		return fmt.Sprintf("%s was rejected; Envoy gives no reason", name)
	case name == "":
		return details
	}
	return name + ": " + details
}

// counted words the update_rejected counters of a type.
func counted(short string, rejections []mesh.Rejection) string {
	var sum float64
	metric := ""
	for _, r := range rejections {
		if r.Type != short {
			continue
		}
		sum += r.Count
		if metric == "" {
			metric = r.Metric
		}
	}
	if metric == "" {
		return ""
	}
	return fmt.Sprintf("%s: %.0f refused since Envoy started", metric, sum)
}
