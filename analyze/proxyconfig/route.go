package proxyconfig

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// RouteFilter narrows route configurations to the one called Name, unless that is empty.
type RouteFilter struct {
	Name string
}

// RouteConfigRow is one route configuration in one state.
type RouteConfigRow struct {
	Resource *mesh.Resource
	Name     string
	// Inline is set for a configuration that came with its listener, not by RDS.
	Inline       bool
	VirtualHosts int
	// Routes are in the order in which Envoy tries them. A virtual host without routes has one,
	// see RouteRow.NoRoutes.
	Routes []RouteRow
	// Err tells why the configuration could not be decoded.
	Err error
}

// RouteRow is one route of a virtual host.
type RouteRow struct {
	// Name is the route's own name; Host that of its virtual host.
	Name, Host string
	Domains    []string
	// Match is the condition on the path: "/api*", "PathPrefix:/api", "/exact", "regex R".
	Match string
	// Conditions are those on anything but the path: headers, query parameters, a share of the
	// requests.
	Conditions []string
	// Action says where the route leads: a cluster, weighted clusters, a redirect, a response.
	Action string
	// Rewrites and Timeout, Retries and Mirrors are what happens to the request on its way; a
	// negative Timeout is none set, zero is no limit.
	Rewrites string
	Timeout  time.Duration
	Retries  uint32
	Mirrors  []string
	// VirtualService is "NAME.NAMESPACE" of the VirtualService behind the route.
	VirtualService string
	// Passthrough is set for a route to the PassthroughCluster, which istioctl does not list.
	Passthrough bool
	// NoRoutes is set for the row of a virtual host without any: it answers 404.
	NoRoutes bool
}

// Routes returns the route configurations that fit: those of RDS before those of listeners, numbers
// before other names, each in their order.
func Routes(p *mesh.Proxy, f RouteFilter) []RouteConfigRow {
	var rows []RouteConfigRow
	for _, r := range p.Routes {
		if f.Name == "" || r.Name() == f.Name {
			rows = append(rows, routeConfigRow(r))
		}
	}
	slices.SortStableFunc(rows, func(a, b RouteConfigRow) int {
		return cmp.Or(
			firstIf(!a.Inline, !b.Inline), firstIf(isNumber(a.Name), isNumber(b.Name)),
			cmp.Compare(number(a.Name), number(b.Name)), cmp.Compare(a.Name, b.Name), stateOrder(a.Resource)-stateOrder(b.Resource))
	})
	return rows
}

// IstioctlOrder sorts routes as istioctl does, for tables that are equal to its. Its comparison knows
// numbers only and calls all else equal, which is no order: the result depends on the order of
// the dump and on the algorithm, Go's own.
func IstioctlOrder(p *mesh.Proxy, rows []RouteConfigRow) []RouteConfigRow {
	place := make(map[*mesh.Resource]int, len(p.Routes))
	for i, r := range p.Routes {
		place[r] = i
	}
	sorted := slices.Clone(rows)
	slices.SortFunc(sorted, func(a, b RouteConfigRow) int {
		return cmp.Or(firstIf(!a.Inline, !b.Inline), cmp.Compare(place[a.Resource], place[b.Resource]))
	})
	sort.Slice(sorted, func(i, j int) bool {
		a, b := sorted[i].Name, sorted[j].Name
		return isNumber(a) && isNumber(b) && number(a) < number(b)
	})
	return sorted
}

// firstIf compares by a property: what has it comes first.
func firstIf(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func isNumber(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
}

func number(name string) int {
	n, _ := strconv.Atoi(name)
	return n
}

func routeConfigRow(r *mesh.Resource) RouteConfigRow {
	row := RouteConfigRow{Resource: r, Name: r.Name(), Inline: r.Origin == mesh.Static}
	config, err := r.RouteConfiguration()
	if err != nil {
		row.Err = err
		return row
	}
	row.VirtualHosts = len(config.GetVirtualHosts())
	for _, host := range config.GetVirtualHosts() {
		if len(host.GetRoutes()) == 0 {
			row.Routes = append(row.Routes, RouteRow{Host: host.GetName(), Domains: host.GetDomains(), NoRoutes: true, Timeout: -1})
		}
		for _, route := range host.GetRoutes() {
			row.Routes = append(row.Routes, routeRow(host, route))
		}
	}
	return row
}

func routeRow(host *routev3.VirtualHost, r *routev3.Route) RouteRow {
	action := r.GetRoute()
	row := RouteRow{
		Name: r.GetName(), Host: host.GetName(), Domains: host.GetDomains(),
		Match: pathMatch(r.GetMatch()), Conditions: conditions(r.GetMatch()), Action: actionText(r),
		Rewrites: rewrites(action), Timeout: -1, Retries: action.GetRetryPolicy().GetNumRetries().GetValue(),
		VirtualService: istioConfigPath(r.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()),
		Passthrough:    action.GetCluster() == "PassthroughCluster",
	}
	if action.GetTimeout() != nil {
		row.Timeout = action.GetTimeout().AsDuration()
	}
	for _, mirror := range action.GetRequestMirrorPolicies() {
		row.Mirrors = append(row.Mirrors, cmp.Or(mirror.GetCluster(), mirror.GetClusterHeader()))
	}
	return row
}
