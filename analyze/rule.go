// Package analyze is the lint contract and its engine: what a rule is, what it
// gets to see, and what it reports.
//
// A rule is a value. [Run] hands each rule a [Pass], collects its findings,
// folds the same fault of several replicas into one, and returns them sorted. A
// rule whose inputs the capture lacks is reported as skipped, never as passed.
package analyze

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Rule is one check of a capture.
//
// Run is called once for all proxies. It reports through the pass and returns
// nothing: what it reads is decoded already, and what is not there is what
// Needs are for. It must not write to the capture, and its findings must depend
// on nothing else: no clock, no randomness, no input or output.
type Rule struct {
	// Name is the identity, in kebab case: flags, fixtures, documentation.
	Name string
	// Code is a short form for search, "RTE01"; its letters are the family.
	Code string
	// Severity is what the rule reports unless a finding says otherwise: the
	// highest that it can.
	Severity   Severity
	Confidence Confidence
	Category   Category
	// Profile is the set that the rule belongs to; empty for those that always run.
	Profile Profile
	// Own is set for rules of a team's own, which the documentation does not have.
	Own bool
	// Needs are the inputs without which the rule cannot judge a proxy. All of
	// them must be there.
	Needs []Need
	Doc   Doc
	Run   func(*Pass)
}

// Doc is a rule's documentation. README, help and reports are rendered from it;
// texts are plain prose of one paragraph, with names in backquotes.
type Doc struct {
	// Title is one line, lower case, without a period.
	Title string
	// Finds says what the rule looks for, naming the exact fields.
	Finds string
	// Hurts says why it breaks traffic: Envoy's response flag and what the user
	// sees.
	Hurts string
	// Example is a fragment of a faulty configuration.
	Example string
	// Silent says what looks like the fault and is none, and how it is told apart.
	Silent string
	// Fix says what to do.
	Fix string
	// References are URLs.
	References []string
}

// Severity is how bad a finding is.
type Severity int

const (
	// Info is worth knowing and hurts nobody as things stand.
	Info Severity = iota + 1
	// Warning is likely to break, or breaks only some requests.
	Warning
	// Error is broken now, proven from the data.
	Error
)

var severityNames = []string{Info: "info", Warning: "warning", Error: "error"}

// Severities returns the names of all severities, the worst first.
func Severities() []string {
	return []string{Error.String(), Warning.String(), Info.String()}
}

func (s Severity) String() string {
	if s < Info || s > Error {
		return fmt.Sprintf("severity %d", int(s))
	}
	return severityNames[s]
}

// MarshalText writes the name of the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// ParseSeverity returns the severity of that name.
func ParseSeverity(name string) (Severity, error) {
	for s := Info; s <= Error; s++ {
		if severityNames[s] == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("unknown severity %q: want %s", name, strings.Join(Severities(), ", "))
}

// Confidence is how sure a finding is.
type Confidence string

const (
	// Proven follows from the data.
	Proven Confidence = "proven"
	// Likely follows from the data unless something uncommon is the case.
	Likely Confidence = "likely"
	// Heuristic is a guess that is worth a look.
	Heuristic Confidence = "heuristic"
)

// Category is what a fault costs.
type Category string

// The categories.
const (
	Outage      Category = "outage"
	Security    Category = "security"
	Performance Category = "performance"
	Hygiene     Category = "hygiene"
)

// Profile is a set of rules that is asked for by name, beside those that always run.
type Profile string

const (
	// Default rules run always.
	Default Profile = ""
	// Edge rules are for proxies that face the internet.
	Edge Profile = "edge"
	// Perf rules are about cost: memory, size, sampling.
	Perf Profile = "perf"
	// Strict rules are for those who want to hear of every weakness.
	Strict Profile = "strict"
)

var (
	ruleName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	ruleCode = regexp.MustCompile(`^[A-Z]{3}[0-9]{2}$`)
)

// Validate reports what is wrong with the rules themselves: names and codes that
// are malformed or taken, missing documentation, no Run.
func Validate(rules []*Rule) error {
	var problems []error
	taken := map[string]bool{}
	for _, r := range rules {
		if err := r.validate(); err != nil {
			problems = append(problems, fmt.Errorf("rule %q: %w", r.Name, err))
		}
		for _, id := range []string{r.Name, r.Code} {
			if taken[id] {
				problems = append(problems, fmt.Errorf("rule %q: %q is taken by another rule", r.Name, id))
			}
			taken[id] = true
		}
	}
	return errors.Join(problems...)
}

func (r *Rule) validate() error {
	switch {
	case !ruleName.MatchString(r.Name):
		return errors.New("want a name in kebab case")
	case !ruleCode.MatchString(r.Code):
		return fmt.Errorf("got code %q, want three letters and two digits", r.Code)
	case r.Severity < Info || r.Severity > Error:
		return errors.New("want a severity")
	case r.Confidence == "" || r.Category == "":
		return errors.New("want a confidence and a category")
	case r.Run == nil:
		return errors.New("want a Run function")
	case r.Doc.Title == "" || strings.HasSuffix(r.Doc.Title, ".") || strings.Contains(r.Doc.Title, "\n"):
		return errors.New("want a title of one line without a period")
	case r.Doc.Finds == "" || r.Doc.Hurts == "" || r.Doc.Example == "" || r.Doc.Silent == "" || r.Doc.Fix == "":
		return errors.New("want documentation: Finds, Hurts, Example, Silent and Fix")
	}
	return nil
}
