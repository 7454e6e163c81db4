package rules

import (
	"fmt"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// EdgeLimitsMissing reports gateways without the limits that Envoy advises at the
// edge.
var EdgeLimitsMissing = &analyze.Rule{
	Name:       "edge-limits-missing",
	Code:       "SEC02",
	Severity:   analyze.Info,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Profile:    analyze.Edge,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway has none of the limits that Envoy advises for proxies that face the internet",
		Finds: "Listeners of gateways without `per_connection_buffer_limit_bytes`, and connection managers without `http2_protocol_options.max_concurrent_streams`, `request_headers_timeout`, or with `stream_idle_timeout: 0s`.",
		Hurts: "A client that sends slowly, opens many streams or does not read its responses holds memory and connections of the gateway; a few such clients can make it run out.",
		Example: `listener: {name: 0.0.0.0_8443}            # per_connection_buffer_limit_bytes is absent
http_connection_manager: {stat_prefix: outbound_0.0.0.0_8443}`,
		Silent: "sidecars and waypoints; limits that are set, whatever their value. Only with the profile `edge`: a gateway behind a hardened load balancer may have no need of them.",
		Fix:    "set the limits with an EnvoyFilter for the gateway: 32 KiB for `per_connection_buffer_limit_bytes`, 100 for `max_concurrent_streams`, 5s for `request_headers_timeout`",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge",
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
		},
	},
	Run: runEdgeLimitsMissing,
}

// edgeLimits are the limits of a connection manager by field name.
var edgeLimits = []struct {
	field   string
	missing func(*hcmv3.HttpConnectionManager) bool
}{
	{"http2_protocol_options.max_concurrent_streams", func(m *hcmv3.HttpConnectionManager) bool {
		return m.GetHttp2ProtocolOptions().GetMaxConcurrentStreams() == nil
	}},
	{"request_headers_timeout", func(m *hcmv3.HttpConnectionManager) bool { return m.GetRequestHeadersTimeout() == nil }},
	{"stream_idle_timeout", func(m *hcmv3.HttpConnectionManager) bool {
		return m.GetStreamIdleTimeout() != nil && m.GetStreamIdleTimeout().AsDuration() == 0
	}},
}

func runEdgeLimitsMissing(pass *analyze.Pass) {
	eachEdge(pass, func(p *mesh.Proxy, r *mesh.Resource, l edgeListener) {
		var missing []string
		if l.message.GetPerConnectionBufferLimitBytes() == nil {
			missing = append(missing, "per_connection_buffer_limit_bytes")
		}
		for _, limit := range edgeLimits {
			if countManagers(l, limit.missing) > 0 {
				missing = append(missing, limit.field)
			}
		}
		if len(missing) == 0 {
			return
		}
		pass.Report(analyze.Finding{
			Ref: p.Ref(mesh.Listener, r.Name()), Source: r.Source,
			Message: fmt.Sprintf("%s has no limit by %s", r.Name(), strings.Join(missing, ", ")),
		})
	})
}
