package trace

import (
	"cmp"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/match"
)

// table is a route configuration, indexed by domain when it is first used.
type table struct {
	resource *mesh.Resource // nil for an inline one
	// message is the route configuration; of one that came by RDS without its
	// virtual hosts, which are decoded when a request meets them.
	message *routev3.RouteConfiguration
	loaded  bool
	err     error

	exact map[string]*virtualHost
	// suffixes are the domains "*.example.com" and prefixes those like "example.*",
	// the longest first.
	suffixes, prefixes []wildcard
	fallback           *virtualHost // "*"
	hosts              []*virtualHost
}

type wildcard struct {
	text string // without its star
	host *virtualHost
}

// virtualHost compiles its routes when it is first chosen.
type virtualHost struct {
	name    string
	domains []string
	source  *mesh.VirtualHost
	table   *table
	// The rest is set by compile; message is nil where err is not.
	message *routev3.VirtualHost
	routes  []*route
	tree    *match.Tree
	ready   bool
	err     error
}

// route is one route of a virtual host.
type route struct {
	message *routev3.Route
	label   string
	index   int // in the virtual host; -1 inside a matcher
	match   *match.Route
	words   string // what it asks for
	action  *compiledAction
}

// load decodes and indexes the table once; it reports whether that went well.
func (t *table) load() bool {
	if t.loaded {
		return t.err == nil
	}
	t.loaded = true
	source := mesh.NewRouteTable(t.message)
	if t.message == nil {
		source, t.err = t.resource.RouteTable()
		if t.err != nil {
			return false
		}
		t.message = source.Config
	}
	t.exact = map[string]*virtualHost{}
	for _, host := range source.Hosts {
		v := &virtualHost{name: host.Name, domains: host.Domains, source: host, table: t}
		t.hosts = append(t.hosts, v)
		for _, domain := range host.Domains {
			t.index(strings.ToLower(domain), v)
		}
	}
	longest := func(a, b wildcard) int { return cmp.Compare(len(b.text), len(a.text)) }
	slices.SortStableFunc(t.suffixes, longest)
	slices.SortStableFunc(t.prefixes, longest)
	return true
}

func (t *table) index(domain string, host *virtualHost) {
	switch {
	case domain == "*":
		if t.fallback == nil {
			t.fallback = host
		}
	case strings.HasPrefix(domain, "*"):
		t.suffixes = append(t.suffixes, wildcard{domain[1:], host})
	case strings.HasSuffix(domain, "*"):
		t.prefixes = append(t.prefixes, wildcard{domain[:len(domain)-1], host})
	default:
		if _, taken := t.exact[domain]; !taken {
			t.exact[domain] = host
		}
	}
}

// find returns the virtual host for a :authority and the domain that fitted; nil
// where none does.
func (t *table) find(authority string) (*virtualHost, string) {
	host := strings.ToLower(authority)
	if t.message.GetIgnorePortInHostMatching() {
		host = match.WithoutPort(host)
	}
	if v, ok := t.exact[host]; ok {
		return v, host
	}
	for _, w := range t.suffixes {
		if len(host) > len(w.text) && strings.HasSuffix(host, w.text) {
			return w.host, "*" + w.text
		}
	}
	for _, w := range t.prefixes {
		if len(host) > len(w.text) && strings.HasPrefix(host, w.text) {
			return w.host, w.text + "*"
		}
	}
	if t.fallback != nil {
		return t.fallback, "*"
	}
	return nil, ""
}

// compile prepares the routes of a virtual host once; it reports whether the virtual
// host could be decoded.
func (v *virtualHost) compile() bool {
	if v.ready {
		return v.err == nil
	}
	v.ready = true
	if v.message, v.err = v.source.Message(); v.err != nil {
		return false
	}
	for i, message := range v.message.GetRoutes() {
		compiled := newRoute(message, indexLabel(message.GetName(), i), v.table.message)
		compiled.index = i
		v.routes = append(v.routes, compiled)
	}
	if matcher := v.message.GetMatcher(); matcher != nil {
		v.tree = match.CompileTree(matcher)
	}
	return true
}

func newRoute(message *routev3.Route, label string, table *routev3.RouteConfiguration) *route {
	compiled := match.CompileRoute(message.GetMatch())
	compiled.IgnorePathParameters = table.GetIgnorePathParametersInPathMatching()
	return &route{message: message, label: label, index: -1, match: compiled, words: MatchWords(message.GetMatch())}
}
