package mesh

import (
	"fmt"
	"strings"
	"sync"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

const virtualHostType = "type.googleapis.com/envoy.config.route.v3.VirtualHost"

// RouteTable is a RouteConfiguration whose virtual hosts are decoded one by one: a
// sidecar's may have thousands, of which a request needs a single one.
type RouteTable struct {
	// Config is the configuration without its virtual hosts.
	Config *routev3.RouteConfiguration
	// Hosts are in the order of the configuration.
	Hosts []*VirtualHost
}

// VirtualHost is one virtual host of a RouteTable.
type VirtualHost struct {
	Name    string
	Domains []string

	place string // for errors
	raw   []byte
	once  sync.Once
	msg   *routev3.VirtualHost
	err   error
}

// Message returns the virtual host itself, decoded when it is first asked for.
func (v *VirtualHost) Message() (*routev3.VirtualHost, error) {
	v.once.Do(func() {
		if v.msg != nil {
			return
		}
		decoded, err := xds.Decode(virtualHostType, v.raw)
		if err != nil {
			v.err = fmt.Errorf("%s: decoding virtual host %q: %w", v.place, v.Name, err)
			return
		}
		v.msg, _ = decoded.(*routev3.VirtualHost)
		if v.msg == nil {
			v.err = fmt.Errorf("%s: virtual host %q is a %s", v.place, v.Name, decoded.ProtoReflect().Descriptor().FullName())
		}
	})
	return v.msg, v.err
}

// RouteTable returns the resource, a route configuration, with virtual hosts that
// are decoded on demand. One that is not v3 throughout is decoded at once.
func (r *Resource) RouteTable() (*RouteTable, error) {
	if t, err := r.lazyRouteTable(); t != nil || err != nil {
		return t, err
	}
	config, err := r.RouteConfiguration()
	if err != nil {
		return nil, err
	}
	return NewRouteTable(config), nil
}

// NewRouteTable returns the table of a decoded configuration, such as one inside a
// connection manager.
func NewRouteTable(config *routev3.RouteConfiguration) *RouteTable {
	t := &RouteTable{Config: config}
	for _, host := range config.GetVirtualHosts() {
		t.Hosts = append(t.Hosts, &VirtualHost{Name: host.GetName(), Domains: host.GetDomains(), msg: host})
	}
	return t
}

// lazyRouteTable is nil where the text has to be decoded as a whole.
func (r *Resource) lazyRouteTable() (*RouteTable, error) {
	if r.Content == nil || !strings.HasSuffix(r.TypeURL(), "/envoy.config.route.v3.RouteConfiguration") {
		return nil, nil
	}
	rest, hosts := withoutMember(r.Raw(), "virtual_hosts")
	if hosts == nil {
		return nil, nil
	}
	decoded, err := xds.Decode(r.TypeURL(), rest)
	config, ok := decoded.(*routev3.RouteConfiguration)
	if err != nil || !ok {
		return nil, nil // the error of the whole names the right place
	}
	t := &RouteTable{Config: config}
	s := rawjson.New(hosts, 0)
	for s.Array(); s.Element(); {
		raw, _ := s.Value()
		name, domains, ok := hostHead(raw)
		if !ok {
			return nil, nil
		}
		t.Hosts = append(t.Hosts, &VirtualHost{Name: name, Domains: domains, place: r.Source.String(), raw: raw})
	}
	if s.Err() != nil {
		return nil, nil // hosts that are lost here must not pass for hosts that are not there
	}
	return t, nil
}

// hostHead reads name and domains in one pass that ends behind them; they stand
// before the routes in what Envoy and istiod print. ok is false where the text is damaged
// before them.
func hostHead(raw []byte) (name string, domains []string, ok bool) {
	s := rawjson.NewHopping(raw, 0)
	found := 0
	if !s.Object() {
		return "", nil, false
	}
	for key, ok := s.Key(); ok && found < 2; key, ok = s.Key() {
		switch {
		case rawjson.Is(key, "name"):
			name = s.Text()
			found++
		case rawjson.Is(key, "domains"):
			for s.Array(); s.Element(); {
				domains = append(domains, s.Text())
			}
			found++
		default:
			s.Skip()
		}
	}
	return name, domains, s.Err() == nil
}

// withoutMember takes one member out of an object. The member is nil where the
// object has none, or more than one, or is damaged.
func withoutMember(raw []byte, name string) (rest, member []byte) {
	s := rawjson.NewHopping(raw, 0)
	if !s.Object() {
		return nil, nil
	}
	rest = append(rest, '{')
	for {
		key, ok := s.Key()
		if !ok {
			break
		}
		start := s.KeyOffset() - 1
		value, ok := s.Value()
		if !ok || start < 0 || rawjson.Is(key, name) && member != nil {
			return nil, nil
		}
		if rawjson.Is(key, name) {
			member = value
			continue
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(rest, raw[start:s.Offset()]...)
	}
	if s.Err() != nil {
		return nil, nil
	}
	return append(rest, '}'), member
}
