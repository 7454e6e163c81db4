package replay

import (
	"cmp"
	"maps"
	"slices"
)

// changes counts what a folder has not as the capture had it.
type changes map[changeKey]*Change

type changeKey struct{ what, why string }

func (c changes) add(what, why, where string) {
	key := changeKey{what, why}
	if known, ok := c[key]; ok {
		known.Count++
		return
	}
	c[key] = &Change{What: what, Why: why, Where: where, Count: 1}
}

func (c changes) sorted() []Change {
	var out []Change
	for _, change := range slices.Collect(maps.Values(c)) {
		out = append(out, *change)
	}
	slices.SortFunc(out, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.What, y.What), cmp.Compare(x.Why, y.Why))
	})
	return out
}
