package trace

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// registered is a service of istiod's debug/registryz. Older istiods write the
// address as "address", and "Attributes" with a small letter.
type registered struct {
	Hostname       string `json:"hostname"`
	DefaultAddress string `json:"defaultAddress"`
	Address        string `json:"address"`
	ClusterVIPs    struct {
		Addresses map[string][]string
	} `json:"clusterVIPs"`
}

// ip is the service's own address; none for a headless service.
func (r registered) ip() (netip.Addr, bool) {
	texts := []string{r.DefaultAddress, r.Address}
	for _, cluster := range slices.Sorted(maps.Keys(r.ClusterVIPs.Addresses)) {
		texts = append(texts, r.ClusterVIPs.Addresses[cluster]...)
	}
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil && !ip.IsUnspecified() {
			return ip.Unmap(), true
		}
	}
	return netip.Addr{}, false
}

// registry is registryz of all istiods by host name, read once.
func (o *objects) registry(e *Engine) map[string]netip.Addr {
	if o.registered != nil {
		return o.registered
	}
	o.registered = map[string]netip.Addr{}
	for _, plane := range e.capture.ControlPlanes {
		doc := plane.Debug["registryz"]
		if doc == nil {
			continue
		}
		raw, err := doc.Get()
		if err != nil {
			continue
		}
		var services []registered
		if err := json.Unmarshal(raw, &services); err != nil {
			continue
		}
		for _, s := range services {
			if ip, ok := s.ip(); ok {
				o.registered[strings.ToLower(s.Hostname)] = ip
			}
		}
	}
	return o.registered
}

// registryIP looks a host, which may be a short name, up in registryz.
func (r *resolver) registryIP(host string) (netip.Addr, bool) {
	registry := r.engine.index().registry(r.engine)
	if len(registry) == 0 {
		return netip.Addr{}, false
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range []string{"", "." + r.view.proxy.Namespace + ".svc.cluster.local", ".svc.cluster.local", ".cluster.local"} {
		if ip, ok := registry[host+suffix]; ok {
			return ip, true
		}
	}
	return netip.Addr{}, false
}
