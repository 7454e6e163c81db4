package trace

import (
	"net/netip"
	"strconv"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/meshray/meshray/analyze/mesh"
)

// view is one proxy, indexed for requests.
type view struct {
	proxy *mesh.Proxy
	// listeners are those that serve, in the order of the dump.
	listeners []*listener
	// byAddress finds the first listener of an address.
	byAddress map[netip.AddrPort]*listener
	// internal holds the listeners that only other parts of the proxy reach.
	internal map[string]*listener

	clusters  map[string]*cluster
	endpoints map[string]*mesh.Resource
	tables    map[string]*table
	scopes    map[string][]*mesh.Resource
	secrets   map[string]*mesh.Resource
	// hosts is /clusters by name; nil where it was not captured.
	hosts map[string]*adminv3.ClusterStatus

	principalKnown bool
	principalID    string
}

func newView(p *mesh.Proxy) *view {
	v := &view{
		proxy:     p,
		byAddress: map[netip.AddrPort]*listener{},
		internal:  map[string]*listener{},
		clusters:  map[string]*cluster{},
		endpoints: active(p.Endpoints),
		tables:    map[string]*table{},
		secrets:   active(p.Secrets),
	}
	for _, r := range p.Listeners {
		if r.State == mesh.Active {
			v.add(newListener(r))
		}
	}
	for _, r := range p.Clusters {
		if _, twice := v.clusters[r.Name()]; !twice && r.State == mesh.Active {
			v.clusters[r.Name()] = &cluster{resource: r}
		}
	}
	for _, r := range p.Routes {
		if _, twice := v.tables[r.Name()]; !twice && r.State == mesh.Active {
			v.tables[r.Name()] = &table{resource: r}
		}
	}
	return v
}

// active indexes resources that serve by name; of duplicates the first.
func active(resources []*mesh.Resource) map[string]*mesh.Resource {
	byName := make(map[string]*mesh.Resource, len(resources))
	for _, r := range resources {
		if _, twice := byName[r.Name()]; !twice && r.State == mesh.Active {
			byName[r.Name()] = r
		}
	}
	return byName
}

func (v *view) add(l *listener) {
	v.listeners = append(v.listeners, l)
	if l.internal {
		v.internal[l.resource.Name()] = l
		return
	}
	for _, address := range l.addresses {
		if _, taken := v.byAddress[address]; !taken {
			v.byAddress[address] = l
		}
	}
}

// status returns what /clusters says of a cluster; nil where it was not captured.
func (v *view) status(name string) *adminv3.ClusterStatus {
	if v.hosts == nil {
		v.hosts = map[string]*adminv3.ClusterStatus{}
		if v.proxy.ClusterStatus != nil {
			statuses, err := v.proxy.ClusterStatus.Get()
			if err == nil {
				for _, s := range statuses.GetClusterStatuses() {
					v.hosts[s.GetName()] = s
				}
			}
		}
	}
	return v.hosts[name]
}

// runtime returns the values of /runtime; nil where it was not captured.
func (v *view) runtime() map[string]string {
	if v.proxy.Runtime == nil {
		return nil
	}
	values, err := v.proxy.Runtime.Get()
	if err != nil {
		return nil
	}
	return values
}

// other returns a resource of this name that does not serve, to say that it is
// there; nil if there is none.
func other(resources []*mesh.Resource, name string) *mesh.Resource {
	for _, r := range resources {
		if r.State != mesh.Active && r.Name() == name {
			return r
		}
	}
	return nil
}

// socketAddress reads an address without decoding what has it.
func socketAddress(r *mesh.Resource, path ...string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(r.Peek(append(path, "socket_address", "address")...))
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(string(r.PeekRaw(append(path, "socket_address", "port_value")...)), 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, uint16(port)), true
}
