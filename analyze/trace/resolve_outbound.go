package trace

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// outbound finds the address that the host's name resolves to for the workload.
func (r *resolver) outbound(host string, port uint16) {
	if ip, ok := r.clusterIP(host); ok {
		r.to = netip.AddrPortFrom(ip, port)
		return
	}
	if ip, ok := r.registryIP(host); ok {
		r.to = netip.AddrPortFrom(ip, port)
		return
	}
	if ip, ok := r.domainIP(host, port); ok {
		r.to = netip.AddrPortFrom(ip, port)
		return
	}
	if address, ok := r.listenerFor(host, port); ok {
		r.to = address
		return
	}
	r.to = netip.AddrPortFrom(anywhere, port)
	r.notes = append(r.notes, Unknown{
		What:   "the address of " + host,
		Effect: fmt.Sprintf("nothing in the capture resolves it, so no listener of a single address is taken: only those of any address on port %d", port),
	})
}

// clusterIP looks the host up among the Kubernetes services of the capture.
func (r *resolver) clusterIP(host string) (netip.Addr, bool) {
	namespace := r.view.proxy.Namespace
	for _, s := range r.engine.index().services {
		full := s.name + "." + s.namespace
		if host != full && host != full+".svc" && !strings.HasPrefix(host, full+".svc.") && (host != s.name || s.namespace != namespace) {
			continue
		}
		for _, text := range s.clusterIPs {
			if ip, err := netip.ParseAddr(text); err == nil {
				return ip.Unmap(), true
			}
		}
	}
	return netip.Addr{}, false
}

// domainIP looks for a virtual host that has both the name and an address among
// its domains, as Istio gives the virtual hosts of a service.
func (r *resolver) domainIP(host string, port uint16) (netip.Addr, bool) {
	t := r.view.tables[strconv.Itoa(int(port))]
	if t == nil || !t.load() {
		return netip.Addr{}, false
	}
	found, _ := t.find(host)
	if found == nil || found == t.fallback {
		if found, _ = t.find(net.JoinHostPort(host, strconv.Itoa(int(port)))); found == nil {
			return netip.Addr{}, false
		}
	}
	for _, domain := range found.domains {
		if ip, err := netip.ParseAddr(domain); err == nil {
			return ip.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// listenerFor looks for a listener of a single address that leads to the host's
// cluster, as a TCP service has one.
func (r *resolver) listenerFor(host string, port uint16) (netip.AddrPort, bool) {
	for _, l := range r.view.listeners {
		if len(l.addresses) == 0 || l.addresses[0].Port() != port || l.addresses[0].Addr().IsUnspecified() || l.load() == nil {
			continue
		}
		for _, c := range mesh.FilterChains(l.message) {
			proxy := mesh.TCPProxy(c)
			names := []string{proxy.GetCluster()}
			for _, w := range proxy.GetWeightedClusters().GetClusters() {
				names = append(names, w.GetName())
			}
			if slices.ContainsFunc(names, func(name string) bool { return r.leadsTo(name, host) }) {
				return l.addresses[0], true
			}
		}
	}
	return netip.AddrPort{}, false
}

// leadsTo reports whether a cluster "outbound|port|subset|service" is that of the
// host, which may be a short name.
func (r *resolver) leadsTo(name, host string) bool {
	service := name[strings.LastIndexByte(name, '|')+1:]
	if service == name || service == "" {
		return false
	}
	return service == host || strings.HasPrefix(service, host+"."+r.view.proxy.Namespace+".svc.") || strings.HasPrefix(service, host+".svc.") ||
		strings.Contains(host, ".") && strings.HasPrefix(service, host+".")
}
