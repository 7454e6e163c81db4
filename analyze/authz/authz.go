// Package authz lists what of a proxy's configuration decides who may pass it:
// the policies of its RBAC filters, the servers that its ext_authz filters ask, and
// the tokens that its JWT filters look for. It lists what istioctl leaves out, too:
// default filter chains, filters that came by ECDS, dry runs, and what single
// routes make of a filter.
package authz

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace/rbac"
)

// Action is the action of a policy.
type Action string

// The actions, in the order in which Istio puts their filters into a chain.
const (
	// Custom asks a server behind an ext_authz filter where the policy matches.
	Custom Action = "CUSTOM"
	// Log is Istio's AUDIT: it refuses nothing.
	Log   Action = "LOG"
	Deny  Action = "DENY"
	Allow Action = "ALLOW"
)

// MatchesNothing is what istioctl calls rules that have no policy. With action
// ALLOW they refuse everything: Istio gives them to the TCP filter chains of a
// workload whose ALLOW policies ask for HTTP.
const MatchesNothing = "_anonymous_match_nothing_"

// defaultChain is the label of a default filter chain without a name.
const defaultChain = "default"

// Check is all that is in force at one proxy.
type Check struct {
	// Policies are sorted by action as they are evaluated, then by name; those that
	// are enforced before dry runs.
	Policies []Policy
	// Tokens are in the order in which the filters hold them: of several that fit a
	// request the first one counts.
	Tokens []Token
	// Problems say what could not be decoded.
	Problems []string
}

// Policy is an AuthorizationPolicy, or what else made an RBAC or ext_authz filter.
type Policy struct {
	Action Action
	// DryRun is set for shadow rules: what they decide is only reported.
	DryRun bool
	// Namespace and Name are those of the AuthorizationPolicy. Of other policies
	// Namespace is empty and Name Envoy's own, [MatchesNothing] for rules without any,
	// or the name of an ext_authz filter that asks about every request.
	Namespace, Name string
	// Source is where the AuthorizationPolicy stands in the capture; zero where it does
	// not.
	Source mesh.Source
	// Rules are sorted by Index. A rule that Istio wrote differently for HTTP and TCP is
	// in it several times.
	Rules []Rule
}

// Rule is one policy of Envoy at all places where it says the same.
type Rule struct {
	// Policy is Envoy's name, such as "ns[default]-policy[allow-reviews]-rule[0]".
	Policy string
	// Index is that of the rule in the AuthorizationPolicy, -1 where Policy tells none.
	Index int
	// Filter is the name of the filter's instance.
	Filter string
	// Demands all have to hold, in words, for the rule to match. None: it always does.
	Demands []string
	// Asks says of a CUSTOM policy which server is asked.
	Asks   string
	Places []Place
}

// Place is a filter chain, or a route with a configuration of its own.
type Place struct {
	// Listener and Chain are names; a chain without one is "#0" by its index, or
	// "default". Empty for a route that came by RDS.
	Listener string
	Chain    string
	// Port is the destination port that leads to the chain; 0 for any, and for routes.
	Port int
	// Route is "route configuration/virtual host/route" as far as it is so special.
	Route string
}

// String is the policy as istioctl writes it, "name.namespace".
func (p Policy) String() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.Name + "." + p.Namespace
}

// RuleCount is the number of different rules.
func (p Policy) RuleCount() int {
	seen := map[string]bool{}
	for _, rule := range p.Rules {
		seen[rule.Policy] = true
	}
	return len(seen)
}

// String is the place in a few words: "0.0.0.0_9080", "0.0.0.0_8443#0" or
// "0.0.0.0_8443 default" for a chain without a name, "route 9080/reviews/#0".
func (p Place) String() string {
	switch {
	case p.Route != "":
		return "route " + p.Route
	case strings.HasPrefix(p.Chain, "#"):
		return p.Listener + p.Chain
	case p.Chain == defaultChain:
		return p.Listener + " " + p.Chain
	}
	return p.Chain
}

// PolicyLabel is one of Envoy's policies in the words of Istio: "allow-reviews.default
// rule 0"; a policy that is not Istio's keeps its name.
func PolicyLabel(policy string) string {
	if namespace, name, rule, ok := rbac.ParsePolicyName(policy); ok {
		return fmt.Sprintf("%s.%s rule %d", name, namespace, rule)
	}
	return policy
}

// Of returns what is in force at a proxy. The policies' sources are looked up in
// the capture.
func Of(capture *mesh.Capture, p *mesh.Proxy) Check {
	sites, problems := sitesOf(p)
	c := newCollector(capture)
	for _, s := range sites {
		c.add(s)
	}
	return Check{Policies: c.sortedPolicies(), Tokens: c.tokens, Problems: problems}
}

func (a Action) rank() int { return slices.Index([]Action{Custom, Log, Deny, Allow}, a) }

func comparePolicies(a, b *Policy) int {
	dryRun := func(p *Policy) int {
		if p.DryRun {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(a.Action.rank(), b.Action.rank()), cmp.Compare(dryRun(a), dryRun(b)),
		strings.Compare(a.Name, b.Name), strings.Compare(a.Namespace, b.Namespace))
}

// indexLabel is a name, or "#index" for what has none.
func indexLabel(name string, index int) string {
	if name != "" {
		return name
	}
	return "#" + strconv.Itoa(index)
}
