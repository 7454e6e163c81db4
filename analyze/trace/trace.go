// Package trace follows a request through what proxies really have: listener,
// filter chain, route, cluster and endpoint, and on into the next proxy of the
// capture. At each step it says what was chosen, why, and what was passed over.
//
// It does what Envoy does and guesses nothing: a choice that Envoy makes by
// chance gives several [Path]s, and what a capture cannot know is an [Unknown].
package trace

import (
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// Verdict is where a request ends.
type Verdict string

// The verdicts.
const (
	Routed            Verdict = "routed"
	Redirect          Verdict = "redirect"
	DirectResponse    Verdict = "direct-response"
	Denied            Verdict = "denied"
	BlackHole         Verdict = "blackhole"
	Passthrough       Verdict = "passthrough"
	NoListener        Verdict = "no-listener"
	NoFilterChain     Verdict = "no-filter-chain"
	NoVirtualHost     Verdict = "no-virtual-host"
	NoRoute           Verdict = "no-route"
	NoCluster         Verdict = "no-cluster"
	NoHealthyEndpoint Verdict = "no-healthy-endpoint"
	TLSMismatch       Verdict = "tls-mismatch"
	// Unmodelled is a request whose way depends on what is not modelled.
	Unmodelled Verdict = "unmodelled"
)

// Forwards reports whether Envoy hands the request on to an upstream.
func (v Verdict) Forwards() bool { return v == Routed || v == Passthrough }

// StepKind names a step as the ladder does.
type StepKind string

// The steps in the order in which a request takes them.
const (
	StepListener  StepKind = "LISTENER"
	StepChain     StepKind = "CHAIN"
	StepFilters   StepKind = "FILTERS"
	StepVHost     StepKind = "VHOST"
	StepRoute     StepKind = "ROUTE"
	StepCluster   StepKind = "CLUSTER"
	StepEndpoints StepKind = "ENDPOINTS"
	StepTLS       StepKind = "TLS"
	StepVerdict   StepKind = "VERDICT"
)

// Trace is the answer for one request.
type Trace struct {
	// Request is the request as it was asked for.
	Request request.Request
	// Paths are all ways that the request can go, the likeliest first. There is
	// always one.
	Paths []Path
	// Truncated is set where there are more ways than Paths holds.
	Truncated bool
}

// Path is one way of a request.
type Path struct {
	// Share is the part of the requests that go this way, above 0 and up to 1.
	Share float64
	// Hops are the proxies on the way in order, at least one.
	Hops []Hop
}

// Hop is what one proxy does with the request.
type Hop struct {
	// Proxy is the Key of the proxy.
	Proxy     string
	Kind      mesh.ProxyKind
	Direction request.Direction
	// Request is the request as it reaches this proxy, with all that was resolved.
	Request request.Request
	Steps   []Step
	Outcome Outcome
	// Unknowns are what the capture cannot tell of this hop.
	Unknowns []Unknown
}

// Step is one decision.
type Step struct {
	Kind StepKind
	// Chosen is the name of what was chosen; empty where nothing was.
	Chosen string
	// Reason says in words by which rule.
	Reason string
	Ref    mesh.Ref
	// Source is where the chosen thing stands in the capture.
	Source mesh.Source
	// Object is the Istio object behind it; nil where the capture names none.
	Object *Object
	// Authorization is what an RBAC, JWT or ext_authz filter says about the request;
	// nil for other steps.
	Authorization *Authorization
	// Notes are further facts, such as a timeout or a rewrite in force.
	Notes []string
	// Rejected are the candidates that were passed over, in the order in which
	// they were tried. Filled with Options.Why only.
	Rejected []Rejected
}

// Authorization is what a filter says about who may pass.
type Authorization struct {
	// Allowed is Unknown where it depends on what Open says.
	Allowed match.Outcome
	// Action is that of an RBAC filter's rules: "ALLOW", "DENY" or "LOG", and
	// "CUSTOM" for Istio's shadow rules that switch on an ext_authz filter.
	Action string
	// Policy is Envoy's name of the RBAC policy that matched; empty where none did.
	Policy string
	// Passed are the RBAC policies that did not match, as [rbac.Decision] has them.
	Passed []rbac.PolicyMiss
	// Open are the things that would have to be known.
	Open []string
}

// Rejected is a candidate that was passed over and the first condition of it that
// failed.
type Rejected struct {
	Candidate string
	Condition string
	// Want is what the condition asks for, Got what the request has.
	Want, Got string
}

// Object is an Istio object that a resource was made from.
type Object struct {
	Kind, Namespace, Name string
	// Source is where the object stands in the capture; zero where it does not.
	Source mesh.Source
}

// Unknown is something that the capture cannot tell, and what it could do.
type Unknown struct {
	// What names it: a filter, a matcher, a value.
	What string
	// Effect is what it could change.
	Effect string
	// Flag is the response flag of a request that it refuses, such as UAEX for
	// ext_authz; empty where it has none.
	Flag string
}

// Outcome is how one proxy ends its part.
type Outcome struct {
	Verdict Verdict
	// Status, Flags and Details are what Envoy itself answers and logs:
	// %RESPONSE_CODE%, %RESPONSE_FLAGS% and %RESPONSE_CODE_DETAILS%. Status is 0
	// where an upstream decides, and for a connection that is closed.
	Status         int
	Flags, Details string
	// GRPCStatus is the grpc-status of a local reply to a gRPC request; -1 where
	// there is none.
	GRPCStatus int
	// Reason says in words why the request ends so.
	Reason string

	Listener string
	// FilterChain is the chain's name, else its index as "#0", "default" for a
	// default chain without a name; empty where no chain fits.
	FilterChain string
	RouteConfig string
	VirtualHost string
	// Route is the route's name, else its index as "#0".
	Route string
	// RouteIndex is the route's index in its virtual host: names need not differ. -1
	// where there is none, and for a route inside a matcher.
	RouteIndex int
	Cluster    string
	// Policy is the policy that denied the request.
	Policy string
	// Endpoints are those that the request can reach.
	Endpoints []Endpoint
	// UpstreamPath and UpstreamAuthority are what the upstream gets.
	UpstreamPath, UpstreamAuthority string
	// Location is that of a redirect.
	Location string
	// Body is the inline body of a direct response.
	Body string
	// Mirrors are clusters that get a copy.
	Mirrors []Mirror
	// Timeout is the route's; negative where there is none in force.
	Timeout time.Duration
	// Protocol is "tcp" where the connection is carried without HTTP.
	Protocol string
	// Upstream is how the connection to the endpoints is secured.
	Upstream UpstreamTLS
}

// Mirror is a cluster that gets a copy of a share of the requests.
type Mirror struct {
	Cluster string
	Share   float64
}

// Endpoint is a host that the load balancer can choose.
type Endpoint struct {
	// Address is "ip:port", or the server name of an internal listener, or the
	// host of a DNS cluster whose addresses were not captured.
	Address  string
	Weight   uint32
	Priority uint32
	Locality string
	// Health is as the capture has it: HEALTHY, UNKNOWN, DEGRADED, UNHEALTHY, ...
	Health string
	// Share is the part of this path's requests that it gets, where that can be
	// told; 0 for hosts that get none.
	Share float64
}

// UpstreamTLS is how a connection to an endpoint is secured.
type UpstreamTLS struct {
	// Mode is "plaintext", "tls" or "mtls"; empty where nothing is connected.
	Mode string
	SNI  string
	ALPN []string
	// SANs are the names of which the server's certificate must have one.
	SANs []string
	// Secrets are the SDS names that it needs.
	Secrets []string
}
