package main

import (
	"github.com/meshray/meshray/analyze/authz"
	"github.com/meshray/meshray/analyze/mesh"
)

// authzDocument is the JSON form of `meshray authz check`.
type authzDocument struct {
	Proxy    string        `json:"proxy"`
	Policies []authzPolicy `json:"policies"`
	Tokens   []authzToken  `json:"tokens"`
	Problems []string      `json:"problems,omitempty"`
}

type authzPolicy struct {
	Action    authz.Action `json:"action"`
	DryRun    bool         `json:"dryRun,omitempty"`
	Name      string       `json:"name"`
	Namespace string       `json:"namespace,omitempty"`
	Source    *lintSource  `json:"source,omitempty"`
	Rules     []authzRule  `json:"rules"`
}

type authzRule struct {
	// Rule is the index of the rule in the AuthorizationPolicy.
	Rule        *int         `json:"rule,omitempty"`
	EnvoyPolicy string       `json:"envoyPolicy,omitempty"`
	Filter      string       `json:"filter"`
	Demands     []string     `json:"demands"`
	Asks        string       `json:"asks,omitempty"`
	Places      []authzPlace `json:"places"`
}

type authzPlace struct {
	Listener    string `json:"listener,omitempty"`
	FilterChain string `json:"filterChain,omitempty"`
	Port        int    `json:"port,omitempty"`
	Route       string `json:"route,omitempty"`
}

type authzToken struct {
	Issuer    string       `json:"issuer,omitempty"`
	Provider  string       `json:"provider"`
	Audiences []string     `json:"audiences,omitempty"`
	From      []string     `json:"from"`
	Keys      string       `json:"keys,omitempty"`
	Need      authz.Need   `json:"need"`
	Paths     string       `json:"paths"`
	Filter    string       `json:"filter"`
	Places    []authzPlace `json:"places"`
}

func newAuthzDocument(p *mesh.Proxy, check authz.Check) authzDocument {
	doc := authzDocument{Proxy: p.Key(), Policies: []authzPolicy{}, Tokens: []authzToken{}, Problems: check.Problems}
	for _, policy := range check.Policies {
		out := authzPolicy{
			Action: policy.Action, DryRun: policy.DryRun, Name: policy.Name, Namespace: policy.Namespace,
			Source: newLintSource(policy.Source),
		}
		for _, rule := range policy.Rules {
			out.Rules = append(out.Rules, newAuthzRule(rule))
		}
		doc.Policies = append(doc.Policies, out)
	}
	for _, t := range check.Tokens {
		doc.Tokens = append(doc.Tokens, authzToken{
			Issuer: t.Issuer, Provider: t.Provider, Audiences: t.Audiences, From: t.From, Keys: t.Keys,
			Need: t.Need, Paths: t.Paths, Filter: t.Filter, Places: newAuthzPlaces(t.Places),
		})
	}
	return doc
}

func newAuthzRule(rule authz.Rule) authzRule {
	out := authzRule{EnvoyPolicy: rule.Policy, Filter: rule.Filter, Demands: list(rule.Demands), Asks: rule.Asks, Places: newAuthzPlaces(rule.Places)}
	if rule.Index >= 0 {
		out.Rule = &rule.Index
	}
	return out
}

func newAuthzPlaces(places []authz.Place) []authzPlace {
	out := []authzPlace{}
	for _, p := range places {
		out = append(out, authzPlace{Listener: p.Listener, FilterChain: p.Chain, Port: p.Port, Route: p.Route})
	}
	return out
}
