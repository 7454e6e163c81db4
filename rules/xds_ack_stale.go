package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// XDSAckStale reports proxies that have not acknowledged what istiod sent.
var XDSAckStale = &analyze.Rule{
	Name:       "xds-ack-stale",
	Code:       "SYN02",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedSync},
	Doc: analyze.Doc{
		Title: "a proxy has not acknowledged the configuration that istiod sent",
		Finds: "`sent` and `acked` of each type in istiod's `debug/syncz` that differ, with `sentTime` more than 30 seconds before the capture, or before the newest push of the same istiod. " +
			"In captures of old Istio, which have `cluster_sent`, `cluster_acked` and so on, the time is read from the nonce; where there is none the finding is only likely.",
		Hurts: "The proxy keeps serving its old configuration: calls go to pods that are gone (503 UF, UH), new routes and policies have no effect.",
		Example: `{"proxy": "ratings-v1-6b7f.default", "resources": {
  "type.googleapis.com/envoy.config.cluster.v3.Cluster": {
    "sent": "2026-11-22T07:29:20Z/2dde", "acked": "2026-11-22T07:29:18Z/1fb9", "sentTime": "2026-11-22T07:29:20Z"}}}`,
		Silent: "types that were never sent; refused updates, which are `xds-resource-rejected`; a proxy that another istiod of the same capture reports in sync. A push of the last 30 seconds may be on its way: it is info.",
		Fix:    "look at the proxy's log and CPU, and at the connection to istiod (pilot_xds_push_timeout, network policies); restart the proxy if it hangs",
		References: []string{
			"https://istio.io/latest/docs/ops/diagnostic-tools/proxy-cmd/",
			"https://github.com/istio/istio/issues/12599",
		},
	},
	Run: runXDSAckStale,
}

// pushPatience is how long an acknowledgement may take.
const pushPatience = 30 * time.Second

// pendingAck is a type that a proxy has not acknowledged.
type pendingAck struct {
	mesh.TypeSync
	source mesh.Source
	// age is how long ago it was sent; unknown where timed is false.
	age   time.Duration
	timed bool
}

// ackKey is a proxy as the istiods of one capture know it.
type ackKey struct {
	capture *mesh.ControlPlane
	pod     string
}

func runXDSAckStale(pass *analyze.Pass) {
	g := newGathering(pass.Capture)
	pending := map[ackKey][]pendingAck{}
	synced := map[ackKey]map[string]bool{} // by type
	var order []ackKey
	for _, cp := range pass.Capture.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		now, capture := g.asOf(cp), g.captureOf(cp)
		for _, status := range statuses {
			key := ackKey{capture, status.Proxy}
			if synced[key] == nil {
				synced[key] = map[string]bool{}
				order = append(order, key)
			}
			for _, t := range status.Types {
				switch {
				case t.Sent == "" || t.LastError != "":
				case t.Sent == t.Acked:
					synced[key][t.Type] = true
				default:
					ack := pendingAck{TypeSync: t, source: cp.Sync.Source, timed: !t.SentAt.IsZero()}
					ack.age = now.Sub(t.SentAt)
					pending[key] = append(pending[key], ack)
				}
			}
		}
	}
	for _, key := range order {
		acks := slices.DeleteFunc(pending[key], func(a pendingAck) bool { return synced[key][a.Type] })
		if len(acks) == 0 {
			continue
		}
		for _, ref := range g.refs(key.capture, key.pod) {
			reportPending(pass, ref, acks)
		}
	}
}

func reportPending(pass *analyze.Pass, ref mesh.Ref, acks []pendingAck) {
	acks = slices.Clone(acks)
	slices.SortStableFunc(acks, func(a, b pendingAck) int { return cmp.Compare(a.Type, b.Type) })
	acks = slices.CompactFunc(acks, func(a, b pendingAck) bool { return a.Type == b.Type })
	f := analyze.Finding{Ref: ref, Source: acks[0].source, Severity: analyze.Info}
	var types []string
	oldest := time.Duration(0)
	for _, a := range acks {
		types = append(types, a.Type)
		f.Evidence = append(f.Evidence, analyze.Evidence{
			Name: a.Type, Value: fmt.Sprintf("sent %s, acked %s", cmp.Or(a.Sent, "nothing"), cmp.Or(a.Acked, "nothing")),
		})
		if !a.timed || a.age > pushPatience {
			f.Severity = analyze.Warning
		}
		if !a.timed {
			f.Confidence = analyze.Likely
		}
		oldest = max(oldest, a.age)
	}
	list := strings.Join(types, ", ")
	f.Essence = list
	switch {
	case f.Confidence == analyze.Likely:
		f.Message = list + " sent and not acknowledged; when it was sent is not known"
	case f.Severity == analyze.Info:
		f.Message = fmt.Sprintf("%s sent %s before the capture and not acknowledged yet", list, age(oldest))
	default:
		f.Message = fmt.Sprintf("%s sent %s before the capture and never acknowledged", list, age(oldest))
	}
	pass.Report(f)
}
