package drift

import (
	"slices"
	"strings"

	"github.com/hexops/gotextdiff/myers"
	"github.com/hexops/gotextdiff/span"
)

// op is a line of a diff: ' ' on both sides, '-' on the first, '+' on the second.
type op struct {
	kind byte
	line string
}

// diff returns the lines of a and b, in order. Lines that differ in a comma at
// their end are equal, and shown as in a.
func diff(a, b []string) []op {
	d := differ{a: a, b: b, keysA: keys(a), keysB: keys(b)}
	d.between(0, len(a), 0, len(b))
	return d.ops
}

// keys are what lines are compared by.
func keys(lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = strings.TrimSuffix(line, ",")
	}
	return out
}

type differ struct {
	a, b         []string
	keysA, keysB []string
	ops          []op
}

// exact bounds what is given to Myers' algorithm, whose memory grows with the
// square of the number of differences.
const exact = 600

// between compares a[a0:a1] with b[b0:b1]: the common beginning and end first, the
// rest exactly if it is small, else between lines that occur once on each side.
func (d *differ) between(a0, a1, b0, b1 int) {
	for a0 < a1 && b0 < b1 && d.keysA[a0] == d.keysB[b0] {
		d.equal(a0)
		a0, b0 = a0+1, b0+1
	}
	tail := 0
	for a0 < a1-tail && b0 < b1-tail && d.keysA[a1-tail-1] == d.keysB[b1-tail-1] {
		tail++
	}
	a1, b1 = a1-tail, b1-tail
	if anchors := d.anchors(a0, a1, b0, b1); a1-a0+b1-b0 > exact && len(anchors) > 0 {
		for _, at := range anchors {
			d.between(a0, at.a, b0, at.b)
			d.equal(at.a)
			a0, b0 = at.a+1, at.b+1
		}
		d.between(a0, a1, b0, b1)
	} else {
		d.exactly(a0, a1, b0, b1)
	}
	for i := range tail {
		d.equal(a1 + i)
	}
}

func (d *differ) equal(i int) { d.ops = append(d.ops, op{' ', d.a[i]}) }

// exactly finds the shortest difference; of parts that are too large for that,
// all is removed and added.
func (d *differ) exactly(a0, a1, b0, b1 int) {
	at := a0
	if a1-a0+b1-b0 <= exact {
		for _, edit := range myers.ComputeEdits(span.URI(""), text(d.keysA[a0:a1]), text(d.keysB[b0:b1])) {
			first, last := edit.Span.Start().Line()-1, edit.Span.End().Line()-1
			for ; at < a0+first; at++ {
				d.equal(at)
				b0++
			}
			for ; at < a0+last; at++ {
				d.ops = append(d.ops, op{'-', d.a[at]})
			}
			for range strings.Count(edit.NewText, "\n") {
				d.ops = append(d.ops, op{'+', d.b[b0]})
				b0++
			}
		}
		for ; at < a1; at++ {
			d.equal(at)
		}
		return
	}
	for ; at < a1; at++ {
		d.ops = append(d.ops, op{'-', d.a[at]})
	}
	for ; b0 < b1; b0++ {
		d.ops = append(d.ops, op{'+', d.b[b0]})
	}
}

func text(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// anchor is a line that occurs once on each side.
type anchor struct{ a, b int }

// anchors returns the longest run of unique common lines that stand in the same
// order on both sides.
func (d *differ) anchors(a0, a1, b0, b1 int) []anchor {
	if a1-a0+b1-b0 <= exact {
		return nil
	}
	onceA, onceB := once(d.keysA, a0, a1), once(d.keysB, b0, b1)
	var common []anchor
	for i := a0; i < a1; i++ {
		if at, ok := onceA[d.keysA[i]]; !ok || at < 0 {
			continue
		}
		if j, ok := onceB[d.keysA[i]]; ok && j >= 0 {
			common = append(common, anchor{i, j})
		}
	}
	return increasing(common)
}

// once maps lines to where they stand, -1 for those that occur again.
func once(keys []string, from, to int) map[string]int {
	at := map[string]int{}
	for i := from; i < to; i++ {
		if _, seen := at[keys[i]]; seen {
			at[keys[i]] = -1
			continue
		}
		at[keys[i]] = i
	}
	return at
}

// increasing returns the longest subsequence of anchors, which increase in a, that
// increases in b too (patience sorting).
func increasing(anchors []anchor) []anchor {
	var tops []int // of each pile, the index of the anchor on it
	before := make([]int, len(anchors))
	for i, x := range anchors {
		pile, _ := slices.BinarySearchFunc(tops, x.b, func(top, b int) int { return anchors[top].b - b })
		before[i] = -1
		if pile > 0 {
			before[i] = tops[pile-1]
		}
		if pile == len(tops) {
			tops = append(tops, i)
		} else {
			tops[pile] = i
		}
	}
	if len(tops) == 0 {
		return nil
	}
	var out []anchor
	for i := tops[len(tops)-1]; i >= 0; i = before[i] {
		out = append(out, anchors[i])
	}
	slices.Reverse(out)
	return out
}
