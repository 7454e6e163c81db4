package main

import (
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/analyze/trace/match"
)

// authzDecisionDocument is the JSON form of `meshray authz check PROXY URL`.
type authzDecisionDocument struct {
	Proxy       string            `json:"proxy"`
	Direction   request.Direction `json:"direction"`
	Request     request.Request   `json:"request"`
	Decision    string            `json:"decision"`
	Reason      string            `json:"reason"`
	DependsOn   []string          `json:"dependsOn"`
	EnvoyPolicy string            `json:"envoyPolicy,omitempty"`
	Policy      *traceObject      `json:"policy,omitempty"`
	Listener    string            `json:"listener,omitempty"`
	FilterChain string            `json:"filterChain,omitempty"`
	Verdict     trace.Verdict     `json:"verdict"`
	Status      int               `json:"status,omitempty"`
	Details     string            `json:"details,omitempty"`
	Filters     []authzFilter     `json:"filters"`
}

type authzFilter struct {
	Filter string `json:"filter"`
	Says   string `json:"says"`
	// Allowed is "yes", "no" or "unknown"; empty for a filter that judges nobody.
	Allowed     string        `json:"allowed,omitempty"`
	Action      string        `json:"action,omitempty"`
	EnvoyPolicy string        `json:"envoyPolicy,omitempty"`
	Passed      []authzPassed `json:"passed,omitempty"`
}

type authzPassed struct {
	EnvoyPolicy string `json:"envoyPolicy"`
	Condition   string `json:"condition"`
	Want        string `json:"want"`
	Got         string `json:"got"`
}

func (d *authzDecision) json() authzDecisionDocument {
	outcome := &d.hop.Outcome
	doc := authzDecisionDocument{
		Proxy: d.hop.Proxy, Direction: d.hop.Direction, Request: d.hop.Request, Decision: d.decision, Reason: d.reason, DependsOn: list(d.open),
		Listener: outcome.Listener, FilterChain: outcome.FilterChain, Verdict: outcome.Verdict, Status: outcome.Status, Details: outcome.Details,
		Filters: []authzFilter{},
	}
	if d.by != nil {
		doc.EnvoyPolicy = d.by.Authorization.Policy
		if o := d.by.Object; o != nil {
			doc.Policy = &traceObject{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Source: newLintSource(o.Source)}
		}
	}
	for _, step := range d.hop.Steps {
		if step.Kind == trace.StepFilters {
			doc.Filters = append(doc.Filters, newAuthzFilter(step))
		}
	}
	return doc
}

func newAuthzFilter(step trace.Step) authzFilter {
	out := authzFilter{Filter: step.Chosen, Says: step.Reason}
	a := step.Authorization
	if a == nil {
		return out
	}
	out.Allowed = map[match.Outcome]string{match.Yes: "yes", match.No: "no", match.Unknown: "unknown"}[a.Allowed]
	out.Action, out.EnvoyPolicy = a.Action, a.Policy
	for _, passed := range a.Passed {
		out.Passed = append(out.Passed, authzPassed{EnvoyPolicy: passed.Policy, Condition: passed.Miss.Condition, Want: passed.Miss.Want, Got: passed.Miss.Got})
	}
	return out
}
