package proxyconfig

import (
	"fmt"
	"slices"
	"strings"

	xdstype "github.com/cncf/xds/go/xds/type/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

const (
	noDestination    = "Non-HTTP/Non-TCP"
	blackHoleCluster = "BlackHoleCluster"

	managerType  = ".HttpConnectionManager"
	tcpProxyType = ".TcpProxy"
)

// chainDestination is where a filter chain leads.
type chainDestination struct {
	text      string
	manager   *hcmv3.HttpConnectionManager // nil if there is none
	http, tcp bool                         // whether it has an HTTP connection manager, a TCP proxy
	blackHole bool
}

// destination reads the filters of a chain. A TCP proxy to the BlackHoleCluster counts as none.
func destination(filters []mesh.Filter) chainDestination {
	var d chainDestination
	for _, f := range filters {
		switch {
		case strings.HasSuffix(f.TypeURL, managerType):
			d.http = true
			manager, _ := f.Config.(*hcmv3.HttpConnectionManager)
			if d.manager == nil {
				d.manager = manager
			}
			d.lead(managerDestination(manager))
		case strings.HasSuffix(f.TypeURL, tcpProxyType):
			proxy, _ := f.Config.(*tcpproxyv3.TcpProxy)
			if strings.Contains(proxy.GetCluster(), blackHoleCluster) || strings.Contains(proxy.GetStatPrefix(), blackHoleCluster) {
				d.blackHole = true
				continue
			}
			d.tcp = true
			d.lead(tcpDestination(proxy))
		}
	}
	d.lead(noDestination)
	return d
}

// lead sets the destination unless an earlier filter has.
func (d *chainDestination) lead(text string) {
	if d.text == "" {
		d.text = text
	}
}

func managerDestination(manager *hcmv3.HttpConnectionManager) string {
	if inline := manager.GetRouteConfig(); inline != nil {
		return inlineDestination(inline)
	}
	if name := manager.GetRds().GetRouteConfigName(); name != "" {
		return "Route: " + name
	}
	if scopes := manager.GetScopedRoutes().GetName(); scopes != "" {
		return "Scoped Routes: " + scopes
	}
	return "HTTP"
}

func tcpDestination(proxy *tcpproxyv3.TcpProxy) string {
	weighted := proxy.GetWeightedClusters().GetClusters()
	if len(weighted) == 0 {
		return clusterDestination(proxy.GetCluster())
	}
	var parts []string
	for _, w := range weighted {
		parts = append(parts, fmt.Sprintf("%s %d", w.GetName(), w.GetWeight()))
	}
	return "Clusters: " + strings.Join(parts, ", ")
}

// clusterDestination leaves clusters bare that say of themselves what they are, such as
// PassthroughCluster.
func clusterDestination(name string) string {
	if strings.Contains(name, "Cluster") {
		return name
	}
	return "Cluster: " + name
}

func inlineDestination(config *routev3.RouteConfiguration) string {
	if name := catchAllCluster(config); name != "" {
		return clusterDestination(name)
	}
	var hosts []string
	for _, host := range config.GetVirtualHosts() {
		var matches []string
		for _, r := range host.GetRoutes() {
			matches = append(matches, pathMatch(r.GetMatch()))
		}
		text := strings.Join(matches, ", ")
		if domains := host.GetDomains(); !slices.Equal(domains, []string{"*"}) {
			if joined := strings.Join(domains, "/"); joined != "" {
				text = joined + " " + text
			}
		}
		hosts = append(hosts, text)
	}
	return "Inline Route: " + strings.Join(hosts, "; ")
}

// catchAllCluster is the cluster of a configuration whose one route takes every request.
func catchAllCluster(config *routev3.RouteConfiguration) string {
	hosts := config.GetVirtualHosts()
	if len(hosts) != 1 || !slices.Equal(hosts[0].GetDomains(), []string{"*"}) || len(hosts[0].GetRoutes()) != 1 {
		return ""
	}
	only := hosts[0].GetRoutes()[0]
	if only.GetMatch().GetPrefix() != "/" {
		return ""
	}
	return only.GetRoute().GetCluster()
}

// firstType is the type by the first HTTP or TCP filter; "" if there is none.
func firstType(filters []mesh.Filter) string {
	for _, f := range filters {
		switch {
		case strings.HasSuffix(f.TypeURL, managerType):
			return "HTTP"
		case strings.HasSuffix(f.TypeURL, tcpProxyType):
			return "TCP"
		}
	}
	return ""
}

// filterNames are the filters' names; those of an unknown kind with their type.
func filterNames(filters []mesh.Filter) []string {
	var names []string
	for _, f := range filters {
		name := f.Name
		_, unknown := f.Config.(*xdstype.TypedStruct)
		switch {
		case f.Discovery:
			name += " (ECDS)"
		case unknown:
			name += " (" + strings.TrimPrefix(f.TypeURL, typePrefix) + ")"
		case f.Disabled:
			name += " (off)"
		}
		names = append(names, name)
	}
	return names
}

const typePrefix = "type.googleapis.com/"

func downstreamTLS(socket *corev3.TransportSocket) string {
	if socket == nil {
		return ""
	}
	filter := mesh.TransportSocket(socket)
	context, ok := filter.Config.(*tlsv3.DownstreamTlsContext)
	switch {
	case !ok:
		return filter.Name
	case context.GetRequireClientCertificate().GetValue():
		return "mTLS"
	}
	return "TLS"
}
