package trace

import (
	"fmt"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// enter finds the listener that gets the connection.
func (h *hop) enter() bool {
	first, reason := h.firstListener()
	if first == nil {
		return h.noListener()
	}
	if first.load() == nil {
		return h.undecodable("listener", first.name(), first.err)
	}
	h.listener = first
	h.runListenerFilters(first)
	if first.handsOver && h.in.internal == "" {
		if fits := h.view.at(h.in.to); fits != nil && fits != first {
			if fits.load() == nil {
				return h.undecodable("listener", fits.name(), fits.err)
			}
			h.listener = fits
			reason = fmt.Sprintf("%s hands %s over to it", first.name(), h.in.to)
			h.runListenerFilters(fits)
		} else {
			reason = fmt.Sprintf("no listener claims %s, so %s keeps it", h.in.to, first.name())
		}
	}
	if why := h.listenersLost(); why != "" {
		h.unknown("listeners", why+": one that fits better may be there")
	}
	h.out.Outcome.Listener = h.listener.name()
	step := h.step(Step{
		Kind: StepListener, Chosen: h.listener.name(), Reason: reason,
		Ref: h.ref(mesh.Listener, h.listener.name()), Source: h.listener.resource.Source,
		Object: h.walk.engine.object(h.listener.message.GetMetadata()),
	})
	if address := h.listener.address(); !strings.Contains(h.listener.name(), address) {
		step.Notes = append(step.Notes, "address "+address)
	}
	if o := other(h.view.proxy.Listeners, h.listener.name()); o != nil {
		step.Notes = append(step.Notes, fmt.Sprintf("another version of it is %s and does not serve", o.State))
	}
	return true
}

// listenersLost says why the proxy may listen elsewhere, too; "" where it does not.
func (h *hop) listenersLost() string {
	if h.view.proxy.Has(mesh.Listener) && !h.view.proxy.Whole(mesh.Listener) {
		return "the dump is cut off within the listeners"
	}
	for _, l := range h.view.listeners {
		if len(l.addresses) == 0 && l.err != nil {
			return "where " + l.name() + " listens cannot be told: " + l.err.Error()
		}
	}
	return ""
}

func (h *hop) firstListener() (*listener, string) {
	if h.in.internal != "" {
		return h.view.internal[h.in.internal], "internal listener of the cluster's endpoint"
	}
	l := h.view.entry(h.in.direction, h.in.to)
	if l == nil {
		return nil, ""
	}
	if h.in.direction != request.AtGateway && (l.handsOver || l.restoresDestination()) {
		return l, fmt.Sprintf("gets %s connections by redirection", h.in.direction)
	}
	return l, fmt.Sprintf("listens on %s", l.address())
}

func (h *hop) noListener() bool {
	where := h.in.to.String()
	if h.in.internal != "" {
		where = "the internal address " + h.in.internal
	}
	reason := "no listener of this proxy listens on " + where
	for _, r := range h.view.proxy.Listeners {
		if address, ok := socketAddress(r, "address"); r.State != mesh.Active && ok && address.Port() == h.in.to.Port() {
			reason += fmt.Sprintf("; listener %q on %s is %s", r.Name(), address, r.State)
		}
	}
	if len(h.view.proxy.Listeners) == 0 && !h.view.proxy.Has(mesh.Listener) {
		reason = "the capture has no listeners of this proxy"
		h.unknown("listeners", "without them nothing can be said of the request")
		return h.end(Unmodelled, reason)
	}
	if why := h.listenersLost(); why != "" {
		h.unknown("listeners", why)
		return h.end(Unmodelled, reason+", and "+why)
	}
	h.step(Step{Kind: StepListener, Reason: reason, Ref: h.ref(mesh.Listener, ""), Rejected: h.listenersOfPort()})
	return h.end(NoListener, reason+": the connection is refused")
}

// listenersOfPort lists what listens elsewhere, for a destination that nothing
// listens on.
func (h *hop) listenersOfPort() []Rejected {
	if !h.why() {
		return nil
	}
	var out []Rejected
	for _, l := range h.view.listeners {
		if l.internal || len(l.addresses) == 0 {
			continue
		}
		want := l.address()
		if !l.bound {
			want += " without a socket (bind_to_port false)"
		}
		out = append(out, Rejected{Candidate: l.name(), Condition: "address", Want: want, Got: h.in.to.String()})
	}
	return out
}

func (h *hop) undecodable(kind, name string, err error) bool {
	h.unknown(kind+" "+name, "it could not be decoded: "+err.Error())
	return h.end(Unmodelled, fmt.Sprintf("%s %q could not be decoded", kind, name))
}

// runListenerFilters sets what the listener filters find out about the connection.
func (h *hop) runListenerFilters(l *listener) {
	for i, f := range l.filters {
		if disabled(l.message.GetListenerFilters()[i].GetFilterDisabled(), h.attrs.Destination.Port()) {
			continue
		}
		h.listenerFilter(f)
	}
}

func (h *hop) listenerFilter(f mesh.Filter) {
	tls := h.request.TLS
	switch filterKind(f) {
	case "OriginalDst", "original_dst", "ProxyProtocol", "proxy_protocol", "OriginalSrc", "original_src", "Config":
		// The request's own addresses are those behind these filters.
	case "TlsInspector", "tls_inspector":
		if tls != nil {
			h.attrs.TransportProtocol = "tls"
			h.attrs.SNI = strings.ToLower(tls.SNI)
			h.attrs.ApplicationProtocols = tls.ALPN
		}
	case "HttpInspector", "http_inspector":
		if tls == nil && !h.request.IsTCP() && h.attrs.TransportProtocol != "tls" && recognisable(&h.request) {
			h.attrs.ApplicationProtocols = []string{inspected(&h.request)}
		}
	default:
		h.unknown("listener filter "+f.Name, "it can close the connection or change what the filter chain is chosen by")
	}
}

// inspected is the application protocol that an HTTP inspector finds in cleartext.
func inspected(r *request.Request) string {
	switch {
	case r.IsHTTP2():
		return "h2c"
	case r.Protocol == request.HTTP10:
		return "http/1.0"
	}
	return "http/1.1"
}

// filterKind is the last part of a filter's type, or of its name where it has no
// configuration.
func filterKind(f mesh.Filter) string {
	name := f.TypeURL
	if name == "" {
		name = f.Name
	}
	return name[strings.LastIndexByte(name, '.')+1:]
}

// disabled evaluates filter_disabled.
func disabled(p *listenerv3.ListenerFilterChainMatchPredicate, port uint16) bool {
	switch rule := p.GetRule().(type) {
	case *listenerv3.ListenerFilterChainMatchPredicate_OrMatch:
		for _, r := range rule.OrMatch.GetRules() {
			if disabled(r, port) {
				return true
			}
		}
		return false
	case *listenerv3.ListenerFilterChainMatchPredicate_AndMatch:
		for _, r := range rule.AndMatch.GetRules() {
			if !disabled(r, port) {
				return false
			}
		}
		return true
	case *listenerv3.ListenerFilterChainMatchPredicate_NotMatch:
		return !disabled(rule.NotMatch, port)
	case *listenerv3.ListenerFilterChainMatchPredicate_AnyMatch:
		return rule.AnyMatch
	case *listenerv3.ListenerFilterChainMatchPredicate_DestinationPortRange:
		r := rule.DestinationPortRange
		return int32(port) >= r.GetStart() && int32(port) < r.GetEnd()
	}
	return false
}

// inspect completes what the listener filters left open.
func (h *hop) inspect() bool {
	if h.attrs.TransportProtocol == "" {
		h.attrs.TransportProtocol = "raw_buffer"
	}
	return true
}

// chooseChain finds the filter chain.
func (h *hop) chooseChain() bool {
	picked := h.listener.chainsOf().choose(&h.attrs, h.why())
	step := h.step(Step{
		Kind: StepChain, Reason: picked.reason, Rejected: picked.rejected,
		Ref: h.ref(mesh.Listener, h.listener.name()), Source: h.listener.resource.Source,
	})
	if picked.unknown.Outcome == match.Unknown {
		h.unknown("filter_chain_matcher: "+picked.unknown.Condition, "which filter chain is chosen")
		return h.end(Unmodelled, picked.reason)
	}
	if picked.chain == nil {
		if reason := h.otherwiseSecured(); reason != "" {
			return h.close(TLSMismatch, "NR", "filter_chain_not_found", reason+": no filter chain fits, and the connection is closed")
		}
		return h.close(NoFilterChain, "NR", "filter_chain_not_found", picked.reason+": the connection is closed")
	}
	h.chain = picked.chain
	h.out.Outcome.FilterChain = h.chain.label
	step.Chosen = h.chain.label
	step.Ref.Path = h.chain.label
	step.Object = h.walk.engine.object(h.chain.message.GetMetadata())
	return true
}
