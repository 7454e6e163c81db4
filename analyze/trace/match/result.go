// Package match answers Envoy's matchers on plain values: strings, headers, query
// parameters, paths, routes and matcher trees. Where one does not match it says
// which condition failed first, with what it wanted and what it got; where one
// asks for what a capture cannot know it says so instead of guessing.
//
// Matchers are compiled once and used for many requests.
package match

import "fmt"

// Outcome is what a matcher says: three values, because an unknown matcher is not
// one that did not match.
type Outcome int8

const (
	No Outcome = iota
	Yes
	// Unknown is a matcher that is not modelled, or one about a value that a
	// capture does not have.
	Unknown
)

// Result is the answer of a matcher.
type Result struct {
	Outcome Outcome
	// Condition names the first condition that failed, or the one that cannot be
	// known, in Envoy's terms: "prefix", "header x-user", "query parameter q".
	// Empty for Yes.
	Condition string
	// Want is what the condition asks for, Got what the request has.
	Want, Got string
}

// Matched is the Result of a matcher that matches.
var Matched = Result{Outcome: Yes}

// missed is the Result of a condition that failed.
func missed(condition, want, got string) Result {
	return Result{Outcome: No, Condition: condition, Want: want, Got: got}
}

// Unmodelled is the Result of a condition that cannot be known; want says why.
func Unmodelled(condition, want string) Result {
	return Result{Outcome: Unknown, Condition: condition, Want: want}
}

// String is the reason in words: "header x-user: wants exact u1, got u2".
func (r Result) String() string {
	switch {
	case r.Outcome == Yes:
		return "matches"
	case r.Outcome == Unknown:
		return fmt.Sprintf("%s: cannot be known: %s", r.Condition, r.Want)
	}
	return fmt.Sprintf("%s: wants %s, got %s", r.Condition, r.Want, r.Got)
}
