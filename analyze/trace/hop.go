package trace

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// arrival is a request at the door of a proxy, with addresses that are known.
type arrival struct {
	request   request.Request
	direction request.Direction
	to, from  netip.AddrPort
	// internal names the internal listener that the connection enters instead of
	// a socket.
	internal string
	// principal is the peer that an outer tunnel has shown, for an internal listener.
	principal string
	// tunnel is what travels inside the request, a CONNECT; nil for none.
	tunnel *payload
}

// hop walks a request through one proxy.
type hop struct {
	walk *walk
	view *view
	in   arrival
	out  Hop

	attrs   match.Attributes
	request request.Request // as the filters have changed it

	listener *listener
	chain    *chain
	// manager is set once an HTTP connection manager has the request.
	manager *manager
	route   *chosenRoute
	cluster *cluster
	balance *balance
	sockets upstreamSocket
	// connects is set where the route ends a CONNECT tunnel here.
	connects bool
	// singleAddress is set where x-forwarded-for names one client and no proxy.
	singleAddress bool
}

func newHop(w *walk, p *mesh.Proxy, in arrival) *hop {
	h := &hop{walk: w, view: w.engine.view(p), in: in, request: in.request}
	h.out = Hop{Proxy: p.Key(), Kind: p.Kind, Direction: in.direction, Request: in.request}
	h.out.Outcome.GRPCStatus = -1
	h.out.Outcome.RouteIndex = -1
	h.out.Outcome.Timeout = -1
	h.attrs = match.Attributes{
		Destination: in.to, DirectSource: in.from, Source: in.from,
		Random: in.request.Random, Runtime: h.view.runtime(),
	}
	if in.principal != "" {
		h.attrs.FilterState = map[string]string{"io.istio.peer_principal": in.principal}
	}
	return h
}

// run takes the request from the listener to its end at this proxy.
func (h *hop) run() {
	if !h.enter() || !h.inspect() || !h.chooseChain() || !h.terminateTLS() {
		return
	}
	h.network()
}

func (h *hop) why() bool { return h.walk.options.Why }

// step appends a step of the ladder and returns it to be completed.
func (h *hop) step(s Step) *Step {
	h.out.Steps = append(h.out.Steps, s)
	return &h.out.Steps[len(h.out.Steps)-1]
}

// unknown notes what the capture cannot tell.
func (h *hop) unknown(what, effect string) {
	h.out.Unknowns = append(h.out.Unknowns, Unknown{What: what, Effect: effect})
}

// unknownFilter notes a filter that is not modelled.
func (h *hop) unknownFilter(layer string, f mesh.Filter, effect string) {
	h.out.Unknowns = append(h.out.Unknowns, Unknown{What: layer + " filter " + f.Name, Effect: effect, Flag: refusals[filterKind(f)]})
}

// refusals are the response flags with which filters refuse.
var refusals = map[string]string{
	"ExtAuthz": "UAEX", "RateLimit": "RL", "LocalRateLimit": "RL", "RateLimitQuotaFilterConfig": "RL",
}

// end sets how the hop ends; it returns false, for the caller to stop with.
func (h *hop) end(verdict Verdict, reason string) bool {
	h.out.Outcome.Verdict = verdict
	h.out.Outcome.Reason = reason
	return false
}

// reply ends the hop with a local reply of Envoy. To a gRPC request it has HTTP
// status 200 and the code as grpc-status.
func (h *hop) reply(verdict Verdict, status int, flags, details, reason string) bool {
	o := &h.out.Outcome
	o.Status, o.Flags, o.Details = status, joinFlags(o.Flags, flags), details
	if h.isGRPC() {
		o.Status, o.GRPCStatus = 200, grpcStatus(status)
	}
	return h.end(verdict, reason)
}

// refuse is a reply to a request that is not even looked at as one, so that it
// makes no difference whether it is gRPC.
func (h *hop) refuse(status int, details, reason string) bool {
	o := &h.out.Outcome
	o.Status, o.Flags, o.Details = status, joinFlags(o.Flags, "DPE"), details
	return h.end(Denied, reason)
}

// joinFlags adds a response flag to those that are set.
func joinFlags(set, more string) string {
	if set == "" || more == "" {
		return set + more
	}
	return set + "," + more
}

// close ends the hop with a closed connection.
func (h *hop) close(verdict Verdict, flags, details, reason string) bool {
	h.out.Outcome.Flags, h.out.Outcome.Details = flags, details
	return h.end(verdict, reason)
}

// isGRPC is Envoy's test for a gRPC request.
func (h *hop) isGRPC() bool {
	contentType, _ := h.attrs.Headers.Get("content-type")
	return contentType == "application/grpc" || strings.HasPrefix(contentType, "application/grpc+")
}

// grpcStatus is the grpc-status that Envoy gives a local reply with an HTTP status.
func grpcStatus(status int) int {
	switch status {
	case 400:
		return 13 // Internal
	case 401:
		return 16 // Unauthenticated
	case 403:
		return 7 // PermissionDenied
	case 404:
		return 12 // Unimplemented
	case 429, 502, 503, 504:
		return 14 // Unavailable
	}
	return 2 // Unknown
}

// ref addresses something of this hop's proxy.
func (h *hop) ref(kind mesh.ResourceKind, name string) mesh.Ref {
	return mesh.Ref{Proxy: h.out.Proxy, Kind: kind, Name: name}
}

// indexLabel is a name, or "#index" for what has none.
func indexLabel(name string, index int) string {
	if name != "" {
		return name
	}
	return "#" + strconv.Itoa(index)
}
