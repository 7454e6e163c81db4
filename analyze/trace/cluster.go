package trace

import (
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	aggregatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/aggregate/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// blackHoleCluster and passthroughCluster are Istio's names for what leads nowhere
// and for what leaves the mesh.
const (
	blackHoleCluster   = "BlackHoleCluster"
	passthroughCluster = "PassthroughCluster"
)

// cluster is one cluster that serves; it is decoded when a request reaches it.
type cluster struct {
	resource *mesh.Resource
	loaded   bool
	err      error
	message  *clusterv3.Cluster
	// members are the clusters of an aggregate cluster.
	members []string
	// unknownType names a cluster_type extension that is not modelled.
	unknownType string

	hosts   *hostSet // made once by view.hostsOf
	sockets *socketMatches
}

func (c *cluster) load() bool {
	if c.loaded {
		return c.err == nil
	}
	c.loaded = true
	c.message, c.err = c.resource.Cluster()
	if c.err != nil {
		return false
	}
	custom := c.message.GetClusterType()
	if custom == nil {
		return true
	}
	config := mesh.Unpack(custom.GetName(), custom.GetTypedConfig())
	if aggregate, ok := config.Config.(*aggregatev3.ClusterConfig); ok {
		c.members = aggregate.GetClusters()
		return true
	}
	c.unknownType = custom.GetName()
	return true
}

// isDNS reports whether names are resolved for the cluster.
func (c *cluster) isDNS() bool {
	switch c.message.GetType() {
	case clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_LOGICAL_DNS:
		return c.message.GetClusterType() == nil
	}
	return strings.HasSuffix(c.unknownType, ".dns")
}

func (c *cluster) isOriginalDst() bool {
	return c.message.GetClusterType() == nil && c.message.GetType() == clusterv3.Cluster_ORIGINAL_DST
}

func (c *cluster) typeName() string {
	switch {
	case len(c.members) > 0:
		return "aggregate"
	case c.unknownType != "":
		return c.unknownType
	}
	return c.message.GetType().String()
}

// useCluster makes name the cluster of the request. It ends the hop where no such
// cluster serves.
func (h *hop) useCluster(name, reason string) bool {
	h.out.Outcome.Cluster = name
	step := h.step(Step{Kind: StepCluster, Chosen: name, Reason: reason, Ref: h.ref(mesh.Cluster, name)})
	c := h.view.clusters[name]
	if c == nil {
		return h.noCluster(step, name)
	}
	step.Source = c.resource.Source
	if !c.load() {
		return h.undecodable("cluster", name, c.err)
	}
	h.cluster = c
	step.Notes = append(step.Notes, "type "+c.typeName())
	step.Object = h.walk.engine.object(c.message.GetMetadata())
	if o := other(h.view.proxy.Clusters, name); o != nil {
		step.Notes = append(step.Notes, fmt.Sprintf("another version of it is %s and does not serve", o.State))
	}
	return true
}

func (h *hop) noCluster(step *Step, name string) bool {
	step.Chosen = ""
	why := "the proxy has no cluster " + quoted(name)
	if name == "" {
		why = "nothing names a cluster"
	}
	if o := other(h.view.proxy.Clusters, name); o != nil {
		why = fmt.Sprintf("cluster %s is %s and does not serve yet", quoted(name), o.State)
		if len(o.WaitsFor) > 0 {
			why += ": it waits for " + strings.Join(o.WaitsFor, ", ")
		}
	}
	step.Reason += ", but " + why
	if !h.view.proxy.Has(mesh.Cluster) {
		h.unknown("clusters", "the capture has none of this proxy")
		return h.end(Unmodelled, "the capture has no clusters of this proxy")
	}
	if !h.view.proxy.Whole(mesh.Cluster) {
		h.unknown("clusters", "the dump is cut off within them")
		return h.end(Unmodelled, why+" before the place where the dump is cut off")
	}
	if h.view.proxy.Bootstrap == nil && !strings.Contains(name, "|") {
		h.unknown("static clusters", "the capture has no bootstrap, where "+quoted(name)+" may stand")
		return h.end(Unmodelled, why+", and the capture has no bootstrap, where it may stand")
	}
	if h.manager == nil {
		return h.close(NoCluster, "NC", "", why+": the connection is closed")
	}
	return h.reply(NoCluster, h.clusterNotFoundCode(), "NC", "cluster_not_found", why)
}

// clusterNotFoundCode is what the route answers for a missing cluster.
func (h *hop) clusterNotFoundCode() int {
	switch h.route.route.message.GetRoute().GetClusterNotFoundResponseCode().String() {
	case "NOT_FOUND":
		return 404
	case "INTERNAL_SERVER_ERROR":
		return 500
	}
	return 503
}
