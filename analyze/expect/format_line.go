package expect

import "strings"

// read matches a line with the format and puts its values into r.
func (t *textFormat) read(line string, r *record) bool {
	rest, ok := strings.CutPrefix(line, t.prefix)
	if !ok {
		return false
	}
	m := &matcher{
		values: t.values,
		line:   rest,
		ends:   make([]int, len(t.values)),
		failed: make([]span, len(t.values)),
	}
	if !m.match(0, 0) {
		return false
	}
	start := 0
	for i, v := range t.values {
		r.set(v.operator, rest[start:m.ends[i]])
		start = m.ends[i] + len(v.behind)
	}
	return true
}

// span are the positions from..to of a line, to included; empty at first.
type span struct {
	from, to int
	set      bool
}

// matcher finds where each value of a line ends. A value reaches to the nearest
// place where the rest of the line fits too, so a user agent may hold quotes.
type matcher struct {
	values []value
	line   string
	ends   []int
	// failed[i] are the starts from which value i was found to fit nowhere. Starts
	// only grow, so the last such stretch is all that has to be remembered, and no
	// stretch of the line is searched twice for one value.
	failed []span
}

// match reports whether the values from i on fit to the line from start on.
func (m *matcher) match(i, start int) bool {
	if i == len(m.values) {
		return start == len(m.line)
	}
	if f := m.failed[i]; f.set && f.from <= start && start <= f.to {
		return false
	}
	v := m.values[i]
	reach := start + v.operator.alphabet().reach(m.line[start:])
	if m.matchTo(i, start, reach) {
		return true
	}
	m.failed[i] = span{from: start, to: reach, set: true}
	return false
}

// matchTo tries the ends of value i up to reach.
func (m *matcher) matchTo(i, start, reach int) bool {
	behind := m.values[i].behind
	if behind == "" {
		m.ends[i] = reach
		return m.match(i+1, reach)
	}
	window := m.line[:min(len(m.line), reach+len(behind))]
	for end := start; ; end++ {
		at := strings.Index(window[end:], behind)
		if at < 0 {
			return false
		}
		end += at
		if m.match(i+1, end+len(behind)) {
			m.ends[i] = end
			return true
		}
	}
}

// alphabet bounds what a value can consist of.
type alphabet int8

const (
	anyText alphabet = iota
	token            // no white space
	word             // no white space and no quote
	number           // digits and a minus sign, which stands for an absent value
)

// reach returns the length of the longest value at the front of text.
func (a alphabet) reach(text string) int {
	var at int
	switch a {
	case token:
		at = strings.IndexAny(text, " \t")
	case word:
		at = strings.IndexAny(text, " \t\"")
	case number:
		at = len(text) - len(strings.TrimLeft(text, "-.0123456789"))
	default:
		at = -1
	}
	if at < 0 {
		return len(text)
	}
	return at
}
