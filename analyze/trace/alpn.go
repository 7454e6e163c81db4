package trace

import (
	"slices"

	"github.com/meshray/meshray/analyze/request"
)

// SidecarALPN is what an Istio sidecar offers in the handshake to another sidecar
// for a request: its alpn filter tells HTTP by it.
func SidecarALPN(r *request.Request) []string {
	switch {
	case r.IsTCP():
		return []string{"istio-peer-exchange", "istio"}
	case r.IsHTTP2():
		return []string{"istio-h2", "istio", "h2"}
	case r.Protocol == request.HTTP10:
		return []string{"istio-http/1.0", "istio", "http/1.0"}
	}
	return []string{"istio-http/1.1", "istio", "http/1.1"}
}

// alpnTo is what this proxy offers in the handshake to an endpoint: what the
// cluster says, unless Istio's alpn filter puts its own in place.
func (h *hop) alpnTo(target *host, configured []string) []string {
	if h.manager == nil || !slices.ContainsFunc(h.manager.filters, func(f *httpFilter) bool { return f.Name == "istio.alpn" }) {
		return configured
	}
	own := target.cluster.message.GetMetadata().GetFilterMetadata()["istio"].GetFields()["alpn_override"].GetStringValue()
	if own == "false" || !slices.Contains(configured, "istio") {
		return configured
	}
	return SidecarALPN(&h.request)
}
