package rules

import (
	"cmp"
	"fmt"

	httpextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ExtAuthzFailOpen reports ext_authz filters that let requests pass when their
// server does not answer.
var ExtAuthzFailOpen = &analyze.Rule{
	Name:       "ext-authz-fail-open",
	Code:       "AUT10",
	Severity:   analyze.Warning,
	Confidence: analyze.Proven,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "ext_authz lets requests pass when its server does not answer",
		Finds: "`failure_mode_allow: true` of `envoy.filters.http.ext_authz` and `envoy.filters.network.ext_authz`; Istio writes it for `failOpen: true` of an extension provider.",
		Hurts: "While the server is down, slow or overloaded, every request passes unchecked. Whoever can overload the server can switch the check off.",
		Example: `name: envoy.filters.http.ext_authz
typed_config: {failure_mode_allow: true, grpc_service: {envoy_grpc: {cluster_name: authz}}}`,
		Silent: "filters that are disabled in the listener, and those that refuse without an answer, which is the default. A filter that only adds headers may fail open: ignore the rule for it.",
		Fix:    "set `failOpen: false` in the extension provider, unless the server only enriches requests",
		References: []string{
			"https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/",
			"https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/http/ext_authz/v3/ext_authz.proto",
		},
	},
	Run: runExtAuthzFailOpen,
}

func runExtAuthzFailOpen(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		for _, l := range guardedListeners(pass, p) {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					config, ok := g.Config.(extAuthz)
					if !ok || !config.GetFailureModeAllow() {
						continue
					}
					server := serverOf(config)
					found.add(server, analyze.Finding{
						Ref: p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source,
						Message: fmt.Sprintf("%s: requests pass unchecked while it does not answer (failure_mode_allow)", server),
					}, analyze.Location{Ref: l.at(p, &l.chains[i]), Source: l.resource.Source, Message: "in filter " + g.Name})
				}
			}
			found.report(pass)
		}
	}
}

// serverOf names the server that an ext_authz filter asks.
func serverOf(config extAuthz) string {
	grpc := config.GetGrpcService()
	server := cmp.Or(grpc.GetEnvoyGrpc().GetClusterName(), grpc.GetGoogleGrpc().GetTargetUri())
	if http, ok := config.(*httpextauthzv3.ExtAuthz); ok && server == "" {
		uri := http.GetHttpService().GetServerUri()
		server = cmp.Or(uri.GetCluster(), uri.GetUri())
	}
	return cmp.Or(server, "the ext_authz server")
}
