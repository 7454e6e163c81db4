package loader

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// owner finds the proxy of an admin file: the one whose dump lies in the same
// pod's folder. Where a folder holds dumps of several proxies, the beginning of
// the file's name must tell whose it is. Of several dumps of one proxy the
// fullest is meant.
func (j *joiner) owner(f *file) *mesh.Proxy {
	near := j.byDir[f.id.dir]
	if len(near) == 0 {
		return j.elsewhere(f)
	}
	if severalNames(near) {
		return j.namesake(near, f)
	}
	if near[0].ID == "" && f.id.name == "" && taken(near[0], f.kind) {
		return nil
	}
	return fullest(near)
}

func fullest(proxies []*mesh.Proxy) *mesh.Proxy {
	return slices.MaxFunc(proxies, func(a, b *mesh.Proxy) int { return cmp.Compare(size(a), size(b)) })
}

// elsewhere finds the proxy that the folder of f is named after, where its dump
// lies in another: below the same root, as two captures may have the same pod.
func (j *joiner) elsewhere(f *file) *mesh.Proxy {
	name, namespace := cmp.Or(f.id.name, f.id.folder), cmp.Or(f.id.namespace, f.id.parent)
	var found []*mesh.Proxy
	for _, p := range j.byName[name] {
		if p.Namespace != "" && namespace != "" && p.Namespace != namespace {
			continue
		}
		root := f.id.root
		if f.id.folder != "" {
			root = above(f.id.dir, p.Namespace, p.Name)
		}
		if within(root, j.roots[p]) || within(j.roots[p], root) {
			found = append(found, p)
		}
	}
	if len(found) == 0 || severalNames(found) {
		return nil
	}
	return fullest(found)
}

// within reports whether folder is root or lies below it.
func within(folder, root string) bool {
	return root == "" || folder == root || strings.HasPrefix(folder, root+"/")
}

// indexNames makes the proxies known by their names, which are final then.
func (j *joiner) indexNames() {
	j.byName = map[string][]*mesh.Proxy{}
	for _, p := range j.capture.Proxies {
		j.byName[p.Name] = append(j.byName[p.Name], p)
	}
}

func severalNames(proxies []*mesh.Proxy) bool {
	return slices.ContainsFunc(proxies, func(p *mesh.Proxy) bool {
		return p.Name != proxies[0].Name || p.Namespace != proxies[0].Namespace
	})
}

// namesake is the one proxy whose dump's file name begins like that of f, up to
// a separator: cart-config_dump.json and cart-clusters.json.
func (j *joiner) namesake(near []*mesh.Proxy, f *file) *mesh.Proxy {
	var best *mesh.Proxy
	longest := 0
	for _, p := range near {
		n := commonWords(path.Base(j.from[p]), path.Base(f.input.Path))
		if n > longest {
			best, longest = p, n
		} else if n == longest {
			best = nil
		}
	}
	return best
}

// commonWords is the length of what two file names begin with alike, up to the
// last separator in it.
func commonWords(a, b string) int {
	n := 0
	for i := 0; i < min(len(a), len(b)) && a[i] == b[i]; i++ {
		if strings.IndexByte("-_.", a[i]) >= 0 {
			n = i + 1
		}
	}
	return n
}

// taken reports whether a proxy that is known by its folder alone has such a
// file already: then the folder holds several proxies.
func taken(p *mesh.Proxy, kind mesh.FileKind) bool {
	return slices.ContainsFunc(p.Files, func(in *mesh.Input) bool { return in.Kind == kind })
}

// size orders dumps of one proxy by how much they hold.
func size(p *mesh.Proxy) int {
	n := 0
	for _, s := range p.Sections {
		n += 1 + s.Count
	}
	return n
}
