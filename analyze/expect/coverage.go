package expect

import (
	"cmp"
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// Coverage counts which routes the tests went through, of the route configurations
// that a test has reached: a sidecar has others for every port of the mesh. As
// router_check_tool does, it counts a route with weighted clusters once for each of
// them.
type Coverage struct {
	routes  []CoveredRoute
	places  map[coverageKey]int // in routes
	proxies []*mesh.Proxy
	reached map[tableKey]bool
}

// tableKey is a route configuration of a proxy.
type tableKey struct{ proxy, config string }

// CoveredRoute is one route, or one of the weighted clusters of a route.
type CoveredRoute struct {
	// Proxy is the proxy's Key; empty for a route configuration from a file.
	Proxy, RouteConfig, VirtualHost string
	// Route is its name, else its index as "#0"; "matcher" stands for all routes
	// inside the matcher of a virtual host.
	Route string
	// Match is its match in words, such as "prefix /reviews".
	Match string
	// Cluster is the weighted cluster, its header where that names it; empty for
	// a route that has none to choose from.
	Cluster string
	Tested  bool
}

type coverageKey struct {
	proxy, config, host string
	route               int
	cluster             string
}

// matcherRoute stands for the routes inside a matcher, which have no index.
const matcherRoute = -1

// Through counts an outcome at a proxy, whose route configuration is added when it
// is first reached.
func (c *Coverage) Through(p *mesh.Proxy, o *trace.Outcome) error {
	if !slices.Contains(c.proxies, p) {
		c.proxies = append(c.proxies, p)
	}
	if key := (tableKey{p.Key(), o.RouteConfig}); (o.VirtualHost != "" || o.RouteConfig != "") && !c.reached[key] {
		if c.reached == nil {
			c.reached = map[tableKey]bool{}
		}
		c.reached[key] = true
		if err := c.addNamed(p, o.RouteConfig); err != nil {
			return err
		}
	}
	c.Hit(p.Key(), o)
	return nil
}

func (c *Coverage) addNamed(p *mesh.Proxy, name string) error {
	for _, r := range p.Routes {
		if r.State != mesh.Active || r.Name() != name {
			continue
		}
		config, err := r.RouteConfiguration()
		if err != nil {
			return fmt.Errorf("counting the routes of %s: %w", p.Key(), err)
		}
		c.Add(p.Key(), config)
	}
	return nil
}

// UnreachedTables are the names of the route configurations of a proxy that no test
// has reached.
type UnreachedTables struct {
	Proxy string // its Key
	Names []string
}

// Unreached lists, for the proxies that tests have reached, the route configurations
// that are not counted. Those without a name, which Envoy's own listeners have, are
// left out.
func (c *Coverage) Unreached() []UnreachedTables {
	var out []UnreachedTables
	for _, p := range c.proxies {
		unreached := UnreachedTables{Proxy: p.Key()}
		for _, r := range p.Routes {
			if name := r.Name(); name != "" && r.State == mesh.Active && !c.reached[tableKey{p.Key(), name}] && !slices.Contains(unreached.Names, name) {
				unreached.Names = append(unreached.Names, name)
			}
		}
		if len(unreached.Names) > 0 {
			out = append(out, unreached)
		}
	}
	return out
}

// Add adds the routes of a route configuration. One that is there already, by the
// names of proxy, configuration and virtual host, is not counted twice.
func (c *Coverage) Add(proxy string, config *routev3.RouteConfiguration) {
	for _, host := range config.GetVirtualHosts() {
		unit := CoveredRoute{Proxy: proxy, RouteConfig: config.GetName(), VirtualHost: host.GetName()}
		if host.GetMatcher() != nil {
			unit.Route = "matcher"
			c.add(unit, matcherRoute, "")
			continue
		}
		for i, route := range host.GetRoutes() {
			unit.Route = cmp.Or(route.GetName(), fmt.Sprintf("#%d", i))
			unit.Match = trace.MatchWords(route.GetMatch())
			c.addRoute(unit, i, route)
		}
	}
}

func (c *Coverage) addRoute(unit CoveredRoute, index int, route *routev3.Route) {
	weighted := route.GetRoute().GetWeightedClusters().GetClusters()
	if len(weighted) == 0 {
		c.add(unit, index, "")
		return
	}
	for _, cluster := range weighted {
		unit.Cluster = cmp.Or(cluster.GetName(), cluster.GetClusterHeader())
		c.add(unit, index, cluster.GetName())
	}
}

func (c *Coverage) add(unit CoveredRoute, index int, cluster string) {
	key := coverageKey{unit.Proxy, unit.RouteConfig, unit.VirtualHost, index, cluster}
	if _, known := c.places[key]; known {
		return
	}
	if c.places == nil {
		c.places = map[coverageKey]int{}
	}
	c.places[key] = len(c.routes)
	c.routes = append(c.routes, unit)
}

// Hit counts a test that went through the route of an outcome at a proxy. An outcome
// without a route counts for none.
func (c *Coverage) Hit(proxy string, o *trace.Outcome) {
	key := coverageKey{proxy: proxy, config: o.RouteConfig, host: o.VirtualHost, route: o.RouteIndex}
	for _, cluster := range []string{o.Cluster, ""} {
		key.cluster = cluster
		if at, known := c.places[key]; known && o.Route != "" {
			c.routes[at].Tested = true
			return
		}
	}
}

// Routes are all routes, in the order of the configurations.
func (c *Coverage) Routes() []CoveredRoute { return c.routes }

// Covered is the number of routes that a test went through.
func (c *Coverage) Covered() int {
	covered := 0
	for _, r := range c.routes {
		if r.Tested {
			covered++
		}
	}
	return covered
}

// Percent is the part of the routes that a test went through, from 0 to 100; 100
// where there are none.
func (c *Coverage) Percent() float64 {
	if len(c.routes) == 0 {
		return 100
	}
	return 100 * float64(c.Covered()) / float64(len(c.routes))
}
