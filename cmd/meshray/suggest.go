package main

import "strings"

// nearest returns the candidate that a person most likely meant by word, or "" if none is close.
// Of equally near candidates the first one wins.
func nearest(word string, candidates []string) string {
	const tooFar = 8
	best, bestDistance := "", min(max(3, len(word)/2+1), tooFar)
	for _, candidate := range candidates {
		distance := editDistance(word, candidate)
		if len(word) > 1 && strings.HasPrefix(candidate, word) {
			distance = min(distance, 1)
		}
		// A candidate that shares no letter position is noise, however short.
		if distance >= max(len(word), len(candidate)) {
			continue
		}
		if distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of neighbours that turn
// a into b (optimal string alignment, in bytes: the names here are ASCII). Words too long to be a
// typing mistake are compared by their beginning.
func editDistance(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			current[j+1] = min(previous[j+1]+1, current[j]+1, previous[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				current[j+1] = min(current[j+1], before[j-1]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
