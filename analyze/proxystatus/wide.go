package proxystatus

import (
	"cmp"
	"time"
)

// Wide returns the table with a row for each proxy, istiod and type, the header
// first: nonces, times and reasons do not fit into a column of a type.
func (t *Table) Wide() [][]string {
	cells := [][]string{{"NAME", "CLUSTER", "KIND", "TYPE", "STATUS", "SENT AT", "SENT", "ACKED", "ISTIOD", "VERSION", "REASON"}}
	for i := range t.Rows {
		r := &t.Rows[i]
		for _, ts := range r.Types {
			if ts.State == Ignored && ts.Sent == "" {
				continue
			}
			cells = append(cells, []string{
				r.Proxy(), r.Cluster, r.ProxyType, ts.Type, ts.Text(), moment(ts.SentAt), dash(ts.Sent), dash(ts.Acked),
				Default.istiod(r), r.Version(), dash(oneLine(ts.Reason)),
			})
		}
	}
	return cells
}

func dash(text string) string { return cmp.Or(text, "-") }

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
