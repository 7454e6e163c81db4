package rules

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// EdgeUnderscoreHeaders reports gateways that pass on headers with underscores.
var EdgeUnderscoreHeaders = &analyze.Rule{
	Name:       "edge-underscore-headers",
	Code:       "SEC01",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Profile:    analyze.Edge,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway passes on headers with underscores in their names",
		Finds: "`common_http_protocol_options.headers_with_underscores_action` that is ALLOW, the default, on the HTTP connection managers of a gateway.",
		Hurts: "Many servers read `x_user` and `x-user` as one header (CGI, WSGI, PHP). A client sends `x_user` past the policies and header rules for `x-user`, and the backend believes it.",
		Example: `common_http_protocol_options:
  headers_with_underscores_action: ALLOW`,
		Silent: "sidecars and waypoints; managers that reject such requests or drop such headers. Only with the profile `edge`: a gateway behind a hardened load balancer may have no need of it.",
		Fix:    "set `headers_with_underscores_action` to REJECT_REQUEST or DROP_HEADER with an EnvoyFilter for the gateway",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge",
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto",
		},
	},
	Run: runEdgeUnderscoreHeaders,
}

func runEdgeUnderscoreHeaders(pass *analyze.Pass) {
	eachEdge(pass, func(p *mesh.Proxy, r *mesh.Resource, l edgeListener) {
		count := countManagers(l, func(m *hcmv3.HttpConnectionManager) bool {
			return m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction() == corev3.HttpProtocolOptions_ALLOW
		})
		if count == 0 {
			return
		}
		pass.Report(analyze.Finding{
			Ref: p.Ref(mesh.Listener, r.Name()), Source: r.Source,
			Message:  fmt.Sprintf("%s passes on headers with underscores, which backends may take for those with hyphens", r.Name()),
			Evidence: []analyze.Evidence{{Name: "connection managers", Value: fmt.Sprintf("%d of %d", count, len(l.managers))}},
		})
	})
}

func countManagers(l edgeListener, has func(*hcmv3.HttpConnectionManager) bool) int {
	count := 0
	for _, m := range l.managers {
		if has(m) {
			count++
		}
	}
	return count
}
