package loader

import (
	"path"

	"github.com/meshray/meshray/analyze/mesh"
)

// parts is what istioctl proxy-config printed into the files of one folder.
type parts struct {
	kinds map[mesh.ResourceKind]bool
	// whole is set where a whole dump lies beside them.
	whole bool
	// mixed is set where a kind is there twice: they cannot all be of one proxy.
	mixed bool
	// node is what the bootstrap among them says.
	node  node
	proxy *mesh.Proxy
}

// part reports whether the dump is of one kind of resource, with no dump around it.
func (d *dump) part() bool {
	s := d.config.Sections
	return d.wrapper == "" && len(s) == 1 && s[0].Source.Pointer() == ""
}

// isPart reports whether a dump is one of the parts of its folder. A bootstrap or
// secrets beside a whole dump may be of any proxy.
func (j *joiner) isPart(f *file, d *dump) bool {
	return d.part() && (f.kind == mesh.KindResources || f.section && !j.parts[f.id.dir].whole)
}

// findParts looks which parts there are before any of them becomes a proxy.
func (j *joiner) findParts(files []*file) {
	each := func(step func(*parts, *file, *dump)) {
		for _, f := range files {
			for _, d := range f.dumps {
				step(j.parts[f.id.dir], f, d)
			}
		}
	}
	each(func(p *parts, f *file, d *dump) {
		if p == nil {
			p = &parts{kinds: map[mesh.ResourceKind]bool{}}
			j.parts[f.id.dir] = p
		}
		p.whole = p.whole || !d.part() && !f.isPilots(d)
	})
	each(func(p *parts, f *file, d *dump) {
		if !j.isPart(f, d) {
			return
		}
		kind := d.config.Sections[0].Kind
		p.mixed = p.mixed || p.kinds[kind]
		p.kinds[kind] = true
		if d.node.id != "" {
			p.node = d.node
		}
	})
}

// addParts joins the parts that lie in one folder into one proxy, unless they
// are of several.
func (j *joiner) addParts(f *file) {
	for _, d := range f.dumps {
		if !j.isPart(f, d) {
			continue
		}
		folder := j.parts[f.id.dir]
		if folder.mixed {
			j.newPart(f, d, d.node)
			continue
		}
		if folder.proxy == nil {
			folder.proxy = j.newPart(f, d, folder.node)
			if p := folder.proxy; p.Name == fileName(f.input.Path) && f.id.dir != "" {
				p.Name = path.Base(f.id.dir)
			}
			continue
		}
		p := folder.proxy
		if p.Files[len(p.Files)-1] != f.input {
			if p.Name == fileName(p.Files[0].Path) {
				p.Name = "proxy" // several files, none of which tells
			}
			own(p, f)
		}
		merge(&p.Config, d.config)
		if d.newest.After(p.Captured) {
			p.Captured = d.newest
		}
	}
}

func (j *joiner) newPart(f *file, d *dump, n node) *mesh.Proxy {
	if n.name == "" {
		n.name, n.namespace = f.id.name, f.id.namespace
	}
	p := j.newProxy(f, n, d.wrapper)
	p.Config = *d.config
	p.Captured = d.newest
	return p
}

func merge(into, from *mesh.Config) {
	into.Sections = append(into.Sections, from.Sections...)
	if into.Bootstrap == nil {
		into.Bootstrap = from.Bootstrap
	}
	into.Clusters = append(into.Clusters, from.Clusters...)
	into.Listeners = append(into.Listeners, from.Listeners...)
	into.Routes = append(into.Routes, from.Routes...)
	into.ScopedRoutes = append(into.ScopedRoutes, from.ScopedRoutes...)
	into.Endpoints = append(into.Endpoints, from.Endpoints...)
	into.Secrets = append(into.Secrets, from.Secrets...)
	into.Extensions = append(into.Extensions, from.Extensions...)
}
