package trace

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// RouteTable is a route configuration by itself, without a listener, filters and
// clusters: what Envoy's router_check_tool loads.
type RouteTable struct {
	table *table
	// runtimeKeys are those of all runtime_fractions, metadataNames the filters of
	// all dynamic_metadata.
	runtimeKeys, metadataNames []string
}

// TableRequest is what a RouteTable is asked.
type TableRequest struct {
	// Request is taken as it is, not put in normal form: no route fits one without an
	// x-forwarded-proto. Random is 0 where it is nil.
	Request request.Request
	// Metadata is all dynamic metadata that there is, by filter name.
	Metadata map[string]*structpb.Struct
	// Runtime is the key of the one runtime_fraction that counts; routes with
	// another one do not match.
	Runtime string
	// ResponseHeaders are those that the upstream answers with.
	ResponseHeaders request.Headers
}

// TableAnswer is what a RouteTable says.
type TableAnswer struct {
	// Outcome holds what the routes decide. Its Verdict is Routed for every route that
	// is neither a redirect nor a direct response, as RouteEntry is in Envoy, and the
	// Location of a direct response is the request's own URL. A Timeout of 0 is none.
	Outcome Outcome
	// VirtualCluster is the virtual cluster by the headers that the upstream gets,
	// "other" where the virtual host has some and none fits; empty unless Routed.
	VirtualCluster string
	// RequestHeaders are what the upstream gets, with the pseudo-headers;
	// ResponseHeaders what the client gets.
	RequestHeaders, ResponseHeaders request.Headers
	// Metadata is that of the route; nil for none.
	Metadata *corev3.Metadata
	Unknowns []Unknown
}

// NewRouteTable prepares a route configuration. Fractions of zero count as one, as
// router_check_tool has them, so that a test can switch them on.
func NewRouteTable(config *routev3.RouteConfiguration) *RouteTable {
	config = proto.CloneOf(config)
	t := &RouteTable{table: &table{message: config}}
	for _, host := range config.GetVirtualHosts() {
		for _, route := range host.GetRoutes() {
			t.prepare(route.GetMatch())
		}
	}
	t.table.load()
	return t
}

func (t *RouteTable) prepare(m *routev3.RouteMatch) {
	for _, metadata := range m.GetDynamicMetadata() {
		t.metadataNames = append(t.metadataNames, metadata.GetFilter())
	}
	fraction := m.GetRuntimeFraction()
	if fraction == nil {
		return
	}
	t.runtimeKeys = append(t.runtimeKeys, fraction.GetRuntimeKey())
	if percent := fraction.GetDefaultValue(); percent != nil && percent.GetNumerator() == 0 {
		percent.Numerator = 1
	}
}

// Ask finds the route of a request and does what it says, up to the cluster's name.
func (t *RouteTable) Ask(q TableRequest) *TableAnswer {
	h := t.hop(q)
	h.findRoute()
	answer := &TableAnswer{ResponseHeaders: q.ResponseHeaders}
	h.act(answer)
	answer.Outcome, answer.Unknowns = h.out.Outcome, h.out.Unknowns
	answer.RequestHeaders = h.attrs.Headers
	return answer
}

func (t *RouteTable) hop(q TableRequest) *hop {
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	random := q.Request.Random
	if random == nil {
		random = new(uint64)
	}
	h := &hop{
		walk: &walk{choices: &choices{}}, request: q.Request, route: &chosenRoute{table: t.table},
		// Nobody stands before these routes who would set x-envoy-internal anew.
		manager:       &manager{config: &hcmv3.HttpConnectionManager{InternalAddressConfig: loopbackOnly()}},
		singleAddress: isTrue(q.Request.Headers, "x-envoy-internal"),
	}
	h.attrs = match.Attributes{
		Source: loopback, DirectSource: loopback, Protocol: protocolName(&q.Request), Headers: wireHeaders(&q.Request),
		Metadata: map[string]*structpb.Struct{}, Runtime: map[string]string{}, Random: random,
	}
	for _, name := range t.metadataNames {
		h.attrs.Metadata[name] = &structpb.Struct{} // known to be empty
	}
	maps.Copy(h.attrs.Metadata, q.Metadata)
	if q.Request.Scheme != "" {
		h.attrs.Headers = h.attrs.Headers.Set(":scheme", q.Request.Scheme)
	}
	for _, key := range t.runtimeKeys {
		if key == "" || key != q.Runtime {
			h.attrs.Runtime[key] = "0"
		}
	}
	o := &h.out.Outcome
	o.RouteConfig, o.GRPCStatus, o.RouteIndex, o.Timeout = t.table.message.GetName(), -1, -1, -1
	h.step(Step{Kind: StepRoute})
	return h
}

// act does what the route says without looking for the cluster.
func (h *hop) act(answer *TableAnswer) {
	r := h.route
	if r.route == nil {
		h.withoutRoute()
		if r.upgradeToTLS {
			answer.ResponseHeaders = h.localReply(answer.ResponseHeaders, 301)
		}
		return
	}
	answer.Metadata = r.route.message.GetMetadata()
	switch action := r.route.message.GetAction().(type) {
	case *routev3.Route_Redirect:
		h.redirect()
		answer.ResponseHeaders = h.localReply(answer.ResponseHeaders, h.route.compiled().redirect.Status)
	case *routev3.Route_DirectResponse:
		h.directResponse(action.DirectResponse)
		h.out.Outcome.Verdict = DirectResponse
		h.out.Outcome.Location = match.CompileRedirect(r.route.message.GetMatch(), nil).Location(&h.attrs)
		answer.ResponseHeaders = h.localReply(answer.ResponseHeaders, int(action.DirectResponse.GetStatus()))
	default:
		h.forwardOnly()
		answer.VirtualCluster = h.virtualCluster()
	}
	answer.ResponseHeaders = h.mutateResponse(answer.ResponseHeaders)
}

// forwardOnly notes where a route sends the request and what the upstream gets.
func (h *hop) forwardOnly() {
	action := h.route.route.message.GetRoute()
	h.rewrite()
	h.out.Outcome.Timeout = timeoutOf(action)
	h.end(Routed, "")
	if action.GetClusterSpecifier() == nil {
		return // a non_forwarding_action
	}
	if name, reason, ok := h.clusterName(action); ok {
		h.out.Outcome.Cluster, h.out.Outcome.Reason = name, reason
	}
}

// virtualCluster is the first one whose headers fit.
func (h *hop) virtualCluster() string {
	clusters := h.route.host.message.GetVirtualClusters()
	for _, c := range clusters {
		fits := true
		for _, header := range c.GetHeaders() {
			fits = fits && match.CompileHeader(header).Match(h.attrs.Headers).Outcome == match.Yes
		}
		if fits {
			return c.GetName()
		}
	}
	if len(clusters) > 0 {
		return "other"
	}
	return ""
}

// localReply adds the headers of Envoy's own answer, which is one to an HTTP request
// even where the request is gRPC.
func (h *hop) localReply(headers request.Headers, status int) request.Headers {
	o := &h.out.Outcome
	o.Status, o.GRPCStatus = status, -1
	headers = append(slices.Clone(headers), request.Header{Name: ":status", Value: strconv.Itoa(status)})
	if o.Body == "" {
		return headers
	}
	return append(headers,
		request.Header{Name: "content-length", Value: strconv.Itoa(len(o.Body))},
		request.Header{Name: "content-type", Value: "text/plain"})
}

// mutateResponse applies response_headers_to_add and response_headers_to_remove.
// Their values know nothing of the request, as those in router_check_tool.
func (h *hop) mutateResponse(headers request.Headers) request.Headers {
	r := h.route
	levels := []interface {
		GetResponseHeadersToAdd() []*corev3.HeaderValueOption
		GetResponseHeadersToRemove() []string
	}{r.weighted, r.route.message, r.host.message, r.table.message}
	if r.table.message.GetMostSpecificHeaderMutationsWins() {
		slices.Reverse(levels[1:])
	}
	a := h.attrs
	a.Headers = headers
	for _, level := range levels {
		a.Headers = match.CompileMutations(level.GetResponseHeadersToAdd(), level.GetResponseHeadersToRemove()).Apply(&a)
	}
	return a.Headers
}

// loopbackOnly takes the client that asks a route table for internal.
func loopbackOnly() *hcmv3.HttpConnectionManager_InternalAddressConfig {
	return &hcmv3.HttpConnectionManager_InternalAddressConfig{
		CidrRanges: []*corev3.CidrRange{{AddressPrefix: "127.0.0.1", PrefixLen: wrapperspb.UInt32(32)}},
	}
}

func isTrue(headers request.Headers, name string) bool {
	value, _ := headers.Get(name)
	return value == "true"
}
