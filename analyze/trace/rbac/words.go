package rbac

import (
	"slices"
	"strconv"
	"strings"

	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
)

// Described is a policy in words.
type Described struct {
	Policy string
	// Demands all have to hold: "from principals spiffe://cluster.local/ns/a/sa/b",
	// "to methods GET or HEAD", "when header x-team is not blocked". None: the policy
	// matches everything.
	Demands []string
}

// Policies are the policies of the rules in the order of evaluation; none for a
// matcher tree.
func (e *Engine) Policies() []Described {
	if e == nil {
		return nil
	}
	var out []Described
	for _, p := range e.policies {
		out = append(out, Described{Policy: p.name, Demands: demands(p.condition)})
	}
	return out
}

// Describe returns what a policy demands, in words.
func Describe(policy *rbacv3.Policy) []string { return demands(compilePolicy(policy)) }

func demands(c condition) []string {
	terms := conjunction(c)
	slices.SortStableFunc(terms, func(a, b term) int { return a.place.order() - b.place.order() })
	var out []string
	for _, t := range terms {
		out = append(out, t.String())
	}
	return out
}

// place is the part of an AuthorizationPolicy's rule that a demand belongs to.
type place string

const (
	from place = "from"
	to   place = "to"
	when place = "when"
)

func (p place) order() int { return slices.Index([]place{from, to, when}, p) }

// term is one demand: the subject is one of the values, or none of them.
type term struct {
	place   place
	subject string
	values  []string
	negated bool
}

// String is the demand in words.
func (t term) String() string {
	values := t.values
	if len(values) > maxWants {
		values = append(values[:maxWants:maxWants], strconv.Itoa(len(t.values)-maxWants)+" more")
	}
	words := []string{string(t.place)}
	if t.subject != "" {
		words = append(words, t.subject)
	}
	if t.place == when && t.subject != "" {
		words = append(words, "is")
	}
	if t.negated {
		words = append(words, "not")
	}
	return shortened(strings.Join(append(words, strings.Join(values, " or ")), " "))
}

func (t term) sameSubject(other term) bool {
	return t.place == other.place && t.subject == other.subject && t.negated == other.negated
}

// conjunction returns the terms that all have to hold; none always holds.
func conjunction(c condition) []term {
	switch c := c.(type) {
	case *leaf:
		return leafTerm(c)
	case *expression:
		return []term{{place: when, values: []string{"its CEL condition holds"}}}
	case and:
		var terms []term
		for _, part := range c {
			terms = appendTerms(terms, conjunction(part))
		}
		return terms
	case or:
		return disjunction(c)
	}
	return nil
}

// appendTerms joins what is excluded of one subject in a row: not a, and not b.
func appendTerms(terms, more []term) []term {
	for _, t := range more {
		last := len(terms) - 1
		if last < 0 || !t.negated || !terms[last].sameSubject(t) {
			terms = append(terms, t)
			continue
		}
		terms[last].values = append(terms[last].values, t.values...)
	}
	return terms
}

// disjunction is one term: the values of one subject, or the alternatives in full.
func disjunction(parts or) []term {
	var alternatives [][]term
	for _, part := range parts {
		terms := conjunction(part)
		if len(terms) == 0 {
			return nil
		}
		alternatives = append(alternatives, terms)
	}
	if len(alternatives) == 0 {
		return []term{{place: when, values: []string{"never"}}}
	}
	joined := alternatives[0][0]
	joined.values = nil
	texts := []string{}
	oneSubject := true
	for _, terms := range alternatives {
		oneSubject = oneSubject && len(terms) == 1 && !terms[0].negated && terms[0].sameSubject(joined)
		joined.values = append(joined.values, terms[0].values...)
		texts = append(texts, sentence(terms))
	}
	if oneSubject {
		return []term{joined}
	}
	return []term{{place: when, values: texts}}
}

func sentence(terms []term) string {
	var words []string
	for _, t := range terms {
		words = append(words, t.String())
	}
	return "(" + shortened(strings.Join(words, " and ")) + ")"
}

// leafTerm is the term of one condition.
func leafTerm(l *leaf) []term {
	if l.name == anything {
		if l.negated {
			return []term{{place: when, values: []string{"never"}}}
		}
		return nil
	}
	value, _ := strings.CutPrefix(l.want, "exact ")
	t := term{values: []string{value}, negated: l.negated}
	t.place, t.subject = subject(l.name)
	return []term{t}
}

// subject is what a condition is about, in the words of an AuthorizationPolicy.
func subject(name string) (place, string) {
	switch name {
	case "header :method":
		return to, "methods"
	case "header :authority", "header host":
		return to, "hosts"
	case "url_path", "uri_template":
		return to, "paths"
	case "destination_port", "destination_port_range":
		return to, "ports"
	case "destination_ip":
		return to, "IPs"
	case "authenticated", "mtls_authenticated", "filter_state " + peerPrincipal, "metadata istio_authn.source.principal":
		return from, "principals"
	case "direct_remote_ip", "source_ip":
		return from, "IPs"
	case "remote_ip":
		return from, "remote IPs"
	case "metadata istio_authn.request.auth.principal":
		return from, "request principals"
	}
	if claim, ok := strings.CutPrefix(name, "metadata "+JWTFilterName+".payload."); ok {
		return when, "claim " + claim
	}
	if claim, ok := strings.CutPrefix(name, "metadata istio_authn.request.auth.claims."); ok {
		return when, "claim " + claim
	}
	return when, name
}
