package expect

import "github.com/meshray/meshray/analyze/trace"

// Prediction is what a configuration makes of a request: the "predicted" object of
// an [Answer].
type Prediction struct {
	Verdict  trace.Verdict `json:"verdict"`
	Listener string        `json:"listener"`
	// FilterChain is the chain's name, else its index in the listener as "#0";
	// empty where none matches.
	FilterChain string `json:"filter_chain"`
	VirtualHost string `json:"virtual_host"`
	Route       string `json:"route"`
	// Cluster is empty where the choice is left open; Weights then has the clusters.
	Cluster string   `json:"cluster"`
	Weights []Weight `json:"weights,omitempty"`
	// Endpoints is the number of hosts that may get the request.
	Endpoints int `json:"endpoints"`
	// Status and Flags are what Envoy itself answers; 0 where an upstream decides,
	// and for a connection without HTTP.
	Status  int    `json:"status"`
	Flags   string `json:"flags"`
	Details string `json:"details"` // %RESPONSE_CODE_DETAILS%
	// UpstreamPath and UpstreamAuthority are what the upstream gets.
	UpstreamPath      string `json:"upstream_path"`
	UpstreamAuthority string `json:"upstream_authority"`
	Location          string `json:"location"` // of a redirect

	// Upstreams are the addresses of the hosts, "ip:port"; nil where not known.
	Upstreams []string `json:"-"`
	// Policy is what denied the request, "namespace/name".
	Policy string `json:"-"`
	// Unknowns are what the prediction could not know.
	Unknowns []string `json:"-"`
	// Refusals are the response flags with which filters that cannot be known would
	// refuse the request.
	Refusals []string `json:"-"`
}

// Weight is one of the clusters among which a route chooses.
type Weight struct {
	Cluster string `json:"cluster"`
	Weight  uint32 `json:"weight"`
}

// Match says whether an observation is explained.
type Match string

const (
	Yes Match = "yes"
	No  Match = "no"
	// Unknown is a mismatch that what is not known could account for.
	Unknown Match = "unknown"
)

// Answer is one line of trace's answers to requests, as JSON.
type Answer struct {
	ID        string     `json:"id,omitempty"`
	Proxy     string     `json:"proxy,omitempty"`
	Predicted Prediction `json:"predicted"`
	Unknowns  []string   `json:"unknowns,omitempty"`
	// Match and Differs are set where the request came with an observation.
	Match   Match    `json:"match,omitempty"`
	Differs []string `json:"differs,omitempty"`
}

// verdicts are all that a trace can end with, in the order of its documentation.
var verdicts = []trace.Verdict{
	trace.Routed, trace.Redirect, trace.DirectResponse, trace.Denied, trace.BlackHole, trace.Passthrough, trace.NoListener,
	trace.NoFilterChain, trace.NoVirtualHost, trace.NoRoute, trace.NoCluster, trace.NoHealthyEndpoint, trace.TLSMismatch, trace.Unmodelled,
}

func verdictNames() []string {
	var names []string
	for _, v := range verdicts {
		names = append(names, string(v))
	}
	return names
}
