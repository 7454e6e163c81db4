package lintfile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
)

// timeLimit bounds one rule on a whole capture. It is a safety net: the cost limit
// stops an expression first, and at the same place every time.
const timeLimit = 2 * time.Minute

// maxMessage bounds a message in bytes.
const maxMessage = 500

// run asks the expression of every active resource of the rule's kind.
func (p *program) run(pass *analyze.Pass) {
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	for _, proxy := range pass.Proxies {
		for _, r := range proxy.Resources(p.kind) {
			if r.State != mesh.Active || r.Content == nil {
				continue
			}
			if err := p.resource(ctx, pass, proxy, r); err != nil {
				stopped(pass, proxy, r, err)
				return
			}
		}
	}
}

// resource asks about one resource. The error is an expression that cannot go on.
func (p *program) resource(ctx context.Context, pass *analyze.Pass, proxy *mesh.Proxy, r *mesh.Resource) error {
	message, err := r.Message()
	if err != nil {
		return nil // the resource is damaged, and told of elsewhere
	}
	variables := map[string]any{"resource": message, "proxy": describe(proxy), "name": r.Name()}
	faulty, err := evaluate(ctx, p.when, variables)
	if err != nil {
		return fmt.Errorf("when: %w", err)
	}
	switch yes, ok := faulty.(bool); {
	case !ok:
		return fmt.Errorf("when is a %T: expected a bool", faulty)
	case !yes:
		return nil
	}
	text := r.Name() + " is against the rule"
	if p.message != nil {
		value, err := evaluate(ctx, p.message, variables)
		if err != nil {
			return fmt.Errorf("message: %w", err)
		}
		text = fmt.Sprint(value)
	}
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	pass.Report(analyze.Finding{Ref: proxy.Ref(p.kind, r.Name()), Source: r.Source, Message: text, Essence: "custom"})
	return nil
}

func evaluate(ctx context.Context, program cel.Program, variables map[string]any) (any, error) {
	value, _, err := program.ContextEval(ctx, variables)
	if err != nil {
		return nil, err
	}
	return value.Value(), nil
}

// describe is the variable proxy.
func describe(p *mesh.Proxy) map[string]string {
	return map[string]string{
		"name": p.Name, "namespace": p.Namespace, "kind": string(p.Kind),
		"istio_version": p.IstioVersion, "envoy_version": p.EnvoyVersion,
	}
}

// stopped reports that the rule could not be asked to its end, so that it does not
// count as passed.
func stopped(pass *analyze.Pass, proxy *mesh.Proxy, r *mesh.Resource, err error) {
	pass.Report(analyze.Finding{
		Severity: analyze.Error, Confidence: analyze.Proven, Category: analyze.Hygiene,
		Ref: proxy.Ref(r.Kind, r.Name()), Source: r.Source,
		Message: fmt.Sprintf("this rule stopped (%v): what it would have found beyond %s is not known", err, r.Name()),
		Essence: "stopped",
		Fix:     "guard the expression, as in has(resource.field), or make it cheaper",
	})
}
