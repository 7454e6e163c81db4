package trace

import (
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// manager is an HTTP connection manager, compiled.
type manager struct {
	config  *hcmv3.HttpConnectionManager
	filters []*httpFilter
	// inline is route_config; nil where routes come by RDS or SRDS.
	inline *table
}

func newManager(v *view, config *hcmv3.HttpConnectionManager) *manager {
	m := &manager{config: config}
	if inline := config.GetRouteConfig(); inline != nil {
		m.inline = &table{message: inline}
	}
	for _, f := range v.discovered(mesh.HTTPFilters(config)) {
		m.filters = append(m.filters, newHTTPFilter(f))
	}
	return m
}

// http carries the request as an HTTP connection manager does: it is put in
// normal form, given a route, taken through the filters, and sent on.
func (h *hop) http(m *manager) bool {
	h.manager = m
	switch {
	case h.request.IsTCP():
		return h.reply(Unmodelled, 400, "DPE", "http1.codec_error", "bytes that are not HTTP reach an HTTP connection manager: it answers 400 and closes")
	case h.request.TLS != nil && !h.attrs.TLS && !h.chain.tls.optional && h.chain.tls.unknown == "":
		return h.reply(TLSMismatch, 400, "DPE", "http1.codec_error", "the client sends TLS, and filter chain "+h.chain.label+" does not terminate it: the handshake is not HTTP")
	}
	h.attrs.Headers, h.attrs.Protocol = wireHeaders(&h.request), protocolName(&h.request)
	if !h.normalize() {
		return false
	}
	if !h.tables() {
		return false
	}
	h.findRoute()
	if !h.upgrade() || !h.httpFilters() {
		return false
	}
	return h.router()
}

// tables finds the route configuration in force.
func (h *hop) tables() bool {
	table, unknown := h.routeTable()
	if table == nil {
		h.step(Step{Kind: StepVHost, Reason: h.out.Outcome.Reason, Ref: h.ref(mesh.Route, h.out.Outcome.RouteConfig)})
		if unknown {
			return h.end(Unmodelled, h.out.Outcome.Reason)
		}
		h.route = &chosenRoute{missing: NoRoute, reason: h.out.Outcome.Reason}
		return true
	}
	h.route = &chosenRoute{table: table}
	return true
}

// routeTable returns the route configuration of the manager; nil with
// Outcome.Reason set where there is none, unknown where it cannot be told.
func (h *hop) routeTable() (t *table, unknown bool) {
	o := &h.out.Outcome
	config := h.manager.config
	switch {
	case h.manager.inline != nil:
		h.manager.inline.load()
		o.RouteConfig = h.manager.inline.message.GetName()
		return h.manager.inline, false
	case config.GetRds() != nil:
		return h.named(config.GetRds().GetRouteConfigName())
	case config.GetScopedRoutes() != nil:
		return h.scoped(config.GetScopedRoutes())
	}
	o.Reason = "the HTTP connection manager has no routes"
	return nil, false
}

// named returns a route configuration that came by RDS.
func (h *hop) named(name string) (*table, bool) {
	o := &h.out.Outcome
	o.RouteConfig = name
	t, ok := h.view.tables[name]
	switch {
	case ok && t.load():
		return t, false
	case ok:
		h.unknown("route configuration "+name, "it could not be decoded: "+t.err.Error())
		o.Reason = "route configuration " + name + " could not be decoded"
		return nil, true
	case !h.view.proxy.Has(mesh.Route):
		h.unknown("route configurations", "the capture has none of this proxy")
		o.Reason = "the capture has no route configurations, and the listener wants " + name
		return nil, true
	}
	if !h.view.proxy.Whole(mesh.Route) {
		h.unknown("route configurations", "the dump is cut off within them")
		o.Reason = "route configuration " + name + " is not among those before the place where the dump is cut off"
		return nil, true
	}
	o.Reason = "route configuration " + name + " never came: Envoy answers 404"
	return nil, false
}

// isConnect reports whether the request is a CONNECT.
func isConnect(method string) bool { return strings.EqualFold(method, "CONNECT") }
