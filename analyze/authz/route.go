package authz

import (
	"bytes"
	"maps"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/meshray/meshray/analyze/mesh"
)

// hasPerRoute reports whether a route configuration can have filter configurations.
// Most have none, and need not be decoded.
func hasPerRoute(raw []byte) bool {
	return bytes.Contains(raw, []byte("er_filter_config")) || bytes.Contains(raw, []byte("erFilterConfig"))
}

func (w *walker) routeResource(r *mesh.Resource) {
	table, err := r.RouteConfiguration()
	if err != nil {
		w.undecodable(err)
		return
	}
	w.routes(Place{}, table)
}

// routes adds what a route configuration makes of RBAC filters, from the general
// to the special.
func (w *walker) routes(place Place, table *routev3.RouteConfiguration) {
	path := table.GetName()
	w.perRoute(place, path, table.GetTypedPerFilterConfig())
	for i, host := range table.GetVirtualHosts() {
		path := path + "/" + indexLabel(host.GetName(), i)
		w.perRoute(place, path, host.GetTypedPerFilterConfig())
		for j, route := range host.GetRoutes() {
			path := path + "/" + indexLabel(route.GetName(), j)
			w.perRoute(place, path, route.GetTypedPerFilterConfig())
			for _, cluster := range route.GetRoute().GetWeightedClusters().GetClusters() {
				w.perRoute(place, path+"/"+cluster.GetName(), cluster.GetTypedPerFilterConfig())
			}
		}
	}
}

func (w *walker) perRoute(place Place, path string, configs map[string]*anypb.Any) {
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		f := mesh.Unpack(name, configs[name])
		if wrapper, ok := f.Config.(*routev3.FilterConfig); ok {
			f = mesh.Unpack(name, wrapper.GetConfig())
		}
		own, ok := f.Config.(*httprbacv3.RBACPerRoute)
		if !ok || own.GetRbac() == nil {
			continue
		}
		f.Config = own.GetRbac()
		place.Port, place.Route = 0, path
		w.sites = append(w.sites, site{place: place, filter: f, hidden: true})
	}
}
