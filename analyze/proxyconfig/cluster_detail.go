package proxyconfig

import (
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// ClusterDetail is what only a decoded cluster tells.
type ClusterDetail struct {
	// LBPolicy is lb_policy, or the type of the load_balancing_policy in its place.
	LBPolicy string
	// TLS tells how the cluster encrypts: "plaintext", "TLS", "mTLS", "auto mTLS", with the SNI.
	TLS            string
	ConnectTimeout time.Duration
	// OutlierDetection and HealthChecks are set where the cluster ejects or probes its hosts.
	OutlierDetection, HealthChecks bool
	// EDSName is the service name that EDS is asked for where it is not the cluster's name.
	EDSName string
}

// Detail decodes the cluster.
func (r ClusterRow) Detail() (ClusterDetail, error) {
	c, err := r.Resource.Cluster()
	if err != nil {
		return ClusterDetail{}, err
	}
	return ClusterDetail{
		LBPolicy: lbPolicy(c), TLS: clusterTLS(c), ConnectTimeout: c.GetConnectTimeout().AsDuration(),
		OutlierDetection: c.GetOutlierDetection() != nil, HealthChecks: len(c.GetHealthChecks()) > 0,
		EDSName: c.GetEdsClusterConfig().GetServiceName(),
	}, nil
}

func lbPolicy(c *clusterv3.Cluster) string {
	for _, policy := range c.GetLoadBalancingPolicy().GetPolicies() {
		url := policy.GetTypedExtensionConfig().GetTypedConfig().GetTypeUrl()
		return url[strings.LastIndexByte(url, '.')+1:]
	}
	return c.GetLbPolicy().String()
}

func clusterTLS(c *clusterv3.Cluster) string {
	matches := c.GetTransportSocketMatches()
	if len(matches) == 0 {
		return upstreamTLS(c.GetTransportSocket())
	}
	var modes []string
	plaintext := false
	for _, m := range matches {
		mode := upstreamTLS(m.GetTransportSocket())
		plaintext = plaintext || mode == "plaintext"
		modes = append(modes, mode)
	}
	// Istio's auto mTLS: mutual towards hosts with the label tlsMode=istio, plaintext to all others.
	if len(modes) == 2 && plaintext && strings.HasPrefix(modes[0], "mTLS") {
		return "auto " + modes[0]
	}
	return strings.Join(modes, " or ")
}

func upstreamTLS(socket *corev3.TransportSocket) string {
	if socket == nil {
		return "plaintext"
	}
	filter := mesh.TransportSocket(socket)
	context, ok := filter.Config.(*tlsv3.UpstreamTlsContext)
	if !ok {
		if strings.HasSuffix(filter.TypeURL, ".RawBuffer") || filter.TypeURL == "" && strings.HasSuffix(filter.Name, "raw_buffer") {
			return "plaintext"
		}
		return filter.Name
	}
	common := context.GetCommonTlsContext()
	mode := "TLS"
	if len(common.GetTlsCertificates()) > 0 || len(common.GetTlsCertificateSdsSecretConfigs()) > 0 || common.GetTlsCertificateProviderInstance() != nil {
		mode = "mTLS"
	}
	// The SNI that istiod derives from the cluster's name says nothing new.
	if sni := context.GetSni(); sni != "" && !strings.HasPrefix(sni, "outbound_.") {
		mode += " sni=" + sni
	}
	return mode
}
