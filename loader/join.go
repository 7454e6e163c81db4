package loader

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// joiner puts files together into proxies and control planes.
type joiner struct {
	capture *mesh.Capture
	// byDir are the proxies by the folder or pod that their dump came from.
	byDir   map[string][]*mesh.Proxy
	istiods map[string]*mesh.ControlPlane
	// byName are the proxies by name, for files that lie elsewhere than the dump.
	byName map[string][]*mesh.Proxy
	// parts are what istioctl proxy-config printed, by folder.
	parts map[string]*parts
	// taken are the files that count, of several of a kind.
	taken map[slot]*file
	// roots are the folders that the layouts of the proxies' dumps begin in.
	roots map[*mesh.Proxy]string
	// from is the file that a proxy's dump came from, with its JSON pointer.
	from map[*mesh.Proxy]string
}

// join makes the capture out of its files. Dumps come first, so that the files
// beside them find the proxy that they belong to.
func join(files []*file, opts Options) *mesh.Capture {
	j := &joiner{
		capture: &mesh.Capture{},
		byDir:   map[string][]*mesh.Proxy{},
		istiods: map[string]*mesh.ControlPlane{},
		parts:   map[string]*parts{},
		taken:   map[slot]*file{},
		roots:   map[*mesh.Proxy]string{},
		from:    map[*mesh.Proxy]string{},
	}
	files = documents(files)
	nameIstiods(files)
	j.findParts(files)
	for _, f := range files {
		if f.before == nil {
			j.capture.Inputs = append(j.capture.Inputs, f.input)
		}
		j.capture.Problems = append(j.capture.Problems, f.problems...)
	}
	each := func(step func(*file)) {
		for _, f := range files {
			step(f)
		}
	}
	each(j.addDumps)
	j.nameParts()
	each(j.addParts)
	j.indexNames()
	each(j.addIstiod)
	each(j.addPilotDumps)
	each(j.addAdmin)
	j.addVersions(files)
	j.label()
	j.finish(opts)
	return j.capture
}

// addDumps makes a proxy of every dump that Envoy wrote itself.
func (j *joiner) addDumps(f *file) {
	for _, d := range f.dumps {
		if j.isPart(f, d) {
			continue
		}
		if f.isPilots(d) {
			f.input.Kind = mesh.KindPilotDump
			continue
		}
		p := j.newProxy(f, d.node, d.wrapper)
		p.Config = *d.config
		p.Captured = d.newest
	}
}

// isPilots asks the path first: must-gather names the files.
func (f *file) isPilots(d *dump) bool {
	base := path.Base(f.input.Path)
	if base == "config_dump_proxy.json" || base == "envoyConfiguration" {
		return false
	}
	return f.id.pilot || f.kind == mesh.KindConfigDump && d.pilots()
}

func (j *joiner) newProxy(f *file, n node, wrapper string) *mesh.Proxy {
	p := &mesh.Proxy{
		ID: n.id, Name: n.name, Namespace: n.namespace, Kind: cmp.Or(n.kind, mesh.UnknownProxy),
		IstioVersion: n.istioVersion, EnvoyVersion: n.envoyVersion, Addresses: n.addresses,
	}
	if steps := strings.Split(wrapper, "/"); wrapper != "" && p.Name == "" {
		p.Name = steps[len(steps)-1]
		p.Namespace = strings.Join(steps[1:len(steps)-1], ".")
	}
	if p.Name == "" {
		p.Name, p.Namespace = f.id.name, f.id.namespace
	}
	if dir := path.Base(f.id.dir); p.Name == "" && ofProxy[f.kind] && f.kind != mesh.KindZtunnel && dir != "." && dir != "/" {
		p.Name = dir
	}
	if p.Name == "" {
		p.Name = fileName(f.input.Path)
	}
	j.capture.Proxies = append(j.capture.Proxies, p)
	j.byDir[f.id.dir] = append(j.byDir[f.id.dir], p)
	j.roots[p] = f.id.root
	j.from[p] = f.input.Path + wrapper
	own(p, f)
	return p
}

// fileName names a proxy after its file where nothing better is known.
func fileName(name string) string {
	base := path.Base(name)
	for _, suffix := range []string{".json", ".yaml", ".yml", ".txt"} {
		base = strings.TrimSuffix(base, suffix)
	}
	if dir := path.Base(path.Dir(name)); (base == "config_dump" || base == "configdump") && dir != "." && dir != "/" {
		return dir
	}
	return base
}

func own(p *mesh.Proxy, f *file) {
	if !slices.Contains(p.Files, f.input) {
		p.Files = append(p.Files, f.input)
	}
}

// addAdmin gives every other file to the proxy that it belongs to.
func (j *joiner) addAdmin(f *file) {
	if f.kind == mesh.KindKubernetes {
		j.capture.Objects = append(j.capture.Objects, mesh.NewDoc(mesh.Source{File: f.input.Path, Line: 1}, f.raw, parseObjects))
		return
	}
	// What could not be read still tells that its pod was there.
	lost := f.id.name != "" && (f.input.Fate == mesh.FateDamaged || f.input.Fate == mesh.FateUnknown) && len(f.dumps) == 0
	if f.id.istiod || !ofProxy[f.kind] && !lost {
		return
	}
	p := j.owner(f)
	if p == nil && f.id.name == "" && (f.kind == mesh.KindLog || f.kind == mesh.KindAccessLog) {
		if f.input.Fate == mesh.FateRead {
			f.input.Fate, f.input.Reason = mesh.FateIgnored, "a log without the proxy that wrote it"
		}
		return
	}
	if p == nil {
		p = j.newProxy(f, node{name: f.id.name, namespace: f.id.namespace}, "")
	} else {
		own(p, f)
	}
	if ofProxy[f.kind] && j.takes(slot{p, string(f.kind)}, f) {
		attach(p, f)
	}
}

// ofProxy are the kinds of file that tell of one proxy.
var ofProxy = map[mesh.FileKind]bool{
	mesh.KindClusters: true, mesh.KindListeners: true, mesh.KindCerts: true, mesh.KindServerInfo: true,
	mesh.KindStats: true, mesh.KindRuntime: true, mesh.KindMemory: true, mesh.KindInitDump: true,
	mesh.KindZtunnel: true, mesh.KindLog: true, mesh.KindAccessLog: true, mesh.KindNetstat: true,
}

// finish sorts, and settles what depends on all files together.
func (j *joiner) finish(opts Options) {
	c := j.capture
	for _, p := range c.Proxies {
		settle(p)
		p.Complete()
		if p.Pilot != nil {
			p.Pilot.Complete()
		}
		for _, in := range p.Files {
			in.Owner = p.Key()
		}
	}
	for _, cp := range c.ControlPlanes {
		for _, in := range cp.Files {
			in.Owner = cp.Key()
		}
	}
	slices.SortStableFunc(c.Proxies, mesh.ByKey)
	slices.SortStableFunc(c.ControlPlanes, func(a, b *mesh.ControlPlane) int { return cmp.Compare(a.Key(), b.Key()) })
	c.AsOf = opts.AsOf
	if c.AsOf.IsZero() {
		c.AsOf = c.Newest()
	}
}
