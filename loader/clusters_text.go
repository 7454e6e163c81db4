package loader

import (
	"bytes"
	"slices"
	"strconv"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// parseClusters reads the text form of Envoy's /clusters into what
// /clusters?format=json gives. Excerpts of the page, such as grep makes, are read
// as far as they go. What only the text has (canary, the averages of outlier
// detection) is left out.
func parseClusters(raw []byte) (*adminv3.Clusters, error) {
	page := clustersPage{clusters: &adminv3.Clusters{}, byName: map[string]*adminv3.ClusterStatus{}}
	var lost lostLines
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		line = bytes.TrimRight(line, "\r\n")
		if len(line) > 0 && !page.read(line) {
			lost.add(number, line)
		}
	}
	page.endHost()
	return page.clusters, lost.err(`"cluster::address::statistic::value"`)
}

// clustersPage is the text form of /clusters while it is read line by line.
type clustersPage struct {
	clusters *adminv3.Clusters
	byName   map[string]*adminv3.ClusterStatus
	host     *adminv3.HostStatus
	// hostPrefix is "cluster::address::" of the current host, and firstKey the
	// statistic that its block began with.
	hostPrefix, firstKey []byte
}

// read takes one line in; it reports false for one that it does not understand.
func (p *clustersPage) read(line []byte) bool {
	if rest, ok := bytes.CutPrefix(line, p.hostPrefix); ok && p.host != nil {
		if key, value, ok := bytes.Cut(rest, []byte(nameSeparator)); ok {
			p.repeated(key)
			return setHostField(p.host, key, value)
		}
	}
	if name, scope, rest := cutClusterScope(line); scope != "" {
		return setClusterField(p.cluster(name), scope, rest)
	}
	if prefix, key, value, ok := cutHostLine(line); ok {
		return p.newHost(prefix, key, value)
	}
	// Envoys before 1.7 begin the page with the version of CDS.
	return bytes.HasPrefix(line, []byte("version_info"+nameSeparator))
}

// repeated begins another host where one address stands in a cluster twice, as
// internal addresses do.
func (p *clustersPage) repeated(key []byte) {
	if !bytes.Equal(key, p.firstKey) {
		return
	}
	name, address, _ := cutAddress(bytes.TrimSuffix(p.hostPrefix, []byte(nameSeparator)))
	p.addHost(name, &adminv3.HostStatus{Address: address})
}

// newHost begins a host with the first line of its block.
func (p *clustersPage) newHost(prefix, key, value []byte) bool {
	name, address, ok := cutAddress(prefix)
	host := &adminv3.HostStatus{Address: address}
	if !ok || !setHostField(host, key, value) {
		return false
	}
	p.addHost(name, host)
	p.hostPrefix = slices.Concat(prefix, []byte(nameSeparator))
	p.firstKey = key
	return true
}

func (p *clustersPage) addHost(name []byte, host *adminv3.HostStatus) {
	p.endHost()
	p.host = host
	cluster := p.cluster(name)
	cluster.HostStatuses = append(cluster.HostStatuses, p.host)
}

// endHost puts counters before gauges, as the JSON form has them.
func (p *clustersPage) endHost() {
	slices.SortStableFunc(p.host.GetStats(), func(a, b *adminv3.SimpleMetric) int { return int(a.Type) - int(b.Type) })
}

func (p *clustersPage) cluster(name []byte) *adminv3.ClusterStatus {
	cluster := p.byName[string(name)]
	if cluster == nil {
		cluster = &adminv3.ClusterStatus{Name: validText(name)}
		p.byName[string(name)] = cluster
		p.clusters.ClusterStatuses = append(p.clusters.ClusterStatuses, cluster)
	}
	return cluster
}

// clusterScopes stand between a cluster's name and what the line says of the
// cluster as a whole.
var clusterScopes = []string{"observability_name", "added_via_api", "eds_service_name", "default_priority", "high_priority", "outlier"}

// cutClusterScope splits "name::scope::rest"; scope is "" for another line.
func cutClusterScope(line []byte) (name []byte, scope string, rest []byte) {
	for _, scope := range clusterScopes {
		separator := nameSeparator + scope + nameSeparator
		if at := bytes.Index(line, []byte(separator)); at > 0 {
			return line[:at], scope, line[at+len(separator):]
		}
	}
	return nil, "", nil
}

func setClusterField(c *adminv3.ClusterStatus, scope string, rest []byte) bool {
	switch scope {
	case "observability_name":
		c.ObservabilityName = validText(rest)
	case "eds_service_name":
		c.EdsServiceName = validText(rest)
	case "added_via_api":
		added, err := strconv.ParseBool(string(rest))
		c.AddedViaApi = added
		return err == nil
	case "default_priority":
		return setCircuitBreaker(c, corev3.RoutingPriority_DEFAULT, rest)
	case "high_priority":
		return setCircuitBreaker(c, corev3.RoutingPriority_HIGH, rest)
	case "outlier":
		return setOutlier(c, rest)
	}
	return true
}

func setCircuitBreaker(c *adminv3.ClusterStatus, priority corev3.RoutingPriority, rest []byte) bool {
	key, text, _ := bytes.Cut(rest, []byte(nameSeparator))
	value, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil {
		return false
	}
	limit := wrapperspb.UInt32(uint32(value))
	switch string(key) {
	case "max_connections":
		thresholds(c, priority).MaxConnections = limit
	case "max_pending_requests":
		thresholds(c, priority).MaxPendingRequests = limit
	case "max_requests":
		thresholds(c, priority).MaxRequests = limit
	case "max_retries":
		thresholds(c, priority).MaxRetries = limit
	default:
		return false
	}
	return true
}

func thresholds(c *adminv3.ClusterStatus, priority corev3.RoutingPriority) *clusterv3.CircuitBreakers_Thresholds {
	if c.CircuitBreakers == nil {
		c.CircuitBreakers = &clusterv3.CircuitBreakers{}
	}
	for _, t := range c.CircuitBreakers.Thresholds {
		if t.Priority == priority {
			return t
		}
	}
	t := &clusterv3.CircuitBreakers_Thresholds{Priority: priority}
	c.CircuitBreakers.Thresholds = append(c.CircuitBreakers.Thresholds, t)
	return t
}

// setOutlier keeps an ejection threshold above zero: below, there were too few
// requests to have one.
func setOutlier(c *adminv3.ClusterStatus, rest []byte) bool {
	key, text, _ := bytes.Cut(rest, []byte(nameSeparator))
	value, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return false
	}
	switch string(key) {
	case "success_rate_average", "local_origin_success_rate_average":
	case "success_rate_ejection_threshold":
		if value > 0 {
			c.SuccessRateEjectionThreshold = &typev3.Percent{Value: value}
		}
	case "local_origin_success_rate_ejection_threshold":
		if value > 0 {
			c.LocalOriginSuccessRateEjectionThreshold = &typev3.Percent{Value: value}
		}
	default:
		return false
	}
	return true
}
