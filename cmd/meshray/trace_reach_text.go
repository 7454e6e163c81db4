package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// reachTable prints what is reached as tables.
type reachTable struct {
	w             io.Writer
	wide, colored bool
}

// matrix prints what one proxy reaches.
func (t *reachTable) matrix(p *mesh.Proxy, reached []trace.Reached) error {
	fmt.Fprintf(t.w, "from %s: %s: %s\n\n", sanitize(p.Key()), plural(len(reached), "destination", "destinations"), verdictCounts(verdictsOf(reached)))
	rows := [][]string{append([]string{"HOST", "PORT", "PROTOCOL"}, t.header()...)}
	for i := range reached {
		r := &reached[i]
		rows = append(rows, append([]string{targetText(r.Target), portText(r.Port), r.Protocol}, t.cells(r)...))
	}
	if !t.wide {
		rows = merged(rows)
	}
	return writeTable(t.w, layout{padding: 2}, rows, t.painter(3))
}

// clients prints who reaches each destination.
func (t *reachTable) clients(destinations []trace.Destination) error {
	for i, d := range destinations {
		if i > 0 {
			fmt.Fprintln(t.w)
		}
		counts := clientVerdicts(d)
		total := 0
		for _, n := range counts {
			total += n
		}
		rows := [][]string{append([]string{"FROM"}, t.header()...)}
		for j := range d.From {
			f := &d.From[j]
			rows = append(rows, append([]string{clientText(f)}, t.cells(&f.Reached)...))
		}
		label := d.From[0].Reached.Label
		if label != "" {
			label = " (" + label + ")"
		}
		fmt.Fprintf(t.w, "to %s%s: from %s: %s\n", sanitize(d.String()), sanitize(label), plural(total, "proxy", "proxies"), verdictCounts(counts))
		if err := writeTable(t.w, layout{padding: 2}, rows, t.painter(1)); err != nil {
			return err
		}
	}
	return nil
}

func (t *reachTable) header() []string {
	if t.wide {
		return []string{"VERDICT", "AT", "TO", "ENDPOINTS", "TLS", "ADDRESS", "VHOST", "ROUTE", "UNKNOWN", "WHY"}
	}
	return []string{"VERDICT", "TO", "ENDPOINTS", "TLS", "WHY"}
}

func (t *reachTable) cells(r *trace.Reached) []string {
	worst := r.Worst()
	endpoints, usable := 0, 0
	var clusters, modes, unknowns []string
	shares := map[string]float64{}
	for i := range r.Ways {
		w := &r.Ways[i]
		if _, known := shares[w.Cluster]; !known {
			clusters = append(clusters, w.Cluster)
			endpoints += w.Endpoints
			usable += w.Usable
		}
		shares[w.Cluster] += w.Share
		modes = appendNew(modes, w.TLS)
		for _, u := range w.Unknowns {
			unknowns = appendNew(unknowns, u)
		}
	}
	if r.Truncated {
		unknowns = append(unknowns, "further ways, not followed")
	}
	count := "-"
	if endpoints > 0 || worst.Verdict == trace.NoHealthyEndpoint {
		count = fmt.Sprintf("%d/%d", usable, endpoints)
	}
	to := clustersText(clusters, shares)
	mode := dash(strings.Join(modes, ", "))
	if !t.wide {
		return []string{verdictText(r), to, count, mode, whyText(r)}
	}
	return []string{verdictText(r), worst.At, to, count, mode, dash(r.Request.To), dash(worst.VirtualHost), routeText(r), dash(strings.Join(unknowns, "; ")), whyText(r)}
}

// clustersText lists the clusters with their shares where there are several.
func clustersText(clusters []string, shares map[string]float64) string {
	if len(clusters) == 1 {
		return dash(clusters[0])
	}
	slices.SortFunc(clusters, func(a, b string) int { return cmp.Or(cmp.Compare(shares[b], shares[a]), cmp.Compare(a, b)) })
	var parts []string
	for _, c := range clusters {
		parts = append(parts, roundShare(shares[c])+" "+dash(c))
	}
	return strings.Join(parts, ", ")
}

// verdictText is the worst verdict, with its share where others differ.
func verdictText(r *trace.Reached) string {
	worst := r.Worst().Verdict
	part := 0.0
	for i := range r.Ways {
		if r.Ways[i].Verdict == worst {
			part += r.Ways[i].Share
		}
	}
	if text := roundShare(part); text != "100%" {
		return string(worst) + " (" + text + ")"
	}
	return string(worst)
}

// routeText is the route that was taken, and of how many.
func routeText(r *trace.Reached) string {
	route := r.Worst().Route
	switch {
	case r.Routes <= 1:
		return dash(route)
	case route == "":
		return fmt.Sprintf("none of %d routes", r.Routes)
	}
	return fmt.Sprintf("%s (1 of %d routes)", route, r.Routes)
}

// whyText says why not all requests are forwarded; "-" where they are.
func whyText(r *trace.Reached) string {
	w := r.Worst()
	if w.Verdict.Forwards() {
		return "-"
	}
	text := w.Reason
	if w.First == trace.NoRoute && r.Routes > 0 {
		text = fmt.Sprintf("%s: none of %s takes %s /", text, plural(r.Routes, "route", "routes"), r.Request.Method)
	}
	if w.First != w.Verdict {
		text = "at " + w.At + ": " + text
	}
	if answer := strings.TrimSpace(statusText(w.Status) + " " + w.Flags); answer != "" {
		text = answer + ": " + text
	}
	return text
}

func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

// targetText is the host with what its name does not say.
func targetText(t trace.Target) string {
	switch {
	case t.Host == trace.AnyHost && t.Label != "":
		return t.Label
	case t.Label != "":
		return t.Host + " (" + t.Label + ")"
	}
	return t.Host
}

// clientText is the proxy, or the workload of several proxies that answer the same.
func clientText(f *trace.ReachedFrom) string {
	if len(f.Proxies) == 1 {
		return f.Proxies[0]
	}
	name := f.Workload
	if f.Namespace != "" {
		name += "." + f.Namespace
	}
	return fmt.Sprintf("%s (%s)", name, plural(len(f.Proxies), "proxy", "proxies"))
}

// merged joins neighbouring rows that say the same, as those of a headless service's
// addresses do.
func merged(rows [][]string) [][]string {
	var out [][]string
	for i := 0; i < len(rows); {
		same := 1
		for i+same < len(rows) && slices.Equal(rows[i], rows[i+same]) {
			same++
		}
		row := rows[i]
		if same > 1 {
			row = slices.Clone(row)
			row[0] += fmt.Sprintf(" (%d addresses)", same)
		}
		out = append(out, row)
		i += same
	}
	return out
}

func verdictsOf(reached []trace.Reached) map[trace.Verdict]int {
	counts := map[trace.Verdict]int{}
	for i := range reached {
		counts[reached[i].Worst().Verdict]++
	}
	return counts
}

// clientVerdicts counts the proxies that ask for a destination.
func clientVerdicts(d trace.Destination) map[trace.Verdict]int {
	counts := map[trace.Verdict]int{}
	for i := range d.From {
		counts[d.From[i].Reached.Worst().Verdict] += len(d.From[i].Proxies)
	}
	return counts
}

// verdictCounts is "120 routed, 3 blackhole", the most frequent first.
func verdictCounts(counts map[trace.Verdict]int) string {
	var parts []string
	for _, v := range sortedVerdicts(counts) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[v], v))
	}
	return strings.Join(parts, ", ")
}

func sortedVerdicts(counts map[trace.Verdict]int) []trace.Verdict {
	return slices.SortedFunc(maps.Keys(counts), func(a, b trace.Verdict) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}

// painter colours the verdicts, which stand in one column.
func (t *reachTable) painter(verdicts int) painter {
	if !t.colored {
		return nil
	}
	return func(row, column int, text string) style {
		switch {
		case row == 0:
			return bold
		case column == verdicts:
			verdict, _, _ := strings.Cut(text, " ")
			return verdictStyle(trace.Verdict(verdict))
		}
		return ""
	}
}

// roundShare is a part of one in percent, to a tenth.
func roundShare(part float64) string {
	return strconv.FormatFloat(math.Round(part*1000)/10, 'f', -1, 64) + "%"
}

func portText(port uint16) string {
	if port == 0 {
		return "any"
	}
	return strconv.Itoa(int(port))
}

func appendNew(texts []string, text string) []string {
	if text == "" || slices.Contains(texts, text) {
		return texts
	}
	return append(texts, text)
}
