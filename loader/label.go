package loader

import (
	"path"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// nameParts names dumps that were narrowed (?resource=, ?name_regex=) and have
// no bootstrap after the one proxy whose dump lies beside them, or adds them to it.
func (j *joiner) nameParts() {
	for dir, near := range j.byDir {
		var whole *mesh.Proxy
		dumps := 0
		for _, p := range near {
			if p.ID == "" {
				continue
			}
			if whole != nil && p.ID != whole.ID {
				whole = nil
				break
			}
			whole = p
			dumps++
		}
		if whole != nil && dumps == 1 {
			near = slices.DeleteFunc(slices.Clone(near), func(p *mesh.Proxy) bool { return j.completes(p, whole) })
			j.byDir[dir] = near
		}
		for _, p := range near {
			if whole != nil && p.ID == "" && strings.HasPrefix(path.Base(j.from[p]), "config_dump") {
				p.Name, p.Namespace, p.Kind = whole.Name, whole.Namespace, whole.Kind
				p.IstioVersion, p.EnvoyVersion = whole.IstioVersion, whole.EnvoyVersion
			}
		}
	}
}

// completes adds a narrowed dump to that of the proxy beside it if it has nothing but what
// that lacks: endpoints where it was made without include_eds. What istioctl proxy-config
// printed may be of any proxy.
func (j *joiner) completes(part, whole *mesh.Proxy) bool {
	first := part.Files[0]
	lacks := part.ID == "" && len(part.Sections) > 0 && first.Kind == mesh.KindConfigDump && j.from[part] == first.Path
	for _, section := range part.Sections {
		lacks = lacks && section.Kind != "" && section.Source.Pointer() != "" && !whole.Has(section.Kind)
	}
	if !lacks {
		return false
	}
	merge(&whole.Config, &part.Config)
	whole.Files = append(whole.Files, part.Files...)
	j.capture.Proxies = slices.DeleteFunc(j.capture.Proxies, func(p *mesh.Proxy) bool { return p == part })
	return true
}

// label tells captures of the same proxy apart by the shortest end of the path
// that differs.
func (j *joiner) label() {
	byKey := map[string][]*mesh.Proxy{}
	for _, p := range j.capture.Proxies {
		byKey[p.Key()] = append(byKey[p.Key()], p)
	}
	for _, same := range byKey {
		if len(same) < 2 {
			continue
		}
		var paths []string
		for _, p := range same {
			paths = append(paths, j.from[p])
		}
		for i, label := range distinguish(paths) {
			same[i].Label = label
		}
	}
}

// distinguish strips the leading and trailing path steps that all paths share.
// Equal paths are numbered.
func distinguish(paths []string) []string {
	steps := make([][]string, len(paths))
	for i, p := range paths {
		steps[i] = strings.Split(p, "/")
	}
	for shareStep(steps, 0) {
		for i := range steps {
			steps[i] = steps[i][1:]
		}
	}
	for shareStep(steps, -1) {
		for i := range steps {
			steps[i] = steps[i][:len(steps[i])-1]
		}
	}
	seen := map[string]int{}
	labels := make([]string, len(paths))
	for i := range steps {
		labels[i] = strings.Join(steps[i], "/")
		seen[labels[i]]++
		if n := seen[labels[i]]; n > 1 {
			labels[i] += "#" + itoa(n)
		}
	}
	return labels
}

// shareStep reports whether all paths have more than one step and share the
// first (at 0) or the last (at -1).
func shareStep(steps [][]string, at int) bool {
	pick := func(s []string) string {
		if at < 0 {
			return s[len(s)-1]
		}
		return s[0]
	}
	for _, s := range steps {
		if len(s) < 2 || pick(s) != pick(steps[0]) {
			return false
		}
	}
	return true
}
