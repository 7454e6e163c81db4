package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	xdsmatcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	networkrbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// guardedListener is an active listener with the filter chains that decide who
// may pass.
type guardedListener struct {
	resource *mesh.Resource
	message  *listenerv3.Listener
	chains   []guardedChain
}

// guardedChain is a filter chain as the rules on access see it.
type guardedChain struct {
	message *listenerv3.FilterChain
	// name is the chain's label.
	name string
	// port is the destination port that the chain is for; 0 for any.
	port uint32
	// declared is set for a chain that belongs to a port of a Service: the
	// others pass connections on to whatever port they came for.
	declared bool
	// tls is set where the chain terminates TLS, certificate where it also asks
	// the client for one: see clientSecurity.
	tls, certificate bool
	// manager is nil for a chain without HTTP.
	manager *hcmv3.HttpConnectionManager
	// guards are the network filters, then the HTTP filters, without those that
	// are off unless a route enables them.
	guards []guard
}

// guard is a filter of a chain.
type guard struct {
	mesh.Filter
	http bool
}

// guardMarks are in the JSON of every listener with a filter that decides on
// access; most listeners have none and need not be read.
var guardMarks = [][]byte{[]byte("rbac"), []byte("jwt"), []byte("ext_authz")}

// guardedListeners returns the active listeners that have such filters, in the
// order of the dump.
func guardedListeners(pass *analyze.Pass, p *mesh.Proxy) []guardedListener {
	var out []guardedListener
	for _, r := range p.Listeners {
		if r.State != mesh.Active || r.Content == nil {
			continue
		}
		l := analyze.Once(pass, r.Content, func() guardedListener { return newGuardedListener(pass, r) })
		if len(l.chains) == 0 {
			continue
		}
		l.resource = r
		out = append(out, l.discovered(p))
	}
	return out
}

func containsAny(raw []byte, marks [][]byte) bool {
	return slices.ContainsFunc(marks, func(mark []byte) bool { return bytes.Contains(raw, mark) })
}

// newGuardedListener returns nothing for a listener that has no such filter.
func newGuardedListener(pass *analyze.Pass, r *mesh.Resource) guardedListener {
	if !containsAny(r.Raw(), guardMarks) {
		return guardedListener{}
	}
	message, err := r.Listener()
	if err != nil {
		return guardedListener{}
	}
	l := guardedListener{message: message}
	for _, chain := range filterChains(pass, r) {
		l.chains = append(l.chains, newGuardedChain(message, chain))
	}
	return l
}

func newGuardedChain(l *listenerv3.Listener, chain filterChain) guardedChain {
	c := guardedChain{
		message: chain.FilterChain,
		name:    chain.label,
		port:    chain.GetFilterChainMatch().GetDestinationPort().GetValue(),
		manager: chain.manager,
	}
	c.declared = c.port > 0 || !restoresDestination(l)
	c.tls, c.certificate = clientSecurity(chain.GetTransportSocket())
	for _, f := range chain.filters {
		c.guards = append(c.guards, guard{Filter: f})
	}
	for _, f := range chain.http {
		if !f.Disabled {
			c.guards = append(c.guards, guard{Filter: f, http: true})
		}
	}
	return c
}

// clientSecurity reports whether a transport socket terminates TLS, and whether the
// client may show who it is. One that is not known may do both.
func clientSecurity(socket *corev3.TransportSocket) (tls, certificate bool) {
	f := mesh.TransportSocket(socket)
	context, ok := f.Config.(*tlsv3.DownstreamTlsContext)
	switch {
	case ok:
		common := context.GetCommonTlsContext()
		return true, context.GetRequireClientCertificate().GetValue() || common.GetValidationContextType() != nil
	case socket == nil, strings.HasSuffix(f.TypeURL, ".RawBuffer"), f.TypeURL == "" && strings.HasSuffix(f.Name, "raw_buffer"):
		return false, false
	}
	return true, true
}

// restoresDestination reports whether the listener takes connections for any port.
func restoresDestination(l *listenerv3.Listener) bool {
	return l.GetUseOriginalDst().GetValue() || slices.ContainsFunc(mesh.ListenerFilters(l), func(f mesh.Filter) bool {
		return strings.HasSuffix(f.TypeURL, ".OriginalDst") || strings.HasSuffix(f.Name, "original_dst")
	})
}

// discovered puts in the configurations that came by ECDS.
func (l guardedListener) discovered(p *mesh.Proxy) guardedListener {
	l.chains = slices.Clone(l.chains)
	for i := range l.chains {
		c := &l.chains[i]
		if !slices.ContainsFunc(c.guards, func(g guard) bool { return g.Discovery }) {
			continue
		}
		c.guards = slices.Clone(c.guards)
		for j, g := range c.guards {
			if r := p.Active(mesh.Extension, g.Name); g.Discovery && r != nil {
				config, _ := r.ExtensionConfig()
				c.guards[j].Filter = mesh.Unpack(g.Name, config.GetTypedConfig())
			}
		}
	}
	return l
}

// isInternal reports whether only other parts of the proxy reach the listener: who
// the client is was found out before, by the listener of the tunnel.
func (l *guardedListener) isInternal() bool { return l.message.GetInternalListener() != nil }

// at is the address of a chain.
func (l *guardedListener) at(p *mesh.Proxy, c *guardedChain) mesh.Ref {
	ref := p.Ref(mesh.Listener, l.resource.Name())
	ref.Path = c.name
	return ref
}

// place names what a chain is for: its port, else its listener.
func (c *guardedChain) place(l *guardedListener) string {
	if c.port > 0 {
		return fmt.Sprintf("port %d", c.port)
	}
	return "listener " + l.resource.Name()
}

// hasHTTP reports whether the same port is also served by a chain with HTTP: then a
// chain without it takes what was not recognised as HTTP.
func (l *guardedListener) hasHTTP(port uint32) bool {
	return slices.ContainsFunc(l.chains, func(c guardedChain) bool { return c.port == port && c.manager != nil })
}

// isEdge reports whether a listener of a gateway is one by which requests enter the
// mesh.
func isEdge(l *listenerv3.Listener) bool {
	return l.GetTrafficDirection() != corev3.TrafficDirection_INBOUND && l.GetInternalListener() == nil
}

// rbacFilter is the configuration of an HTTP or a network RBAC filter.
type rbacFilter interface {
	GetRules() *rbacv3.RBAC
	GetMatcher() *xdsmatcherv3.Matcher
	GetShadowRules() *rbacv3.RBAC
	GetShadowRulesStatPrefix() string
}

var (
	_ rbacFilter = (*httprbacv3.RBAC)(nil)
	_ rbacFilter = (*networkrbacv3.RBAC)(nil)
)

// rules returns the rules that an RBAC filter enforces; nil for other filters, and
// for a matcher tree, which goes before rules.
func (g guard) rules() *rbacv3.RBAC {
	config, ok := g.Config.(rbacFilter)
	if !ok || config.GetMatcher() != nil {
		return nil
	}
	return config.GetRules()
}

// policyObject is the AuthorizationPolicy that an RBAC policy was made of; "" if
// its name is not one of Istio's.
func policyObject(name string) string {
	namespace, policy, _, ok := rbac.ParsePolicyName(name)
	if !ok {
		return ""
	}
	return "AuthorizationPolicy " + namespace + "/" + policy
}

// policyLabel is how messages name a policy: as Istio's object does, or by its own
// name.
func policyLabel(name string) string {
	if namespace, policy, rule, ok := rbac.ParsePolicyName(name); ok {
		return fmt.Sprintf("%s/%s rule %d", namespace, policy, rule)
	}
	return strings.TrimSpace(name)
}

// fold makes one finding of a fault that several filter chains of a listener have,
// in the order in which they were met.
type fold struct {
	keys     []string
	findings map[string]*analyze.Finding
}

func newFold() *fold { return &fold{findings: map[string]*analyze.Finding{}} }

// add notes a fault by its key, and a place of it. The first finding of a key stays.
func (f *fold) add(key string, finding analyze.Finding, place analyze.Location) {
	if f.findings[key] == nil {
		f.keys = append(f.keys, key)
		f.findings[key] = &finding
	}
	f.findings[key].Related = append(f.findings[key].Related, place)
}

func (f *fold) report(pass *analyze.Pass) {
	for _, key := range f.keys {
		pass.Report(*f.findings[key])
	}
}
