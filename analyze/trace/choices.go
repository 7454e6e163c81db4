package trace

import (
	"cmp"
	"slices"
)

// maxPaths bounds the ways of one request that are followed.
const maxPaths = 128

// choices walks all ways that chance leaves open: the walk is repeated, each time
// with the next decision at the last point that has one left.
type choices struct {
	points []choice
	next   int // the point that pick comes to next
}

type choice struct {
	shares []float64
	taken  int
}

// pick returns the option to take; shares must hold an element above zero.
func (c *choices) pick(shares []float64) int {
	if c.next < len(c.points) {
		point := c.points[c.next]
		c.next++
		return point.taken
	}
	taken := slices.IndexFunc(shares, func(s float64) bool { return s > 0 })
	c.points = append(c.points, choice{shares: shares, taken: taken})
	c.next++
	return taken
}

// chance picks yes with the given share.
func (c *choices) chance(share float64) bool {
	if share <= 0 {
		return false
	}
	if share >= 1 {
		return true
	}
	return c.pick([]float64{share, 1 - share}) == 0
}

// share is the product of all decisions of this walk.
func (c *choices) share() float64 {
	product := 1.0
	for _, point := range c.points {
		product *= point.shares[point.taken]
	}
	return product
}

// advance moves to the next way and reports whether there is one.
func (c *choices) advance() bool {
	c.next = 0
	for len(c.points) > 0 {
		last := &c.points[len(c.points)-1]
		for next := last.taken + 1; next < len(last.shares); next++ {
			if last.shares[next] > 0 {
				last.taken = next
				return true
			}
		}
		c.points = c.points[:len(c.points)-1]
	}
	return false
}

// normalised returns the shares of weights.
func normalised(weights []uint64) []float64 {
	var total float64
	for _, w := range weights {
		total += float64(w)
	}
	shares := make([]float64, len(weights))
	if total == 0 {
		return shares
	}
	for i, w := range weights {
		shares[i] = float64(w) / total
	}
	return shares
}

// byShare orders paths, the likeliest first.
func byShare(a, b Path) int { return cmp.Compare(b.Share, a.Share) }
