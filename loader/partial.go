package loader

import (
	"path"

	"github.com/meshray/meshray/analyze/mesh"
)

// addResources joins the arrays of istioctl proxy-config that lie in one folder
// into one proxy, unless one of a kind is there already.
func (j *joiner) addResources(f *file) {
	if f.kind != mesh.KindResources {
		return
	}
	for _, d := range f.dumps {
		kind := f.sniffed.resource
		p := j.partial(f.id, kind)
		if p == nil {
			p = j.newProxy(f, node{name: f.id.name, namespace: f.id.namespace}, d.wrapper)
			if p.Name == fileName(f.input.Path) && f.id.dir != "" && !j.mixed[f.id.dir] {
				p.Name = path.Base(f.id.dir)
			}
			p.Config = *d.config
			continue
		}
		if p.Name == fileName(p.Files[0].Path) {
			p.Name = "proxy" // several files, none of which tells
		}
		own(p, f)
		merge(&p.Config, d.config)
	}
}

// mixedFolders are the folders with two files of one kind of resource: they
// cannot all be of one proxy.
func mixedFolders(files []*file) map[string]bool {
	type kindIn struct {
		dir  string
		kind mesh.ResourceKind
	}
	seen, mixed := map[kindIn]bool{}, map[string]bool{}
	for _, f := range files {
		if f.kind != mesh.KindResources {
			continue
		}
		id := kindIn{f.id.dir, f.sniffed.resource}
		mixed[id.dir] = mixed[id.dir] || seen[id]
		seen[id] = true
	}
	return mixed
}

// partial finds a proxy in the folder that has no dump and no resources of kind.
func (j *joiner) partial(id identity, kind mesh.ResourceKind) *mesh.Proxy {
	if j.mixed[id.dir] {
		return nil
	}
	for _, p := range j.byDir[id.dir] {
		if p.ID == "" && !p.Has(kind) && p.Files[0].Kind == mesh.KindResources {
			return p
		}
	}
	return nil
}

func merge(into, from *mesh.Config) {
	into.Sections = append(into.Sections, from.Sections...)
	into.Clusters = append(into.Clusters, from.Clusters...)
	into.Listeners = append(into.Listeners, from.Listeners...)
	into.Routes = append(into.Routes, from.Routes...)
	into.Endpoints = append(into.Endpoints, from.Endpoints...)
	into.Secrets = append(into.Secrets, from.Secrets...)
}

// addPilotDumps gives proxies their istiod's view: by pod, else to the proxies
// of the same folder.
func (j *joiner) addPilotDumps(f *file) {
	if f.input.Kind != mesh.KindPilotDump {
		return
	}
	for _, d := range f.dumps {
		owners := j.pilotOwners(f)
		if len(owners) == 0 {
			p := j.newProxy(f, node{name: f.id.name, namespace: f.id.namespace}, d.wrapper)
			p.Pilot = d.config
			continue
		}
		for _, p := range owners {
			if p.Pilot == nil {
				p.Pilot = d.config
			}
			own(p, f)
		}
	}
}

func (j *joiner) pilotOwners(f *file) []*mesh.Proxy {
	var owners []*mesh.Proxy
	if f.id.name != "" {
		for _, p := range j.capture.Proxies {
			if p.Name == f.id.name && p.Namespace == f.id.namespace {
				owners = append(owners, p)
			}
		}
		return owners
	}
	near := j.byDir[f.id.dir]
	for _, p := range near {
		if p.ID != near[0].ID || p.ID == "" {
			return nil
		}
	}
	return near
}
