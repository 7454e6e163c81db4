package rbac

import (
	"strings"

	"github.com/meshray/meshray/analyze/trace/match"
)

// maxDepth bounds the nesting of conditions; Envoy's own protobuf decoder gives up
// at 100 levels.
const maxDepth = 100

// maxWants bounds how many alternatives a Result spells out.
const maxWants = 8

// maxText bounds the text of a Result, in bytes.
const maxText = 500

// condition is a compiled permission or principal, or a combination of them.
type condition interface {
	match(a *match.Attributes) match.Result
}

// leaf is one condition. Negations are pushed down to the leaves, so that a miss
// always names the single condition behind it.
type leaf struct {
	name, want string
	negated    bool
	test       func(a *match.Attributes) match.Result
	// got is what the request has, for a negated condition to tell.
	got func(a *match.Attributes) string
}

func (l *leaf) match(a *match.Attributes) match.Result {
	result := l.test(a)
	if !l.negated || result.Outcome == match.Unknown {
		return result
	}
	if result.Outcome == match.No {
		return match.Matched
	}
	return match.Result{Outcome: match.No, Condition: l.name, Want: "not " + l.want, Got: l.got(a)}
}

// and matches where all of its conditions do.
type and []condition

func (c and) match(a *match.Attributes) match.Result {
	answer := match.Matched
	for _, part := range c {
		result := part.match(a)
		if result.Outcome == match.No {
			return result
		}
		if result.Outcome == match.Unknown && answer.Outcome == match.Yes {
			answer = result
		}
	}
	return answer
}

// or matches where one of its conditions does.
type or []condition

func (c or) match(a *match.Attributes) match.Result {
	var misses [maxWants]match.Result
	open := match.Matched
	for i, part := range c {
		result := part.match(a)
		if result.Outcome == match.Yes {
			return result
		}
		if result.Outcome == match.Unknown && open.Outcome == match.Yes {
			open = result
		}
		if i < maxWants {
			misses[i] = result
		}
	}
	if open.Outcome == match.Unknown {
		return open
	}
	return joined(misses[:min(len(c), maxWants)], len(c) > maxWants)
}

// joined is the Result of alternatives that all failed; more says that there are
// others beside those in misses.
func joined(misses []match.Result, more bool) match.Result {
	if len(misses) == 0 {
		return match.Result{Condition: "alternatives", Want: "one of them", Got: "an empty list"}
	}
	if len(misses) == 1 {
		return misses[0]
	}
	oneCondition := true
	var wants, reasons []string
	for _, miss := range misses {
		oneCondition = oneCondition && miss.Condition == misses[0].Condition && miss.Got == misses[0].Got
		wants = append(wants, miss.Want)
		reasons = append(reasons, miss.String())
	}
	if more {
		wants, reasons = append(wants, "..."), append(reasons, "...")
	}
	if oneCondition {
		return match.Result{Condition: misses[0].Condition, Want: shortened(strings.Join(wants, " or ")), Got: misses[0].Got}
	}
	return match.Result{Condition: "alternatives", Want: "one of them", Got: shortened(strings.Join(reasons, "; "))}
}

// shortened bounds a text that grows with the nesting of conditions.
func shortened(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}

// known makes a Result of a plain answer.
func known(name, want, got string, matches bool) match.Result {
	if matches {
		return match.Matched
	}
	return match.Result{Outcome: match.No, Condition: name, Want: want, Got: got}
}

// unknown is a condition that cannot be answered; why says why.
func unknown(name, why string) condition {
	return &leaf{name: name, test: func(*match.Attributes) match.Result { return match.Unmodelled(name, why) }}
}
