package expect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/request"
)

// Group is the requests of a log that one reason accounts for.
type Group struct {
	Match Match
	// Reason says in words why the requests are not explained, or what failed
	// behind the proxy for those that are.
	Reason string
	Count  int
	// First is the first of them, and Predicted what the configuration says of it.
	First     Entry
	Predicted Prediction
	Differs   []string
}

// Groups sorts the requests of a log by what a configuration makes of them.
type Groups struct {
	// HasCluster reports whether the configuration has a cluster.
	HasCluster func(name string) bool

	// Explained, Unexplained and Unknown count all requests.
	Explained, Unexplained, Unknown int
	groups                          map[string]*Group
}

// Add counts one request of the log.
func (g *Groups) Add(entry Entry, match Match, differs []string, predicted Prediction) {
	switch match {
	case Yes:
		g.Explained++
	case No:
		g.Unexplained++
	default:
		g.Unknown++
	}
	reason := g.reason(entry.Line.Observed, match, differs, &predicted)
	if reason == "" {
		return
	}
	if g.groups == nil {
		g.groups = map[string]*Group{}
	}
	key := string(match) + "\x00" + reason
	if known, ok := g.groups[key]; ok {
		known.Count++
		return
	}
	g.groups[key] = &Group{Match: match, Reason: reason, Count: 1, First: entry, Predicted: predicted, Differs: differs}
}

// All returns the groups: what is not explained first, then what is not known, then
// explained failures; each with the largest first.
func (g *Groups) All() []Group {
	order := []Match{No, Unknown, Yes}
	var out []Group
	for _, group := range g.groups {
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Match), slices.Index(order, b.Match)),
			cmp.Compare(b.Count, a.Count), cmp.Compare(a.First.Number, b.First.Number), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// reason is empty for an explained request that nothing went wrong with.
func (g *Groups) reason(seen *request.Observed, match Match, differs []string, p *Prediction) string {
	switch match {
	case Yes:
		return failure(seen)
	case Unknown:
		return "cannot be known: " + strings.Join(append(p.Unknowns, differing(differs)), "; ")
	}
	return g.changed(seen, differs, p)
}

// failures say what the flags of an explained request tell of what is behind the
// proxy.
var failures = []struct{ flag, words string }{
	{"UF", "the endpoint could not be connected"},
	{"UH", "no endpoint was healthy"},
	{"UC", "the endpoint closed the connection"},
	{"UT", "the endpoint did not answer in time"},
	{"URX", "all attempts failed"},
	{"UO", "a circuit breaker was open"},
	{"UR", "the endpoint reset the request"},
	{"DC", "the client went away"},
	{"UAEX", "the authorization service refused"},
	{"RL", "a rate limit refused"},
}

func failure(seen *request.Observed) string {
	flags := splitFlags(seen.Flags)
	for _, f := range failures {
		if !slices.Contains(flags, f.flag) {
			continue
		}
		text := f.flag + ": " + f.words
		if seen.Upstream != "" {
			text += ", " + seen.Upstream
		}
		if seen.Cluster != "" {
			text += " of cluster " + seen.Cluster
		}
		return text
	}
	return ""
}

// changed names what the configuration says instead.
func (g *Groups) changed(seen *request.Observed, differs []string, p *Prediction) string {
	has := func(field string) bool { return slices.Contains(differs, field) }
	switch {
	case has("cluster") && seen.Cluster != "" && g.HasCluster != nil && !g.HasCluster(seen.Cluster):
		return fmt.Sprintf("it went to cluster %s, which this configuration does not have: it changed since, or the log is another proxy's", seen.Cluster)
	case has("cluster") && seen.Cluster != "":
		return fmt.Sprintf("it went to cluster %s, and this configuration says %s: it changed since", seen.Cluster, destination(p))
	case has("upstream"):
		return fmt.Sprintf("it went to %s, which is no endpoint of cluster %s here: the endpoints changed since", seen.Upstream, p.Cluster)
	case has("flags") && seen.Flags != "":
		return fmt.Sprintf("it ended with %s %d, and this configuration says %s: it changed since", seen.Flags, seen.Status, destination(p))
	case has("status") && seen.Status > 0:
		return fmt.Sprintf("it was answered with %d, and this configuration says %s: it changed since", seen.Status, destination(p))
	}
	return differing(differs) + " from this configuration, which says " + destination(p)
}

func differing(differs []string) string { return "it differs in " + strings.Join(differs, ", ") }

// destination is where a prediction sends a request, in words.
func destination(p *Prediction) string {
	switch {
	case len(p.Weights) > 0:
		return weightsText(p.Weights)
	case p.forwards() && p.Cluster != "":
		return "cluster " + p.Cluster
	case p.Status > 0:
		return fmt.Sprintf("%s with %d", p.Verdict, p.Status)
	}
	return string(p.Verdict)
}
