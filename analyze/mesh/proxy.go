package mesh

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
)

// ProxyKind is the part that a proxy plays in the mesh.
type ProxyKind string

const (
	Sidecar  ProxyKind = "sidecar"
	Gateway  ProxyKind = "gateway" // node type "router"
	Waypoint ProxyKind = "waypoint"
	Ztunnel  ProxyKind = "ztunnel"
	// OtherProxy is an Envoy whose node id is not Istio's.
	OtherProxy ProxyKind = "other"
	// UnknownProxy is one of which the capture has no bootstrap.
	UnknownProxy ProxyKind = "unknown"
)

// Proxy is one Envoy or ztunnel and everything that the capture has of it.
type Proxy struct {
	// ID is Envoy's node id, "sidecar~10.1.2.3~pod.ns~ns.svc.cluster.local";
	// empty where the capture has no bootstrap.
	ID string
	// Name is the pod, from the node id, else from the path.
	Name      string
	Namespace string
	// Label tells captures of the same proxy apart: the file it came from. Empty
	// where the capture has the proxy once.
	Label string
	Kind  ProxyKind
	// IstioVersion and EnvoyVersion are like "1.25.0"; empty where unknown.
	IstioVersion string
	EnvoyVersion string
	// Addresses are the IPs of the pod as text, the node id's first.
	Addresses []string
	// Captured is the newest moment that this proxy's files know of.
	Captured time.Time

	// Config is what Envoy reports itself: its config_dump.
	Config
	// Pilot is what its istiod would send it (debug/config_dump?proxyID=); nil
	// where the capture does not have it.
	Pilot *Config

	ClusterStatus  *Doc[*adminv3.Clusters]            // /clusters, text or JSON
	ListenerStatus *Doc[*adminv3.Listeners]           // /listeners, text or JSON
	Certificates   *Doc[*adminv3.Certificates]        // /certs
	ServerInfo     *Doc[*adminv3.ServerInfo]          // /server_info
	Memory         *Doc[*adminv3.Memory]              // /memory
	InitDump       *Doc[*adminv3.UnreadyTargetsDumps] // /init_dump
	Stats          *Doc[*Stats]                       // /stats, text, JSON or Prometheus
	Runtime        *Doc[map[string]string]            // /runtime, final values
	Sockets        *Doc[[]Socket]                     // netstat
	Log            *Doc[[]LogLine]                    // istio-proxy.log
	AccessLog      *Doc[[]LogLine]                    // an access log in a file of its own
	ZtunnelDump    *Doc[*ZtunnelDump]                 // ztunnel's /config_dump

	// Files are the inputs that this proxy was made from.
	Files []*Input
}

// Key names the proxy within its capture: "name.namespace", "name" without a
// namespace, followed by " (label)" where one proxy was captured several times.
func (p *Proxy) Key() string {
	key := p.Name
	if p.Namespace != "" {
		key += "." + p.Namespace
	}
	if p.Label != "" {
		key += " (" + p.Label + ")"
	}
	return key
}

// Config is the xDS configuration of one proxy as one side sees it.
type Config struct {
	// Sections are the parts of the dump in their order, known or not.
	Sections []Section

	Bootstrap    *Resource // nil where the dump has none
	Clusters     []*Resource
	Listeners    []*Resource
	Routes       []*Resource
	ScopedRoutes []*Resource
	Endpoints    []*Resource
	Secrets      []*Resource
	Extensions   []*Resource // ECDS

	// active are the active resources by kind and name; nil before Complete.
	active map[ResourceKind]func() map[string]*Resource
}

// Section is one entry of a config_dump's configs, such as a
// envoy.admin.v3.ClustersConfigDump.
type Section struct {
	TypeURL string
	// Kind is empty for a section whose type is not known; Raw then holds it.
	Kind ResourceKind
	// Version is version_info of the whole section: what the last response said,
	// though single resources may have been refused.
	Version string
	// Updated is last_updated.
	Updated time.Time
	// Count is the number of resources in it.
	Count int
	// Cut is set where the dump breaks off in it: what is not there may have been.
	Cut    bool
	Source Source
	Raw    []byte
}

// Resources returns the resources of one kind in the order of the dump.
func (c *Config) Resources(kind ResourceKind) []*Resource {
	switch kind {
	case Bootstrap:
		if c.Bootstrap == nil {
			return nil
		}
		return []*Resource{c.Bootstrap}
	case Cluster:
		return c.Clusters
	case Listener:
		return c.Listeners
	case Route:
		return c.Routes
	case ScopedRoute:
		return c.ScopedRoutes
	case Endpoint:
		return c.Endpoints
	case Secret:
		return c.Secrets
	case Extension:
		return c.Extensions
	}
	return nil
}

// Has reports whether the dump has a section of this kind, be it empty.
func (c *Config) Has(kind ResourceKind) bool {
	return slices.ContainsFunc(c.Sections, func(s Section) bool { return s.Kind == kind })
}

// Whole reports whether the dump has such a section and does not break off in it: then
// what is not there was not there.
func (c *Config) Whole(kind ResourceKind) bool {
	return c.Has(kind) && !slices.ContainsFunc(c.Sections, func(s Section) bool { return s.Kind == kind && s.Cut })
}

// Version returns version_info of the section of this kind.
func (c *Config) Version(kind ResourceKind) string {
	for _, s := range c.Sections {
		if s.Kind == kind && s.Version != "" {
			return s.Version
		}
	}
	return ""
}

// FindProxy returns the one proxy that name means: "name", "name.namespace", a
// whole Key, or a prefix of any of them that fits a single proxy. namespace
// narrows the choice where it is not empty. Without a name the capture must
// have a single proxy. Of several dumps of one proxy in one folder the full one
// is meant.
func (c *Capture) FindProxy(name, namespace string) (*Proxy, error) {
	var fits, starts []*Proxy
	for _, p := range c.Proxies {
		if namespace != "" && p.Namespace != namespace {
			continue
		}
		switch {
		case name == "" || name == p.Name || name == p.Key() || name == p.Name+"."+p.Namespace:
			fits = append(fits, p)
		case strings.HasPrefix(p.Key(), name) || namespaced(p, name):
			starts = append(starts, p)
		}
	}
	if len(fits) == 0 {
		fits = starts
	}
	if whole := wholeOf(fits); whole != nil {
		return whole, nil
	}
	if len(fits) == 1 {
		return fits[0], nil
	}
	return nil, &ProxyError{Name: name, Namespace: namespace, Fits: fits, All: c.Proxies}
}

// wholeOf returns the one full dump among dumps of a proxy that lie in one
// folder, the others being narrowed or made without endpoints; nil if there is
// no such one.
func wholeOf(proxies []*Proxy) *Proxy {
	var whole *Proxy
	for _, p := range proxies {
		if len(p.Files) == 0 || p.Name != proxies[0].Name || path.Dir(p.Files[0].Path) != path.Dir(proxies[0].Files[0].Path) {
			return nil
		}
		if p.Bootstrap == nil || !p.Has(Endpoint) {
			continue
		}
		if whole != nil {
			return nil
		}
		whole = p
	}
	return whole
}

// namespaced reports whether name is "prefix.namespace" of p.
func namespaced(p *Proxy, name string) bool {
	prefix, ns, found := cutLast(name, ".")
	return found && ns == p.Namespace && strings.HasPrefix(p.Name, prefix)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// ProxyError says that a name means no proxy of the capture, or several.
type ProxyError struct {
	Name, Namespace string
	// Fits are the proxies that the name could mean.
	Fits []*Proxy
	// All are the proxies of the capture.
	All []*Proxy
}

const proxiesInError = 12

func (e *ProxyError) Error() string {
	where := "the capture"
	if e.Namespace != "" {
		where = "namespace " + e.Namespace
	}
	switch {
	case len(e.All) == 0:
		return "the capture has no proxy: expected at least one config_dump"
	case e.Name == "" && len(e.Fits) > 1:
		return fmt.Sprintf("%s has %d proxies, name one of them: %s", where, len(e.Fits), names(e.Fits))
	case len(e.Fits) > 1:
		return fmt.Sprintf("%q could be any of %d proxies: %s", e.Name, len(e.Fits), names(e.Fits))
	case e.Name == "":
		return fmt.Sprintf("no proxy in %s; the capture has: %s", where, names(e.All))
	}
	return fmt.Sprintf("no proxy %q in %s; it has: %s", e.Name, where, names(e.All))
}

func names(proxies []*Proxy) string {
	var keys []string
	for _, p := range proxies[:min(len(proxies), proxiesInError)] {
		keys = append(keys, p.Key())
	}
	text := strings.Join(keys, ", ")
	if more := len(proxies) - proxiesInError; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// ByKey orders proxies by Key.
func ByKey(a, b *Proxy) int { return cmp.Compare(a.Key(), b.Key()) }
