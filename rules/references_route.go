package rules

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// routeConfiguration collects the clusters of a route configuration. path is
// where it stands in a listener, "" for one of its own.
func (w *walker) routeConfiguration(config *routev3.RouteConfiguration, path string) {
	w.table = config
	at := reference{path: path, share: 100}
	w.mirrors(config.GetRequestMirrorPolicies(), at)
	w.overrides(config.GetTypedPerFilterConfig(), at)
	for _, vh := range config.GetVirtualHosts() {
		w.virtualHost(vh, path)
	}
}

func (w *walker) virtualHost(vh *routev3.VirtualHost, path string) {
	at := reference{path: vh.GetName(), virtualHost: vh.GetName(), share: 100}
	if path != "" {
		at.path = path + "/" + vh.GetName()
	}
	w.mirrors(vh.GetRequestMirrorPolicies(), at)
	w.overrides(vh.GetTypedPerFilterConfig(), at)
	for i, route := range vh.GetRoutes() {
		at.route, at.index = route, i
		at.object = istioObject(route.GetMetadata())
		at.implicit = at.object == "" && isImplicit(vh, route)
		w.overrides(route.GetTypedPerFilterConfig(), at)
		w.route(route.GetRoute(), at)
		if matchesEverything(route.GetMatch()) {
			return // no request gets past it
		}
	}
}

func (w *walker) route(action *routev3.RouteAction, at reference) {
	at.use = useRoute
	at.cluster = action.GetCluster()
	w.add(at)
	clusters := action.GetWeightedClusters().GetClusters()
	total := uint32(0)
	for _, c := range clusters {
		total += c.GetWeight().GetValue()
	}
	for _, c := range clusters {
		weighted := at
		weighted.cluster, weighted.share = c.GetName(), percent(c.GetWeight().GetValue(), total)
		if weighted.share > 0 {
			w.add(weighted)
			w.overrides(c.GetTypedPerFilterConfig(), weighted)
		}
	}
	w.mirrors(action.GetRequestMirrorPolicies(), at)
}

func (w *walker) mirrors(policies []*routev3.RouteAction_RequestMirrorPolicy, at reference) {
	for _, m := range policies {
		mirror := at
		mirror.use, mirror.cluster = useMirror, m.GetCluster()
		if fraction := m.GetRuntimeFraction(); fraction != nil {
			mirror.share *= percentage(fraction.GetDefaultValue()) / 100
		}
		if mirror.share > 0 {
			w.add(mirror)
		}
	}
}

// isImplicit recognises what istiod writes for a service that no VirtualService
// mentions: one route "default" to the service that the virtual host is named
// after.
func isImplicit(vh *routev3.VirtualHost, route *routev3.Route) bool {
	target, ok := parseIstioCluster(route.GetRoute().GetCluster())
	host, port := cutPort(vh.GetName())
	return ok && route.GetName() == "default" && target.subset == "" && target.host == host && target.port == port
}

// matchesEverything reports whether no later route of the virtual host can match.
func matchesEverything(m *routev3.RouteMatch) bool {
	prefix, ok := m.GetPathSpecifier().(*routev3.RouteMatch_Prefix)
	return ok && (prefix.Prefix == "/" || prefix.Prefix == "") &&
		len(m.GetHeaders()) == 0 && len(m.GetQueryParameters()) == 0 && len(m.GetDynamicMetadata()) == 0 &&
		len(m.GetFilterState()) == 0 && len(m.GetCookies()) == 0 &&
		m.GetRuntimeFraction() == nil && m.GetGrpc() == nil && m.GetTlsContext() == nil
}

// istioCluster is a cluster name of istiod, "outbound|9080|v1|reviews.default.svc.cluster.local".
type istioCluster struct {
	direction, port, subset, host string
}

// parseIstioCluster takes a cluster name apart. Names with a SNI-DNAT prefix
// ("outbound_.9080_.v1_.reviews...") are read too.
func parseIstioCluster(name string) (istioCluster, bool) {
	separator := "|"
	if strings.HasPrefix(name, "outbound_.") {
		separator = "_."
	}
	var c istioCluster
	ok := true
	rest := name
	for _, part := range []*string{&c.direction, &c.port, &c.subset} {
		if *part, rest, ok = strings.Cut(rest, separator); !ok {
			return istioCluster{}, false
		}
	}
	c.host = rest
	if c.host == "" || c.port == "" {
		return istioCluster{}, false
	}
	return c, true
}

// cutPort splits "host:port" at the last colon.
func cutPort(name string) (host, port string) {
	i := strings.LastIndexByte(name, ':')
	if i < 0 {
		return name, ""
	}
	return name[:i], name[i+1:]
}
