package loader

import (
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// addPilotDumps gives proxies their istiod's view: by pod, else to the proxies
// of the same folder.
func (j *joiner) addPilotDumps(f *file) {
	if f.input.Kind != mesh.KindPilotDump {
		return
	}
	for _, d := range f.dumps {
		owners := j.pilotOwners(f)
		if len(owners) == 0 && f.id.name == "" && severalNames(j.byDir[f.id.dir]) {
			f.input.Fate = mesh.FateIgnored
			f.input.Reason = "istiod's view of one of several proxies; config_dump_istiod-POD.NAMESPACE.json would tell of which"
			continue
		}
		if len(owners) == 0 {
			p := j.newProxy(f, node{name: f.id.name, namespace: f.id.namespace}, d.wrapper)
			p.Pilot = d.config
			continue
		}
		used := false
		for _, p := range owners {
			own(p, f)
			if p.Pilot == nil {
				p.Pilot, used = d.config, true
				j.taken[slot{p, string(mesh.KindPilotDump)}] = f
			}
		}
		if other := j.taken[slot{owners[0], string(mesh.KindPilotDump)}]; !used && other != f {
			f.leaveOut(other)
		}
	}
}

func (j *joiner) pilotOwners(f *file) []*mesh.Proxy {
	if f.id.name != "" {
		return j.nearest(f)
	}
	near := j.byDir[f.id.dir]
	for _, p := range near {
		if p.ID != near[0].ID || p.ID == "" {
			return nil
		}
	}
	return near
}

// nearest are the captures of the pod that f names; where there are several, those that
// share the most folders with f.
func (j *joiner) nearest(f *file) []*mesh.Proxy {
	var found []*mesh.Proxy
	most := 0
	for _, p := range j.byName[f.id.name] {
		if p.Namespace != f.id.namespace {
			continue
		}
		shared := sharedFolders(j.from[p], f.input.Path)
		if shared > most {
			found, most = nil, shared
		}
		if shared == most {
			found = append(found, p)
		}
	}
	return found
}

// sharedFolders is the number of folders that two paths begin with.
func sharedFolders(a, b string) int {
	one, other := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < min(len(one), len(other))-1 && one[n] == other[n] {
		n++
	}
	return n
}
