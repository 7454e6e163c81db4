package rules

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	networkextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// ExtAuthzUnreachable reports ext_authz filters whose server cannot be asked.
var ExtAuthzUnreachable = &analyze.Rule{
	Name:       "ext-authz-unreachable",
	Code:       "AUT09",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedClusters, analyze.NeedBootstrap},
	Doc: analyze.Doc{
		Title: "the server that ext_authz asks cannot be reached",
		Finds: "`grpc_service.envoy_grpc.cluster_name` and `http_service.server_uri.cluster` of `envoy.filters.http.ext_authz` and `envoy.filters.network.ext_authz` that is not among the active clusters, or is of type EDS and has no endpoint: an error. " +
			"A cluster that is still warming, or one for gRPC without HTTP/2, is a warning.",
		Hurts: "Every request that has to be checked is answered with 403 (`status_on_error`) and response flag UAEX. With `failure_mode_allow` the requests pass unchecked instead, which is a warning.",
		Example: `name: envoy.filters.http.ext_authz
typed_config: {grpc_service: {envoy_grpc: {cluster_name: "outbound|9000||ext-authz.opa.svc.cluster.local"}}} # no such cluster`,
		Silent: "filters that are disabled in the listener; `google_grpc`; clusters of other types than EDS, whose hosts are not assigned; dumps that do not have all clusters; on-demand CDS. " +
			"`route-to-missing-cluster` and `cluster-without-endpoints` name the cluster too; here is what becomes of the requests.",
		Fix: "correct `service` and `port` of the extension provider, see that its pods are ready and that the Sidecar's egress hosts have it; name the Service's port `grpc` where it speaks gRPC",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-custom/",
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter",
			"https://github.com/istio/istio/issues/40944",
		},
	},
	Run: runExtAuthzUnreachable,
}

func runExtAuthzUnreachable(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		listeners := guardedListeners(pass, p)
		if !asksServers(listeners) {
			continue
		}
		clusters := newCalledClusters(pass, p)
		if clusters == nil {
			continue
		}
		for _, l := range listeners {
			found := newFold()
			for i := range l.chains {
				for _, g := range l.chains[i].guards {
					if config, ok := g.Config.(extAuthz); ok {
						found.unreachable(p, &l, &l.chains[i], clusters, config)
					}
				}
			}
			found.report(pass)
		}
	}
}

func (f *fold) unreachable(p *mesh.Proxy, l *guardedListener, c *guardedChain, clusters *calledClusters, config extAuthz) {
	call := callFault{
		cluster: config.GetGrpcService().GetEnvoyGrpc().GetClusterName(), grpc: true,
		allowed: config.GetFailureModeAllow(),
		what:    "ext_authz cannot ask its server",
		then:    "every request that it has to check is refused (403, UAEX)",
	}
	if http, ok := config.(*httpextauthzv3.ExtAuthz); ok && http.GetHttpService() != nil {
		call.cluster, call.grpc = http.GetHttpService().GetServerUri().GetCluster(), false
	}
	if call.allowed {
		call.then = "every request passes unchecked (failure_mode_allow)"
	}
	if call.cluster != "" {
		f.callFault(p, l, c, clusters, call)
	}
}

// extAuthz is the configuration of an HTTP or a network ext_authz filter.
type extAuthz interface {
	GetGrpcService() *corev3.GrpcService
	GetFailureModeAllow() bool
}

var (
	_ extAuthz = (*httpextauthzv3.ExtAuthz)(nil)
	_ extAuthz = (*networkextauthzv3.ExtAuthz)(nil)
)

// asksServers reports whether any filter is an ext_authz filter.
func asksServers(listeners []guardedListener) bool {
	for _, l := range listeners {
		for _, c := range l.chains {
			for _, g := range c.guards {
				if _, ok := g.Config.(extAuthz); ok {
					return true
				}
			}
		}
	}
	return false
}
