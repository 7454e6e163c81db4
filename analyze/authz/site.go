package authz

import (
	"fmt"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// site is a filter where it stands.
type site struct {
	place  Place
	filter mesh.Filter
	// beside are all filters of the list that it is one of.
	beside []mesh.Filter
	// hidden is set for what istioctl does not look at.
	hidden bool
}

// sitesOf returns the filters of the listeners that serve, and the configurations
// that routes have for them, in the order of the dump.
func sitesOf(p *mesh.Proxy) (sites []site, problems []string) {
	w := &walker{proxy: p}
	for _, r := range p.Listeners {
		if r.State == mesh.Active {
			w.listener(r)
		}
	}
	for _, r := range p.Routes {
		if r.State == mesh.Active && hasPerRoute(r.Raw()) {
			w.routeResource(r)
		}
	}
	return w.sites, w.problems
}

type walker struct {
	proxy    *mesh.Proxy
	sites    []site
	problems []string
}

func (w *walker) undecodable(err error) { w.problems = append(w.problems, err.Error()) }

func (w *walker) listener(r *mesh.Resource) {
	l, err := r.Listener()
	if err != nil {
		w.undecodable(err)
		return
	}
	for i, chain := range mesh.FilterChains(l) {
		isDefault := i == len(l.GetFilterChains())
		place := Place{Listener: r.Name(), Chain: indexLabel(chain.GetName(), i), Port: portOf(l, chain)}
		if isDefault && chain.GetName() == "" {
			place.Chain = defaultChain
		}
		w.chain(place, chain, isDefault || r.Origin == mesh.Static)
	}
}

// portOf is the destination port of a chain's connections.
func portOf(l *listenerv3.Listener, chain *listenerv3.FilterChain) int {
	if port := chain.GetFilterChainMatch().GetDestinationPort(); port != nil {
		return int(port.GetValue())
	}
	if l.GetUseOriginalDst().GetValue() {
		return 0
	}
	for _, f := range mesh.ListenerFilters(l) {
		if strings.HasSuffix(f.TypeURL, ".OriginalDst") || strings.HasSuffix(f.Name, ".original_dst") {
			return 0
		}
	}
	return int(l.GetAddress().GetSocketAddress().GetPortValue())
}

func (w *walker) chain(place Place, chain *listenerv3.FilterChain, hidden bool) {
	filters := mesh.NetworkFilters(chain)
	w.filters(place, filters, hidden)
	for _, f := range filters {
		manager, ok := f.Config.(*hcmv3.HttpConnectionManager)
		if !ok {
			continue
		}
		w.filters(place, mesh.HTTPFilters(manager), hidden)
		if inline := manager.GetRouteConfig(); inline != nil {
			w.routes(place, inline)
		}
	}
}

// filters adds a list of filters, each with the configuration in force.
func (w *walker) filters(place Place, filters []mesh.Filter, hidden bool) {
	discovered := make([]bool, len(filters))
	for i, f := range filters {
		discovered[i] = f.Discovery
		if f.Discovery {
			filters[i] = w.discovered(f)
		}
	}
	for i, f := range filters {
		w.sites = append(w.sites, site{place: place, filter: f, beside: filters, hidden: hidden || discovered[i]})
	}
}

// discovered is a filter with its configuration from ECDS.
func (w *walker) discovered(f mesh.Filter) mesh.Filter {
	r := w.proxy.Active(mesh.Extension, f.Name)
	if r == nil {
		return f
	}
	config, err := r.ExtensionConfig()
	if err != nil {
		w.undecodable(fmt.Errorf("filter %s: %w", f.Name, err))
		return f
	}
	found := mesh.Unpack(f.Name, config.GetTypedConfig())
	found.Discovery, found.Disabled = true, f.Disabled
	return found
}
