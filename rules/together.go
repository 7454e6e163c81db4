package rules

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// gathering tells what was captured together where several captures of one mesh
// are open: the same pod and the same istiod are there more than once, and what
// an istiod says holds for the proxies of its own capture. Files of one capture
// share more folders than files of two.
type gathering struct {
	capture *mesh.Capture
	// dumps are the captured proxies by "pod.namespace".
	dumps map[string][]*mesh.Proxy
	// lists are the istiods whose syncz or adsz has a "pod.namespace".
	lists map[string][]*mesh.ControlPlane
	// reach is the length of the longest folder that an istiod shares with a proxy.
	reach map[*mesh.ControlPlane]int
	// overridden is set where the user gave the time (--as-of): it is the time of
	// all captures, and the newest of them is not.
	overridden bool
}

func newGathering(c *mesh.Capture) *gathering {
	g := &gathering{
		capture: c, dumps: map[string][]*mesh.Proxy{}, lists: map[string][]*mesh.ControlPlane{}, reach: map[*mesh.ControlPlane]int{},
	}
	for _, p := range c.Proxies {
		pod := p.Name + "." + p.Namespace
		g.dumps[pod] = append(g.dumps[pod], p)
		for _, cp := range c.ControlPlanes {
			g.reach[cp] = max(g.reach[cp], sharedFolder(place(p.Files), place(cp.Files)))
		}
	}
	for _, cp := range c.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		for _, s := range statuses {
			g.list(cp, s.Proxy)
		}
		connections, _ := cp.Connections.Get()
		for _, s := range connections {
			g.list(cp, s.Proxy)
		}
	}
	g.overridden = !c.AsOf.Equal(c.Newest())
	return g
}

func (g *gathering) list(cp *mesh.ControlPlane, pod string) {
	if !slices.Contains(g.lists[pod], cp) {
		g.lists[pod] = append(g.lists[pod], cp)
	}
}

// proxies are what the capture of an istiod has of a pod that it lists; several
// where it was dumped in several forms, none where it was not dumped.
func (g *gathering) proxies(cp *mesh.ControlPlane, pod string) []*mesh.Proxy {
	best := 0
	for _, p := range g.dumps[pod] {
		best = max(best, sharedFolder(place(p.Files), place(cp.Files)))
	}
	var out []*mesh.Proxy
	for _, p := range g.dumps[pod] {
		if sharedFolder(place(p.Files), place(cp.Files)) == best && g.nearest(cp, p, pod) {
			out = append(out, p)
		}
	}
	return out
}

// refs are the addresses of the pod: those of its dumps, else its name alone.
func (g *gathering) refs(cp *mesh.ControlPlane, pod string) []mesh.Ref {
	var out []mesh.Ref
	for _, p := range g.proxies(cp, pod) {
		out = append(out, p.Ref("", ""))
	}
	if len(out) == 0 {
		out = append(out, mesh.Ref{Proxy: pod})
	}
	return out
}

// nearest reports whether no other istiod that lists the pod lies nearer to its dump.
func (g *gathering) nearest(cp *mesh.ControlPlane, p *mesh.Proxy, pod string) bool {
	own := sharedFolder(place(p.Files), place(cp.Files))
	return !slices.ContainsFunc(g.lists[pod], func(other *mesh.ControlPlane) bool {
		return sharedFolder(place(p.Files), place(other.Files)) > own
	})
}

// istiods are the control planes of the proxy's own capture that list it.
func (g *gathering) istiods(p *mesh.Proxy) []*mesh.ControlPlane {
	pod := p.Name + "." + p.Namespace
	var out []*mesh.ControlPlane
	for _, cp := range g.lists[pod] {
		if slices.Contains(g.proxies(cp, pod), p) {
			out = append(out, cp)
		}
	}
	return out
}

// together reports whether two istiods are of one capture. One that is there
// twice was captured twice.
func (g *gathering) together(a, b *mesh.ControlPlane) bool {
	if a == b {
		return true
	}
	between := sharedFolder(place(a.Files), place(b.Files))
	return a.Key() != b.Key() && between >= g.reach[a] && between >= g.reach[b]
}

// captureOf returns one istiod that stands for all of a capture.
func (g *gathering) captureOf(cp *mesh.ControlPlane) *mesh.ControlPlane {
	i := slices.IndexFunc(g.capture.ControlPlanes, func(other *mesh.ControlPlane) bool { return g.together(other, cp) })
	return g.capture.ControlPlanes[i]
}

// asOf is the moment that ages of what an istiod says are counted to. Of several
// captures each has its own.
func (g *gathering) asOf(cp *mesh.ControlPlane) time.Time {
	newest := time.Time{}
	several := false
	for _, other := range g.capture.ControlPlanes {
		if !g.together(other, cp) {
			several = true
			continue
		}
		newest = later(newest, other.NewestPush())
	}
	if !several || g.overridden {
		return later(newest, g.capture.AsOf)
	}
	for _, p := range g.capture.Proxies {
		if g.reach[cp] > 0 && sharedFolder(place(p.Files), place(cp.Files)) == g.reach[cp] {
			newest = later(newest, p.Captured)
		}
	}
	return newest
}

// waited is how long a resource of a proxy had been waiting when it was dumped. It
// is sure where the proxy's own files tell: a capture of many proxies takes
// minutes, and what the others know of came later, maybe.
func (g *gathering) waited(p *mesh.Proxy, since time.Time) (d time.Duration, sure bool) {
	own := p.Captured
	for _, other := range g.dumps[p.Name+"."+p.Namespace] {
		if path.Dir(place(other.Files)) == path.Dir(place(p.Files)) {
			own = later(own, other.Captured)
		}
	}
	switch {
	case g.overridden:
		return g.capture.AsOf.Sub(since), true
	case p.Label != "" || own.Sub(since) > warmingPatience:
		return max(own.Sub(since), 0), true
	}
	return max(g.capture.AsOf.Sub(since), 0), false
}

// soleDumps are the proxies that the capture has one dump of: of several nobody knows
// which was the state of the pod.
type soleDumps map[*mesh.Proxy]bool

func soleDumpsOf(pass *analyze.Pass) soleDumps {
	return analyze.Once(pass, nil, func() soleDumps {
		byPod := map[string][]*mesh.Proxy{}
		for _, p := range pass.Capture.Proxies {
			byPod[p.Name+"."+p.Namespace] = append(byPod[p.Name+"."+p.Namespace], p)
		}
		sole := soleDumps{}
		for _, dumps := range byPod {
			sole[dumps[0]] = len(dumps) == 1
		}
		return sole
	})
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// place is the path that tells where something was captured.
func place(files []*mesh.Input) string {
	if len(files) == 0 {
		return ""
	}
	return files[0].Path
}

// sharedFolder is the length of the folder that both paths begin with.
func sharedFolder(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return strings.LastIndexByte(a[:n], '/') + 1
}
