package loader

import (
	"bytes"
	"cmp"
	"path"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// slot is what a proxy or control plane has one file of.
type slot struct {
	owner any // *mesh.Proxy or *mesh.ControlPlane
	kind  string
}

// takes reports whether f counts for the slot, and leaves out the file that does
// not: /stats is often saved in several formats, a log before a restart and after.
func (j *joiner) takes(s slot, f *file) bool {
	other := j.taken[s]
	if other != nil && !better(f, other) {
		f.leaveOut(other)
		return false
	}
	if other != nil {
		other.leaveOut(f)
	}
	j.taken[s] = f
	return true
}

func (f *file) leaveOut(taken *file) {
	f.input.Fate = mesh.FateIgnored
	f.input.Reason = "one file of a kind counts: " + taken.input.Path + " was taken"
	f.input.Instead = taken.input.Path
}

// better reports whether f tells more than the file that came first.
func better(f, than *file) bool {
	return cmp.Or(
		boolean(than.input.Fate == mesh.FateDamaged)-boolean(f.input.Fate == mesh.FateDamaged),
		boolean(than.previous())-boolean(f.previous()),
		boolean(f.named())-boolean(than.named()),
		f.clusters()-than.clusters(),
	) > 0
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// previous reports whether the name says that the file is of a container before its restart.
func (f *file) previous() bool { return strings.Contains(path.Base(f.input.Path), "previous") }

// named reports whether a debug endpoint has the name of what it looks like: config_distribution
// looks like syncz.
func (f *file) named() bool {
	endpoint, _ := splitName(f.input.Path)
	return f.kind == mesh.KindDebug && endpoint == f.debug
}

// clusters counts the clusters of /clusters: a text that is cut off shows it by nothing else.
func (f *file) clusters() int {
	switch {
	case f.kind != mesh.KindClusters:
		return 0
	case !f.json:
		return bytes.Count(f.raw, []byte("::added_via_api::"))
	case rawjson.New(f.raw, 0).Kind() == '[':
		return len(rawjson.Elements(f.raw))
	}
	return len(rawjson.Elements(rawjson.Get(f.raw, "cluster_statuses")))
}
