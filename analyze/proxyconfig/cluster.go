package proxyconfig

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// ClusterFilter narrows clusters as istioctl does: every text is looked for anywhere in the
// cluster's name, the port as "|PORT|". Empty fields do not narrow.
type ClusterFilter struct {
	FQDN, Direction, Subset string
	Port                    int
}

func (f ClusterFilter) fits(name string) bool {
	return strings.Contains(name, f.FQDN) && strings.Contains(name, f.Direction) && strings.Contains(name, f.Subset) &&
		(f.Port == 0 || strings.Contains(name, "|"+strconv.Itoa(f.Port)+"|"))
}

// ClusterName is a cluster's name taken apart, "outbound|9080|v1|reviews.default.svc.cluster.local".
// Of a name that is not Istio's only FQDN is set, to the whole name.
type ClusterName struct {
	Direction string
	Port      int
	Subset    string
	FQDN      string
}

// ParseClusterName takes a cluster's name apart. Names with "_." in place of "|", which gateways
// have for AUTO_PASSTHROUGH, count as not Istio's, as in istioctl's tables.
func ParseClusterName(name string) ClusterName {
	parts := strings.SplitN(name, "|", 4)
	if len(parts) < 4 {
		return ClusterName{FQDN: name}
	}
	port, _ := strconv.Atoi(parts[1])
	return ClusterName{Direction: parts[0], Port: port, Subset: parts[2], FQDN: parts[3]}
}

func (n ClusterName) compare(other ClusterName) int {
	return cmp.Or(
		cmp.Compare(n.FQDN, other.FQDN), cmp.Compare(n.Subset, other.Subset),
		cmp.Compare(n.Port, other.Port), cmp.Compare(n.Direction, other.Direction))
}

// ClusterRow is one cluster in one state.
type ClusterRow struct {
	Resource *mesh.Resource
	ClusterName
	// Type is the discovery type: "EDS", "STRICT_DNS", ..., or the name of a custom cluster_type,
	// such as "envoy.clusters.aggregate".
	Type string
	// DestinationRule is "NAME.NAMESPACE" of the DestinationRule behind the cluster.
	DestinationRule string
}

// Clusters returns the clusters that fit, by host, subset, port and direction. They are not decoded.
func Clusters(p *mesh.Proxy, f ClusterFilter) []ClusterRow {
	var rows []ClusterRow
	for _, r := range p.Clusters {
		if !f.fits(r.Name()) {
			continue
		}
		head := readClusterHead(r)
		rows = append(rows, ClusterRow{
			Resource: r, ClusterName: ParseClusterName(r.Name()),
			Type: head.discovery(), DestinationRule: istioConfigPath(head.config),
		})
	}
	slices.SortStableFunc(rows, func(a, b ClusterRow) int {
		return cmp.Or(
			a.compare(b.ClusterName), cmp.Compare(a.Resource.Name(), b.Resource.Name()),
			stateOrder(a.Resource)-stateOrder(b.Resource))
	})
	return rows
}

// stateOrder puts what serves traffic before what does not.
func stateOrder(r *mesh.Resource) int {
	return slices.Index([]mesh.State{mesh.Active, mesh.Warming, mesh.Draining, mesh.Rejected}, r.State)
}

// clusterHead is what the table needs of a cluster, as captured.
type clusterHead struct {
	kind   []byte // type: an enum's name or number
	custom string // cluster_type.name
	config string // metadata.filter_metadata.istio.config
}

func readClusterHead(r *mesh.Resource) clusterHead {
	return clusterHead{
		kind:   r.PeekRaw("type"),
		custom: r.Peek("cluster_type", "name"),
		config: r.Peek("metadata", "filter_metadata", "istio", "config"),
	}
}

func (h clusterHead) discovery() string {
	if h.custom != "" {
		return h.custom
	}
	if text, ok := rawjson.Unquote(h.kind); ok {
		return text
	}
	number, _ := strconv.ParseInt(string(h.kind), 10, 32)
	return clusterv3.Cluster_DiscoveryType(number).String()
}
