package rules

import (
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// connectionManager is an HTTP connection manager of an active listener, with the
// filter chain that leads to it.
type connectionManager struct {
	listener *mesh.Resource
	message  *listenerv3.Listener
	chain    filterChain
	config   *hcmv3.HttpConnectionManager
}

// routeTable is a route configuration that an active listener asks for.
type routeTable struct {
	config *routev3.RouteConfiguration
	// in is the route configuration's own resource, or the listener that holds it.
	in *mesh.Resource
	// inline is the path within the listener; "" for one of its own.
	inline string
	// managers are the connection managers that ask for it, at least one.
	managers []connectionManager
}

// managersOf are the connection managers of a listener, decoded once per content.
func managersOf(pass *analyze.Pass, r *mesh.Resource) []connectionManager {
	managers := analyze.Once(pass, r.Content, func() []connectionManager {
		listener, err := r.Listener()
		if err != nil {
			return nil
		}
		var found []connectionManager
		for _, chain := range filterChains(pass, r) {
			if chain.manager != nil {
				found = append(found, connectionManager{message: listener, chain: chain, config: chain.manager})
			}
		}
		return found
	})
	placed := slices.Clone(managers)
	for i := range placed {
		placed[i].listener = r
	}
	return placed
}

// routeTables returns the route configurations that the active listeners of a
// proxy ask for, those of their own in the order of the dump, then inline ones. The
// result is shared and must not be changed.
func routeTables(pass *analyze.Pass, p *mesh.Proxy) []routeTable {
	return analyze.OnceForProxy(pass, p, func() []routeTable { return findRouteTables(pass, p) })
}

func findRouteTables(pass *analyze.Pass, p *mesh.Proxy) []routeTable {
	asking := map[string][]connectionManager{}
	var scoped []connectionManager
	var inline []routeTable
	for _, r := range p.Listeners {
		if r.State != mesh.Active || r.Content == nil {
			continue
		}
		for _, m := range managersOf(pass, r) {
			if config := m.config.GetRouteConfig(); config != nil {
				inline = append(inline, routeTable{config, r, m.chainName(), []connectionManager{m}})
			}
			if name := m.config.GetRds().GetRouteConfigName(); name != "" {
				asking[name] = append(asking[name], m)
			}
			if m.config.GetScopedRoutes() != nil {
				scoped = append(scoped, m)
			}
		}
	}
	for _, r := range p.ScopedRoutes {
		if name := r.Peek("route_configuration_name"); name != "" && len(scoped) > 0 {
			asking[name] = append(asking[name], scoped...)
		}
	}
	var tables []routeTable
	for _, r := range p.Routes {
		// Static ones are copies of what stands in the listeners.
		if r.State != mesh.Active || r.Origin == mesh.Static || r.Content == nil || len(asking[r.Name()]) == 0 {
			continue
		}
		if config, err := r.RouteConfiguration(); err == nil {
			tables = append(tables, routeTable{config: config, in: r, managers: asking[r.Name()]})
		}
	}
	return append(tables, inline...)
}

// chainName is the path of the manager's chain within its listener.
func (m *connectionManager) chainName() string { return m.chain.nameOrKind() }

// ref addresses a virtual host of the table.
func (t *routeTable) ref(p *mesh.Proxy, virtualHost string) mesh.Ref {
	ref := p.Ref(t.in.Kind, t.in.Name())
	ref.Path = virtualHost
	if t.inline != "" {
		ref.Path = t.inline + "/" + virtualHost
	}
	return ref
}

// isCalled reports whether somebody can call the virtual host: istiod copies a
// VirtualService without a port to every HTTP port of the mesh, also to those that
// its host does not have.
func (t *routeTable) isCalled(known *clusterIndex, virtualHost string) bool {
	host, port := cutPort(virtualHost)
	return t.in.Kind != mesh.Route || t.in.Name() != port || len(known.ports[host]) == 0 || slices.Contains(known.ports[host], port)
}
