package expect

import (
	"strings"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// LoggedOutcomes is [Outcomes] for a request from an access log, of which a line
// holds but a part: what it does not hold and the trace asked for is among the
// Unknowns. The trace has to be made with Options.Why, which tells what was asked.
func LoggedOutcomes(t *trace.Trace, logged request.Request) []Prediction {
	out := Outcomes(t)
	for i := range out {
		out[i].Unknowns = append(out[i].Unknowns, notLogged(&t.Paths[i].Hops[0], &logged)...)
	}
	return out
}

func notLogged(hop *trace.Hop, logged *request.Request) []string {
	var missing []string
	for _, step := range hop.Steps {
		for _, rejected := range step.Rejected {
			name, asked := strings.CutPrefix(rejected.Condition, "header ")
			if asked && !strings.HasPrefix(name, ":") && !logged.Headers.Has(name) {
				missing = append(missing, "header "+name+" is not in the log")
			}
		}
	}
	outcome := &hop.Outcome
	withoutPeer := logged.TLS != nil && logged.TLS.ClientURISAN == ""
	switch outcome.Verdict {
	case trace.NoVirtualHost:
		missing = append(missing, "the authority in the log is the one after a host rewrite")
	case trace.NoRoute:
		if outcome.RouteConfig == "" {
			missing = append(missing, "headers that choose the scoped routes are not in the log")
		}
	case trace.NoCluster:
		if outcome.Cluster == "" {
			missing = append(missing, "the header that names the cluster is not in the log")
		}
	case trace.TLSMismatch, trace.Denied:
		if withoutPeer {
			missing = append(missing, "the client's certificate is not in the log")
		}
	}
	return missing
}
