package proxyconfig

import (
	"cmp"
	"fmt"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// BootstrapSummary is what istioctl's short form says of a bootstrap. Unknown fields are empty.
type BootstrapSummary struct {
	// IstioVersion is ISTIO_VERSION of the node's metadata, ProxyVersion the revision in
	// ISTIO_PROXY_SHA.
	IstioVersion, ProxyVersion string
	// EnvoyVersion is the node's user_agent_build_version: "1.39.0-label/Clean/RELEASE/BoringSSL",
	// of which only the number is always there.
	EnvoyVersion string
	NodeID       string
	Cluster      string
}

// Bootstrap summarises the proxy's bootstrap; without one the error is [mesh.ErrNotCaptured].
func Bootstrap(p *mesh.Proxy) (BootstrapSummary, error) {
	if p.Bootstrap == nil {
		return BootstrapSummary{}, fmt.Errorf("the bootstrap is %w", mesh.ErrNotCaptured)
	}
	b, err := p.Bootstrap.Bootstrap()
	if err != nil {
		return BootstrapSummary{}, err
	}
	node := b.GetNode()
	metadata := node.GetMetadata().GetFields()
	sha := metadata["ISTIO_PROXY_SHA"].GetStringValue()
	if _, revision, found := strings.Cut(sha, ":"); found {
		sha = revision
	}
	return BootstrapSummary{
		IstioVersion: cmp.Or(metadata["ISTIO_VERSION"].GetStringValue(), p.IstioVersion),
		ProxyVersion: sha, EnvoyVersion: cmp.Or(buildVersion(node.GetUserAgentBuildVersion()), p.EnvoyVersion),
		NodeID: node.GetId(), Cluster: node.GetCluster(),
	}, nil
}

func buildVersion(v *corev3.BuildVersion) string {
	if v == nil {
		return ""
	}
	text := fmt.Sprintf("%d.%d.%d", v.GetVersion().GetMajorNumber(), v.GetVersion().GetMinorNumber(), v.GetVersion().GetPatch())
	fields := v.GetMetadata().GetFields()
	if label := fields["build.label"].GetStringValue(); label != "" {
		text += "-" + label
	}
	for _, key := range []string{"revision.status", "build.type", "ssl.version"} {
		if value := fields[key].GetStringValue(); value != "" {
			text += "/" + value
		}
	}
	return text
}
