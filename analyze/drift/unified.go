package drift

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Labels name the sides of a unified diff and set how its JSON is indented.
type Labels struct {
	Pilot, Envoy string
	Indent       string
}

// contextLines is what istioctl prints around a change.
const contextLines = 7

// Unified returns the differences as a unified diff with seven lines of context:
// Pilot's lines with "-", Envoy's with "+". Each hunk's heading ends with the
// name of the resource, within which its lines are counted. A comma at the end of
// a line is no difference. It is empty where nothing differs.
func (c *Comparison) Unified(labels Labels) string {
	if len(c.Changes) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", labels.Pilot, labels.Envoy)
	for _, change := range c.Changes {
		pilot, envoy := lines(change.pilot, labels.Indent), lines(change.envoy, labels.Indent)
		for _, h := range hunks(diff(pilot, envoy), contextLines) {
			h.write(&out, change.Name)
		}
	}
	return out.String()
}

// lines lays a normal form out, one value a line. An empty object takes two lines
// like any other, so that the first field put into it is one line of difference.
func lines(text []byte, indent string) []string {
	if text == nil {
		return nil
	}
	var laid bytes.Buffer
	if tooDeep(text) || json.Indent(&laid, text, "", indent) != nil {
		return []string{string(text)}
	}
	var out []string
	for line := range strings.Lines(laid.String()) {
		line = strings.TrimSuffix(line, "\n")
		open, isEmpty := strings.CutSuffix(strings.TrimSuffix(line, ","), "{}")
		if !isEmpty {
			out = append(out, line)
			continue
		}
		margin := line[:len(line)-len(strings.TrimLeft(line, " "))]
		out = append(out, open+"{", margin+line[len(open)+1:])
	}
	return out
}

// tooDeep reports whether indenting text would cost far more than text itself. It
// takes brackets in strings for nesting, which real resources stay well below.
func tooDeep(text []byte) bool {
	const deepest = 1000
	depth := 0
	for _, c := range text {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth > deepest {
			return true
		}
	}
	return false
}

// hunk is a run of changes with the lines around it.
type hunk struct {
	ops []op
	// pilotAt and envoyAt are the lines of each side before the hunk.
	pilotAt, envoyAt int
}

// hunks groups the changes of ops that are not more than twice context apart.
func hunks(ops []op, context int) []hunk {
	var out []hunk
	pilotAt, envoyAt := 0, 0
	counted := 0
	for i := 0; i < len(ops); i++ {
		if ops[i].kind == ' ' {
			continue
		}
		start := max(i-context, counted)
		end := endOfHunk(ops, i, context)
		for ; counted < start; counted++ {
			pilotAt, envoyAt = ops[counted].advance(pilotAt, envoyAt)
		}
		out = append(out, hunk{ops[start:end], pilotAt, envoyAt})
		for ; counted < end; counted++ {
			pilotAt, envoyAt = ops[counted].advance(pilotAt, envoyAt)
		}
		i = end - 1
	}
	return out
}

// endOfHunk is where the hunk ends that has the change at i in it.
func endOfHunk(ops []op, i, context int) int {
	last := i
	for j := i; j < len(ops) && j-last <= 2*context; j++ {
		if ops[j].kind != ' ' {
			last = j
		}
	}
	return min(last+context+1, len(ops))
}

func (o op) advance(pilot, envoy int) (int, int) {
	if o.kind != '+' {
		pilot++
	}
	if o.kind != '-' {
		envoy++
	}
	return pilot, envoy
}

func (h hunk) write(out *strings.Builder, name string) {
	pilotEnd, envoyEnd := h.pilotAt, h.envoyAt
	for _, o := range h.ops {
		pilotEnd, envoyEnd = o.advance(pilotEnd, envoyEnd)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@ %s\n", extent(h.pilotAt, pilotEnd), extent(h.envoyAt, envoyEnd), name)
	for _, o := range h.ops {
		out.WriteByte(o.kind)
		out.WriteString(o.line)
		out.WriteByte('\n')
	}
}

// extent is "first line,count"; a side without lines counts from the one before.
func extent(from, to int) string {
	count := to - from
	if count > 0 {
		from++
	}
	return fmt.Sprintf("%d,%d", from, count)
}
