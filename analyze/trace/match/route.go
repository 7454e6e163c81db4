package match

import (
	"strconv"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// Route is a compiled envoy.config.route.v3.RouteMatch.
type Route struct {
	// IgnorePathParameters is RouteConfiguration.ignore_path_parameters_in_path_matching:
	// each segment of the path counts up to its first semicolon. To be set before the first use.
	IgnorePathParameters bool

	path      pathMatcher
	fraction  *fraction
	grpc      bool
	headers   []*Header
	query     []*Query
	cookies   []*Cookie
	presented *bool // tls_context
	validated *bool
	// runtimeKey is that of fraction; empty for none.
	runtimeKey string
	metadata   []*Metadata
	states     []*FilterState
}

// CompileRoute prepares a RouteMatch.
func CompileRoute(m *routev3.RouteMatch) *Route {
	r := &Route{path: compilePath(m), grpc: m.GetGrpc() != nil}
	if f := m.GetRuntimeFraction(); f != nil {
		r.fraction = compileFraction(f.GetDefaultValue())
		r.runtimeKey = f.GetRuntimeKey()
	}
	for _, header := range m.GetHeaders() {
		r.headers = append(r.headers, CompileHeader(header))
	}
	for _, parameter := range m.GetQueryParameters() {
		r.query = append(r.query, CompileQuery(parameter))
	}
	for _, cookie := range m.GetCookies() {
		r.cookies = append(r.cookies, CompileCookie(cookie))
	}
	if p := m.GetTlsContext().GetPresented(); p != nil {
		r.presented = &p.Value
	}
	if v := m.GetTlsContext().GetValidated(); v != nil {
		r.validated = &v.Value
	}
	for _, metadata := range m.GetDynamicMetadata() {
		r.metadata = append(r.metadata, CompileMetadata("dynamic_metadata", metadata))
	}
	for _, state := range m.GetFilterState() {
		r.states = append(r.states, CompileFilterState(state))
	}
	return r
}

// Match answers for a request. The share is the probability of Yes in (0,1] and
// differs from 1 only where a runtime_fraction decides and Attributes.Random is
// nil; it is 0 for No.
//
// Conditions are asked in Envoy's order, the path last, and a Result of No names
// the first one that failed. One that fails for certain outweighs those before it
// that cannot be known.
func (r *Route) Match(a *Attributes) (result Result, share float64) {
	path, hasPath := a.Headers.Get(":path")
	if result = r.path.admits(a, hasPath); result.Outcome == No {
		return result, 0
	}
	share = 1
	if r.fraction != nil {
		result, share = r.fraction.under(a.Runtime[r.runtimeKey]).match(a.Random)
	}
	if result.Outcome != No {
		result = r.conditions(a, path, result)
	}
	if result.Outcome != No {
		result = and(result, r.matchPath(path))
	}
	if result.Outcome == No {
		return result, 0
	}
	return result, share
}

// conditions are those that RouteEntryImplBase::matchRoute asks behind the runtime fraction.
func (r *Route) conditions(a *Attributes, path string, result Result) Result {
	if r.grpc {
		result = and(result, matchGRPC(a))
	}
	for i := 0; i < len(r.headers) && result.Outcome != No; i++ {
		result = and(result, r.headers[i].Match(a.Headers))
	}
	for i := 0; i < len(r.query) && result.Outcome != No; i++ {
		result = and(result, r.query[i].Match(path))
	}
	for i := 0; i < len(r.cookies) && result.Outcome != No; i++ {
		result = and(result, r.cookies[i].Match(a.Headers))
	}
	if result.Outcome != No {
		result = and(result, r.matchTLS(a))
	}
	for i := 0; i < len(r.metadata) && result.Outcome != No; i++ {
		result = and(result, r.metadata[i].Match(a.Metadata))
	}
	for i := 0; i < len(r.states) && result.Outcome != No; i++ {
		result = and(result, r.states[i].Match(a.FilterState))
	}
	return result
}

// and is the Result of two conditions: the first one that failed, else the first
// one that is unknown.
func and(first, second Result) Result {
	if first.Outcome == No || first.Outcome == Unknown && second.Outcome != No {
		return first
	}
	return second
}

// matchGRPC asks for the content types of gRPC, application/grpc and application/grpc+....
func matchGRPC(a *Attributes) Result {
	value, found := a.Headers.Get("content-type")
	if IsGRPC(value) {
		return Matched
	}
	if !found {
		value = noHeader
	}
	return missed("grpc", "content-type application/grpc", value)
}

// IsGRPC reports whether a content-type is one of gRPC.
func IsGRPC(contentType string) bool {
	const grpc = "application/grpc"
	return len(contentType) >= len(grpc) && contentType[:len(grpc)] == grpc &&
		(len(contentType) == len(grpc) || contentType[len(grpc)] == '+')
}

func (r *Route) matchTLS(a *Attributes) Result {
	if got := a.TLS && a.PeerPresented; r.presented != nil && *r.presented != got {
		return missed("tls_context presented", strconv.FormatBool(*r.presented), strconv.FormatBool(got))
	}
	if got := a.TLS && a.PeerValidated; r.validated != nil && *r.validated != got {
		return missed("tls_context validated", strconv.FormatBool(*r.validated), strconv.FormatBool(got))
	}
	return Matched
}

// under is the fraction where its runtime key has a value: that many percent, or
// another FractionalPercent. An empty value leaves it as it is.
func (f *fraction) under(value string) *fraction {
	if value == "" {
		return f
	}
	if percent, err := strconv.ParseUint(value, 10, 32); err == nil {
		return compileFraction(&typev3.FractionalPercent{Numerator: uint32(percent)})
	}
	var percent typev3.FractionalPercent
	if protojson.Unmarshal([]byte(value), &percent) != nil {
		return f
	}
	return compileFraction(&percent)
}

// fraction is the default_value of a RuntimeFractionalPercent.
type fraction struct {
	numerator, denominator uint64
	want                   string
}

func compileFraction(percent *typev3.FractionalPercent) *fraction {
	f := &fraction{numerator: uint64(percent.GetNumerator()), denominator: denominator(percent.GetDenominator())}
	f.want = "a random value % " + strconv.FormatUint(f.denominator, 10) + " < " + strconv.FormatUint(f.numerator, 10)
	return f
}

func denominator(d typev3.FractionalPercent_DenominatorType) uint64 {
	switch d {
	case typev3.FractionalPercent_TEN_THOUSAND:
		return 10_000
	case typev3.FractionalPercent_MILLION:
		return 1_000_000
	}
	return 100
}

func (f *fraction) match(random *uint64) (Result, float64) {
	switch {
	case f.numerator == 0:
		return missed("runtime_fraction", f.want, "never"), 0
	case f.numerator >= f.denominator:
		return Matched, 1
	case random == nil:
		return Matched, float64(f.numerator) / float64(f.denominator)
	case *random%f.denominator < f.numerator:
		return Matched, 1
	}
	return missed("runtime_fraction", f.want, strconv.FormatUint(*random, 10)), 0
}
