package rules

import (
	"cmp"
	"fmt"
	"maps"
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
		Silent: "types that were never sent; refused updates, which are `xds-resource-rejected`; a proxy that another istiod reports in sync. A push of the last 30 seconds may be on its way: it is info.",
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

func runXDSAckStale(pass *analyze.Pass) {
	pending := map[string][]pendingAck{} // by proxy
	synced := map[string]bool{}          // by proxy and type
	for _, cp := range pass.Capture.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		now := newestPush(pass.Capture, statuses)
		for _, status := range statuses {
			for _, t := range status.Types {
				switch {
				case t.Sent == "" || t.LastError != "":
				case t.Sent == t.Acked:
					synced[status.Proxy+"\x00"+t.Type] = true
				default:
					ack := pendingAck{TypeSync: t, source: cp.Sync.Source, timed: !t.SentAt.IsZero()}
					ack.age = now.Sub(t.SentAt)
					pending[status.Proxy] = append(pending[status.Proxy], ack)
				}
			}
		}
	}
	for _, proxy := range slices.Sorted(maps.Keys(pending)) {
		acks := slices.DeleteFunc(pending[proxy], func(a pendingAck) bool { return synced[proxy+"\x00"+a.Type] })
		if len(acks) > 0 {
			reportPending(pass, proxy, acks)
		}
	}
}

// newestPush is the moment that ages are counted to.
func newestPush(c *mesh.Capture, statuses []mesh.SyncStatus) time.Time {
	now := c.AsOf
	for _, status := range statuses {
		for _, t := range status.Types {
			if t.SentAt.After(now) {
				now = t.SentAt
			}
		}
	}
	return now
}

func reportPending(pass *analyze.Pass, proxy string, acks []pendingAck) {
	slices.SortStableFunc(acks, func(a, b pendingAck) int { return cmp.Compare(a.Type, b.Type) })
	acks = slices.CompactFunc(acks, func(a, b pendingAck) bool { return a.Type == b.Type })
	f := analyze.Finding{Ref: mesh.Ref{Proxy: proxy}, Source: acks[0].source, Severity: analyze.Info}
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
