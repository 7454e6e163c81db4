package authz

import (
	"cmp"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	networkextauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/ext_authz/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// extAuthz is the configuration of an HTTP or a network ext_authz filter.
type extAuthz interface {
	GetGrpcService() *corev3.GrpcService
	GetFailureModeAllow() bool
	GetFilterEnabledMetadata() *matcherv3.MetadataMatcher
}

func extAuthzOf(f mesh.Filter) extAuthz {
	switch config := f.Config.(type) {
	case *httpextauthzv3.ExtAuthz:
		return config
	case *networkextauthzv3.ExtAuthz:
		return config
	}
	return nil
}

// external adds an ext_authz filter that no CUSTOM policy switches on.
func (c *collector) external(s site, config extAuthz) {
	if config.GetFilterEnabledMetadata() != nil {
		return
	}
	c.rule(s, policyKey{action: Custom, name: s.filter.Name}, Rule{Asks: asks(config)})
}

// asksFor says what the ext_authz filter does that a CUSTOM policy switches on.
func asksFor(policy string, filters []mesh.Filter) string {
	for _, f := range filters {
		config := extAuthzOf(f)
		if config == nil || config.GetFilterEnabledMetadata() == nil {
			continue
		}
		enabled := match.CompileValue(config.GetFilterEnabledMetadata().GetValue())
		if enabled.Match(structpb.NewStringValue(policy)).Outcome == match.Yes {
			return asks(config)
		}
	}
	return "asks nobody: no ext_authz filter beside it belongs to this policy"
}

// asks says which server a filter asks, and what happens without an answer.
func asks(config extAuthz) string {
	grpc := config.GetGrpcService()
	server := cmp.Or(grpc.GetEnvoyGrpc().GetClusterName(), grpc.GetGoogleGrpc().GetTargetUri())
	timeout := grpc.GetTimeout()
	if http, ok := config.(*httpextauthzv3.ExtAuthz); ok && http.GetHttpService() != nil {
		uri := http.GetHttpService().GetServerUri()
		server, timeout = cmp.Or(uri.GetCluster(), uri.GetUri()), uri.GetTimeout()
	}
	words := "asks " + cmp.Or(server, "a server that is not named")
	if timeout != nil {
		words += " within " + timeout.AsDuration().String()
	}
	if config.GetFailureModeAllow() {
		return words + "; no answer lets the request pass"
	}
	return words + "; no answer refuses the request"
}
