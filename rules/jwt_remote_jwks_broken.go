package rules

import (
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// JWTRemoteJWKSBroken reports JWT providers whose keys Envoy cannot fetch.
var JWTRemoteJWKSBroken = &analyze.Rule{
	Name:       "jwt-remote-jwks-broken",
	Code:       "AUT08",
	Severity:   analyze.Error,
	Confidence: analyze.Proven,
	Category:   analyze.Outage,
	Needs:      []analyze.Need{analyze.NeedListeners, analyze.NeedClusters, analyze.NeedBootstrap},
	Doc: analyze.Doc{
		Title: "Envoy cannot fetch the keys of a JWT provider",
		Finds: "`providers.*.remote_jwks.http_uri.cluster` of `envoy.filters.http.jwt_authn` that is not among the active clusters, is still warming, or is of type EDS and has no endpoint.",
		Hurts: "Every token of the issuer is refused with 401 `Jwks remote fetch is failed`. Requests without a token pass where the token is not required.",
		Example: `providers:
  origins-0:
    remote_jwks:
      http_uri: {uri: https://idp.example.com/keys, cluster: outbound|443||idp.example.com, timeout: 5s}`,
		Silent: "`local_jwks`, which istiod fetches; clusters of other types than EDS, whose hosts are not assigned; dumps that do not have all clusters; on-demand CDS. `route-to-missing-cluster` names an absent cluster too; here is what it does to tokens.",
		Fix:    "create a ServiceEntry for the host of `jwksUri`, or let istiod fetch the keys (`PILOT_JWT_ENABLE_REMOTE_JWKS=false`)",
		References: []string{
			"https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter",
			"https://github.com/istio/istio/issues/45138",
		},
	},
	Run: runJWTRemoteJWKSBroken,
}

func runJWTRemoteJWKSBroken(pass *analyze.Pass) {
	clusters := map[*mesh.Proxy]*calledClusters{}
	eachProvider(pass, func(p *mesh.Proxy, l *guardedListener, c *guardedChain, found *fold, name string, provider *jwtv3.JwtProvider) {
		cluster := provider.GetRemoteJwks().GetHttpUri().GetCluster()
		if cluster == "" {
			return
		}
		if _, asked := clusters[p]; !asked {
			clusters[p] = newCalledClusters(pass, p)
		}
		if clusters[p] == nil {
			return
		}
		found.callFault(p, l, c, clusters[p], callFault{
			cluster: cluster,
			what:    "keys of " + providerLabel(name, provider) + " cannot be fetched",
			then:    "every token is refused with 401",
		})
	})
}
