package mesh

import (
	"cmp"
	"strings"
)

// Ref is the address of something in a capture. It is comparable, so it can be
// the key of a map.
type Ref struct {
	// Proxy is the Key of a proxy or control plane, "pod.namespace"; empty for
	// what belongs to none of them.
	Proxy string
	// Kind is the type of resource; empty for the proxy itself.
	Kind ResourceKind
	// Name is the resource's name; empty for all resources of the kind. What it
	// names need not exist: a missing cluster has an address too.
	Name string
	// Path leads to a part of the resource: a virtual host, a filter chain.
	Path string
}

// Ref is the address of a resource of this proxy.
func (p *Proxy) Ref(kind ResourceKind, name string) Ref {
	return Ref{Proxy: p.Key(), Kind: kind, Name: name}
}

// String writes the address as "proxy/kind/name#path" without the parts that
// are empty. It is for people and for sorting; names may hold any character, so
// it cannot be taken apart again.
func (r Ref) String() string {
	var parts []string
	for _, part := range []string{r.Proxy, string(r.Kind), r.Name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	text := strings.Join(parts, "/")
	if r.Path != "" {
		text += "#" + r.Path
	}
	return text
}

// Compare orders addresses by proxy, kind, name and path.
func (r Ref) Compare(other Ref) int {
	return cmp.Or(
		cmp.Compare(r.Proxy, other.Proxy),
		cmp.Compare(r.Kind, other.Kind),
		cmp.Compare(r.Name, other.Name),
		cmp.Compare(r.Path, other.Path),
	)
}
