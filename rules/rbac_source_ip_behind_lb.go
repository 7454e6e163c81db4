package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// RBACSourceIPBehindLB reports policies on the client's address where a gateway
// sees the load balancer's.
var RBACSourceIPBehindLB = &analyze.Rule{
	Name:       "rbac-source-ip-behind-lb",
	Code:       "AUT12",
	Severity:   analyze.Warning,
	Confidence: analyze.Likely,
	Category:   analyze.Security,
	Needs:      []analyze.Need{analyze.NeedListeners},
	Doc: analyze.Doc{
		Title: "a gateway judges by the client's address and may see that of the load balancer",
		Finds: "RBAC policies with `remote_ip`, `direct_remote_ip` or `source_ip` on listeners of a gateway whose connection manager has `use_remote_address: true` and `xff_num_trusted_hops: 0`. " +
			"A warning where the capture has the gateway's Service, of type LoadBalancer or NodePort with `externalTrafficPolicy: Cluster` (the default), by which the node in between replaces the address; info where the Service is not in the capture.",
		Hurts: "Every client has the address of a node or of the load balancer: an ALLOW policy refuses everybody with 403, or lets everybody pass; a DENY policy never refuses the client that it names.",
		Example: `use_remote_address: true    # xff_num_trusted_hops: 0
http_filters:
- name: envoy.filters.http.rbac
  typed_config: {rules: {policies: {"ns[istio-system]-policy[office]-rule[0]": {principals: [{remote_ip: {address_prefix: 203.0.113.0, prefix_len: 24}}]}}}}`,
		Silent: "loopback addresses; sidecars, which take the address from the gateway's x-forwarded-for; a Service with `externalTrafficPolicy: Local`, which keeps the address; a Service of type ClusterIP, which nobody reaches from outside; listeners with a PROXY protocol filter; gateways that trust hops (`numTrustedProxies`), unless the policy looks at the connection's own peer.",
		Fix:    "set `externalTrafficPolicy: Local`, or the PROXY protocol, or `numTrustedProxies` with `remoteIpBlocks`, whichever the load balancer can do",
		References: []string{
			"https://istio.io/latest/docs/tasks/security/authorization/authz-ingress/",
			"https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/",
			"https://github.com/istio/istio/issues/55722",
		},
	},
	Run: runRBACSourceIPBehindLB,
}

func runRBACSourceIPBehindLB(pass *analyze.Pass) {
	for _, p := range pass.Proxies {
		if p.Kind != mesh.Gateway {
			continue
		}
		for _, l := range guardedListeners(pass, p) {
			if !isEdge(l.message) || hasProxyProtocol(l.message) {
				continue
			}
			found := newFold()
			for i := range l.chains {
				found.addresses(pass.Capture, p, &l, &l.chains[i])
			}
			found.report(pass)
		}
	}
}

func hasProxyProtocol(l *listenerv3.Listener) bool {
	return slices.ContainsFunc(mesh.ListenerFilters(l), func(f mesh.Filter) bool { return strings.HasSuffix(f.TypeURL, ".ProxyProtocol") })
}

func (f *fold) addresses(capture *mesh.Capture, p *mesh.Proxy, l *guardedListener, c *guardedChain) {
	if c.manager.GetXffNumTrustedHops() > 0 || c.manager != nil && !c.manager.GetUseRemoteAddress().GetValue() {
		return
	}
	for _, g := range c.guards {
		rules := g.rules()
		for _, name := range policyNames(rules) {
			if !asksAddress(rules.GetPolicies()[name]) {
				continue
			}
			severity, why := seenAddress(capture, p)
			if severity == 0 {
				return
			}
			f.add(name, analyze.Finding{
				Severity: severity,
				Ref:      p.Ref(mesh.Listener, l.resource.Name()), Source: l.resource.Source, Object: policyObject(name),
				Message: fmt.Sprintf("%s policy %s judges by the client's address: %s", rules.GetAction(), policyLabel(name), why),
			}, analyze.Location{Ref: l.at(p, c), Source: l.resource.Source, Message: "in filter " + g.Name})
		}
	}
}

func asksAddress(policy *rbacv3.Policy) bool {
	asks := false
	visitor{principal: func(p *rbacv3.Principal, _ bool) {
		for _, cidr := range []*corev3.CidrRange{p.GetRemoteIp(), p.GetDirectRemoteIp(), p.GetSourceIp()} {
			address, err := netip.ParseAddr(cidr.GetAddressPrefix())
			asks = asks || err == nil && !address.IsLoopback()
		}
	}}.policy(policy)
	return asks
}

// seenAddress says which address a gateway sees of its clients, by its Service.
func seenAddress(capture *mesh.Capture, p *mesh.Proxy) (analyze.Severity, string) {
	service := serviceOf(capture, p)
	if service == nil {
		return analyze.Info, "behind a load balancer that does not keep it, this is the balancer's"
	}
	spec, _ := service.Fields["spec"].(map[string]any)
	kind, _ := spec["type"].(string)
	policy, _ := spec["externalTrafficPolicy"].(string)
	if kind != "LoadBalancer" && kind != "NodePort" || policy == "Local" {
		return 0, ""
	}
	return analyze.Warning, fmt.Sprintf("Service %s/%s has externalTrafficPolicy Cluster, so this is a node's", service.Namespace, service.Name)
}

// serviceOf is the captured Service that selects the proxy's pod, the one that is
// reached from outside if there are several; nil if there is none.
func serviceOf(capture *mesh.Capture, p *mesh.Proxy) *mesh.Object {
	labels := nodeLabels(p)
	var found *mesh.Object
	for _, doc := range capture.Objects {
		objects, _ := doc.Get()
		for i, o := range objects {
			spec, _ := o.Fields["spec"].(map[string]any)
			selector, _ := spec["selector"].(map[string]any)
			if o.Kind != "Service" || o.APIVersion != "v1" || o.Namespace != p.Namespace || len(selector) == 0 || !hasLabels(labels, selector) {
				continue
			}
			if kind, _ := spec["type"].(string); found == nil || kind == "LoadBalancer" || kind == "NodePort" {
				found = &objects[i]
			}
		}
	}
	return found
}
