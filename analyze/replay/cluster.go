package replay

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	internalupstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/internal_upstream/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh"
)

// aggregateType is the one kind of cluster that only refers to others.
const aggregateType = "envoy.extensions.clusters.aggregate.v3.ClusterConfig"

// httpOptions is the key of HTTP settings in typed_extension_protocol_options.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// writeClusters adds cds.json: every active cluster, its endpoints being stubs.
func (b *builder) writeClusters() error {
	b.changes.add("replaced: upstream hosts", "stubs on loopback answer for them", "all clusters")
	b.changes.add("left out: upstream TLS, health checks, outlier detection", "the stubs talk cleartext and are always there", "all clusters")
	b.changes.add("replaced: access logs, tracing, statistics sinks", "one access log tells what became of a request", "all listeners")
	var resources []proto.Message
	assignments := b.assignments()
	for _, resource := range b.proxy.Clusters {
		if resource.State != mesh.Active {
			b.changes.add("left out: clusters that are "+string(resource.State), "they serve no traffic", "cluster "+resource.Name())
			continue
		}
		cluster, err := resource.Cluster()
		if err != nil {
			b.changes.add("left out: cluster "+resource.Name(), err.Error(), resource.Source.String())
			continue
		}
		cluster = proto.CloneOf(cluster)
		b.cluster(cluster, assignments)
		resources = append(resources, cluster)
	}
	return b.writeResources(clustersPath, mesh.Cluster.TypeURL(), resources)
}

func (b *builder) cluster(c *clusterv3.Cluster, assignments map[string]*endpointv3.ClusterLoadAssignment) {
	where := "cluster " + c.GetName()
	if typeName(c.GetClusterType().GetTypedConfig().GetTypeUrl()) != aggregateType {
		b.staticHosts(c, assignments)
	}
	c.EdsClusterConfig, c.LrsServer, c.LrsReportEndpointMetrics = nil, nil, nil
	b.upstreamTLS(c)
	c.HealthChecks, c.OutlierDetection, c.UpstreamBindConfig, c.Filters = nil, nil, nil, nil
	c.UpstreamConnectionOptions, c.UpstreamConfig = nil, nil
	c.WaitForWarmOnInit, c.CleanupInterval, c.TrackClusterStats, c.StatsMatcher = nil, nil, nil, nil
	// The access log names a cluster by its alternative name where it has one.
	c.AltStatName = ""
	if c.GetConnectTimeout().AsDuration() <= 0 {
		c.ConnectTimeout = durationpb.New(5e9)
	}
	b.upstreamProtocol(c)
	b.scrub(where, c)
}

// staticHosts gives a cluster the hosts that it had, as stubs.
func (b *builder) staticHosts(c *clusterv3.Cluster, assignments map[string]*endpointv3.ClusterLoadAssignment) {
	assignment := b.hosts(c, assignments)
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.LoadAssignment = assignment
	if c.GetLbPolicy() == clusterv3.Cluster_CLUSTER_PROVIDED {
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	}
	if _, ok := c.GetLbConfig().(*clusterv3.Cluster_OriginalDstLbConfig_); ok {
		c.LbConfig = nil
	}
	c.DnsRefreshRate, c.DnsJitter, c.DnsFailureRefreshRate, c.RespectDnsTtl = nil, nil, nil, false
	c.DnsLookupFamily, c.DnsResolvers, c.UseTcpForDnsLookups = clusterv3.Cluster_AUTO, nil, false //nolint:staticcheck // what old captures have
	c.DnsResolutionConfig, c.TypedDnsResolverConfig = nil, nil                                    //nolint:staticcheck // see above
}

// upstreamTLS takes the transport sockets off, but for the wrapper that carries
// metadata to an internal listener.
func (b *builder) upstreamTLS(c *clusterv3.Cluster) {
	c.TransportSocketMatches, c.TransportSocketMatcher = nil, nil
	wrapper, ok := mesh.TransportSocket(c.GetTransportSocket()).Config.(*internalupstreamv3.InternalUpstreamTransport)
	if !ok {
		c.TransportSocket = nil
		return
	}
	wrapper = proto.CloneOf(wrapper)
	wrapper.TransportSocket = &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.raw_buffer",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: mustPack(&rawbufferv3.RawBuffer{})},
	}
	c.TransportSocket.ConfigType = &corev3.TransportSocket_TypedConfig{TypedConfig: mustPack(wrapper)}
}

// upstreamProtocol keeps which HTTP version the cluster speaks and nothing else:
// without TLS no version can be negotiated.
func (b *builder) upstreamProtocol(c *clusterv3.Cluster) {
	if c.GetHttp2ProtocolOptions() != nil { //nolint:staticcheck // what old captures have
		c.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{}
	}
	c.HttpProtocolOptions, c.CommonHttpProtocolOptions, c.UpstreamHttpProtocolOptions = nil, nil, nil //nolint:staticcheck // see above
	packed := c.GetTypedExtensionProtocolOptions()[httpOptions]
	c.TypedExtensionProtocolOptions = nil
	options, ok := mesh.Unpack(httpOptions, packed).Config.(*upstreamhttpv3.HttpProtocolOptions)
	if !ok {
		return
	}
	kept := &upstreamhttpv3.HttpProtocolOptions{}
	switch o := options.GetUpstreamProtocolOptions().(type) {
	case *upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_:
		if o.ExplicitHttpConfig.GetHttp2ProtocolOptions() == nil {
			return
		}
		kept.UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
				},
			},
		}
	case *upstreamhttpv3.HttpProtocolOptions_UseDownstreamProtocolConfig:
		kept.UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
			UseDownstreamProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
			},
		}
	default:
		return
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpOptions: mustPack(kept)}
}
