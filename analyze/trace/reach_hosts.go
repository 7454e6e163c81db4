package trace

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
)

// unknownHost is a name that no configuration has (RFC 2606).
const unknownHost = "any-other-host.invalid"

// manager adds a target for every virtual host that a client can name.
func (s *surveyor) manager(d door, m *manager) {
	protocol, scheme := "http", "http"
	if d.tls {
		protocol, scheme = "https", "https"
	}
	base := Target{Port: d.port, Protocol: protocol, Direction: d.direction}
	send := func(t Target, authority string, domains []string) {
		name := hostOnly(authority)
		t.Request = request.Request{
			Protocol: request.HTTP1, Method: "GET", Scheme: scheme, Authority: authority, Path: "/",
			TLS: d.handshake(d.serverName(name), "http/1.1"), To: s.to(&d, name, domains),
		}
		s.add(t, domains...)
	}
	t := s.tableOf(m)
	if t == nil {
		for _, named := range d.anyNamings() {
			target := base
			target.Host, target.Label = named.host, d.label(named.label)
			send(target, named.authority, nil)
		}
		return
	}
	for _, host := range t.hosts {
		for _, named := range d.namings(t, host) {
			if !s.wants(named.host, host.domains) {
				continue
			}
			target := base
			target.Host, target.Label, target.Routes = named.host, d.label(named.label), host.routeCount()
			send(target, named.authority, host.domains)
		}
	}
}

// tableOf is the one route configuration of a manager; nil where it has none, or
// several by scope.
func (s *surveyor) tableOf(m *manager) *table {
	t := m.inline
	if rds := m.config.GetRds(); t == nil && rds != nil {
		t = s.view.tables[rds.GetRouteConfigName()]
	}
	if t == nil || !t.load() {
		return nil
	}
	return t
}

// serverName is the SNI for a host: its own name where the chain takes that, else
// the first that it takes.
func (d *door) serverName(host string) string {
	for _, name := range d.names {
		if takesName(name, host) {
			return host
		}
	}
	if len(d.names) == 0 {
		return host
	}
	name, _ := example(d.names[0])
	return name
}

// naming is how a client names a virtual host.
type naming struct{ host, authority, label string }

// namings are the names of a virtual host: one, but of one that takes any host
// those of the chain that leads to it.
func (d *door) namings(t *table, host *virtualHost) []naming {
	if host != t.fallback || len(d.names) == 0 {
		if named, ok := d.name(t, host); ok {
			return []naming{named}
		}
		return nil
	}
	return slices.DeleteFunc(d.anyNamings(), func(n naming) bool {
		taker, _ := t.find(n.authority)
		return taker != host
	})
}

// anyNamings are names for what takes any host: those of the chain that leads to it.
func (d *door) anyNamings() []naming {
	if len(d.names) == 0 {
		return []naming{{host: AnyHost, authority: unknownHost, label: "any host"}}
	}
	var out []naming
	for _, name := range d.names {
		authority, label := example(name)
		out = append(out, naming{host: name, authority: authority, label: label})
	}
	return out
}

// name finds a :authority that leads to the virtual host: its full name before its
// short ones, names before wildcards, wildcards before addresses. ok is false where
// other virtual hosts take all of them.
func (d *door) name(t *table, host *virtualHost) (best naming, ok bool) {
	full := match.WithoutPort(host.name)
	if host == t.fallback && len(t.hosts) == 1 {
		return d.only(full), true
	}
	if d.direction == request.AtGateway && slices.Contains(host.domains, d.asked) {
		full = d.asked
	}
	found := 0
	for _, domain := range host.domains {
		rank := rankOf(domain, full)
		if rank <= found {
			continue
		}
		n := namingOf(domain)
		for _, authority := range d.authorities(domain, n.authority) {
			if taker, _ := t.find(authority); taker == host || t.message.GetVhostHeader() != "" {
				n.authority = authority
				best, found = n, rank
				break
			}
		}
	}
	return best, found > 0
}

// only names the one virtual host of a route configuration that takes any host: of
// a listener of a single address it is that of the service.
func (d *door) only(full string) naming {
	if d.direction == request.Outbound && !d.any && strings.Contains(full, ".") && !strings.ContainsAny(full, "|/* ") {
		return naming{host: full, authority: d.withPort(full)}
	}
	return naming{host: AnyHost, authority: unknownHost, label: "any host"}
}

// The ranks of a domain as a name to call a virtual host by.
const (
	rankAny = iota + 1
	rankAddress
	rankWildcard
	rankDotted // with the dot of the DNS root
	rankName
	rankFull
)

func rankOf(domain, full string) int {
	host := match.WithoutPort(domain)
	switch {
	case domain == AnyHost:
		return rankAny
	case isAddress(domain):
		return rankAddress
	case strings.Contains(domain, "*"):
		return rankWildcard
	case strings.HasSuffix(host, "."):
		return rankDotted
	case host == full:
		return rankFull
	}
	return rankName
}

func namingOf(domain string) naming {
	switch {
	case domain == AnyHost:
		return naming{host: AnyHost, authority: unknownHost, label: "any other host"}
	case isAddress(domain):
		return naming{host: hostOnly(domain), authority: domain}
	}
	name, label := example(domain)
	return naming{host: hostOnly(domain), authority: name, label: label}
}

// authorities are what a client may send for a domain, the likeliest first: clients
// name the port unless it is the scheme's own; those of a gateway know other ports
// than its listener's.
func (d *door) authorities(domain, authority string) []string {
	if hostOnly(domain) != domain {
		return []string{authority}
	}
	if d.direction == request.AtGateway {
		return []string{authority, d.withPort(authority)}
	}
	return []string{d.withPort(authority), authority}
}

// withPort adds the port unless it is that of the scheme.
func (d *door) withPort(host string) string {
	if d.port == 80 && !d.tls || d.port == 443 && d.tls {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(int(d.port)))
}

// example turns a wildcard into a name that it takes, and says so.
func example(domain string) (name, label string) {
	if !strings.Contains(domain, "*") {
		return domain, ""
	}
	name = strings.Replace(domain, "*", "any", 1)
	return name, "for example " + hostOnly(name)
}

// hostOnly is a domain or :authority without its port, and an address without its
// brackets.
func hostOnly(domain string) string {
	if _, err := netip.ParseAddr(domain); err == nil {
		return domain
	}
	return strings.Trim(match.WithoutPort(domain), "[]")
}

func isAddress(domain string) bool {
	_, err := netip.ParseAddr(hostOnly(domain))
	return err == nil
}

// routeCount is the number of routes of a virtual host; 0 where it cannot be decoded.
func (v *virtualHost) routeCount() int {
	if !v.compile() {
		return 0
	}
	return len(v.message.GetRoutes())
}
