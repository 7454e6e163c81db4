package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/authz"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/analyze/trace/match"
)

// The decisions on a request.
const (
	authzAllowed = "ALLOWED"
	authzDenied  = "DENIED"
	// authzRefused is a request that Envoy does not take as far as to a policy.
	authzRefused = "REFUSED"
	// authzOpen is a request of which the capture cannot tell.
	authzOpen = "OPEN"
)

// authzDecision is what becomes of a request at one proxy.
type authzDecision struct {
	decision string
	// reason follows the decision in a sentence.
	reason string
	hop    *trace.Hop
	// by is the step that decided; nil where none did.
	by *trace.Step
	// assumedSource is set where the client's address was not given.
	assumedSource bool
	// open are the things that an open decision depends on.
	open []string
}

func decideAuthz(c *cli.Context, e env, talk *conversation, capture *mesh.Capture, p *mesh.Proxy, target string) error {
	if p.Kind == mesh.Sidecar && !c.IsSet("direction") {
		if err := c.Set("direction", string(request.Inbound)); err != nil {
			return err
		}
	}
	req, direction, err := requestOf(c, target)
	if err != nil {
		return err
	}
	options, err := traceOptions(c)
	if err != nil {
		return err
	}
	options.FirstHop, options.Why = true, true
	answer, err := trace.New(capture).Trace(p, req, direction, options)
	if err != nil {
		return usageError{message: err.Error()}
	}
	d := decisionOf(answer)
	d.assumedSource = req.From == ""
	if err := d.print(c, e); err != nil {
		return err
	}
	if v := d.hop.Outcome.Verdict; req.TLS == nil && (v == trace.NoFilterChain || v == trace.TLSMismatch) {
		talk.note("the request is cleartext; --source-principal makes it the mTLS of a sidecar")
	}
	if d.decision == authzDenied || d.decision == authzRefused {
		return errFindings
	}
	return nil
}

// decisionOf is the decision for all ways of a request: open where they differ.
func decisionOf(t *trace.Trace) authzDecision {
	first := decisionOn(&t.Paths[0].Hops[0])
	shares := map[string]float64{}
	for i := range t.Paths {
		shares[decisionOn(&t.Paths[i].Hops[0]).decision] += t.Paths[i].Share
	}
	if len(shares) == 1 {
		return first
	}
	first.decision, first.reason, first.by = authzOpen, "it depends on a random choice", nil
	for _, decision := range []string{authzAllowed, authzDenied, authzRefused, authzOpen} {
		if share := shares[decision]; share > 0 {
			first.open = append(first.open, fmt.Sprintf("%.4g%% of the requests are %s", share*100, decision))
		}
	}
	return first
}

// decisionOn reads the decision from the steps at a proxy.
func decisionOn(hop *trace.Hop) authzDecision {
	d := authzDecision{hop: hop}
	steps := authorizing(hop)
	var custom *trace.Step // of a CUSTOM policy that applies
	for _, step := range steps {
		switch a := step.Authorization; a.Allowed {
		case match.No:
			d.decision, d.reason, d.by = authzDenied, whoDecided(step), step
			return d
		case match.Unknown:
			d.open = append(d.open, a.Open...)
		case match.Yes:
			if a.Action == string(authz.Custom) && a.Policy != "" {
				custom = step
			}
		}
	}
	switch hop.Outcome.Verdict {
	case trace.Denied, trace.NoListener, trace.NoFilterChain, trace.TLSMismatch:
		d.decision, d.reason, d.open = authzRefused, "before any policy: "+hop.Outcome.Reason, nil
		return d
	case trace.Unmodelled:
		d.open = append(d.open, hop.Outcome.Reason)
	}
	if len(d.open) > 0 {
		d.decision, d.reason, d.by = authzOpen, "it depends on what the capture cannot tell", custom
		if custom != nil {
			d.reason = whoDecided(custom)
		}
		return d
	}
	d.decision, d.reason = authzAllowed, "no policy is in force on its way"
	for _, step := range steps {
		if d.by == nil || step.Authorization.Policy != "" || d.by.Authorization.Policy == "" {
			d.by, d.reason = step, whoDecided(step)
		}
	}
	return d
}

func authorizing(hop *trace.Hop) []*trace.Step {
	var steps []*trace.Step
	for i := range hop.Steps {
		if hop.Steps[i].Authorization != nil {
			steps = append(steps, &hop.Steps[i])
		}
	}
	return steps
}

func whoDecided(step *trace.Step) string {
	a := step.Authorization
	switch {
	case a.Action == "":
		return step.Reason
	case a.Policy == "":
		return fmt.Sprintf("no %s policy applies", a.Action)
	}
	return fmt.Sprintf("by %s policy %s", a.Action, authz.PolicyLabel(a.Policy))
}

// source is where the AuthorizationPolicy stands that decided.
func (d *authzDecision) source() mesh.Source {
	if d.by == nil || d.by.Object == nil {
		return mesh.Source{}
	}
	return d.by.Object.Source
}

func (d *authzDecision) print(c *cli.Context, e env) error {
	if format := c.String("output"); format == jsonFormat || format == yamlFormat {
		return writeAuthzDocument(e.stdout, format, d.json())
	}
	colored := e.colored(c.String("color"))
	return e.page(c.Bool("no-pager"), func(w io.Writer) error { return d.write(w, colored) })
}

func (d *authzDecision) write(w io.Writer, colored bool) error {
	var paint style
	if colored {
		paint = map[string]style{authzAllowed: green, authzDenied: red, authzRefused: red, authzOpen: yellow}[d.decision]
	}
	lines := slices.Concat([]string{paint.paint(d.decision) + sanitize(d.headline())}, d.details())
	if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
		return err
	}
	for _, cells := range [][][]string{d.filterCells(), d.passedCells()} {
		if len(cells) < 2 {
			continue
		}
		fmt.Fprintln(w)
		if err := writeAuthzTable(w, cells, colored); err != nil {
			return err
		}
	}
	return nil
}

func (d *authzDecision) headline() string {
	text := ": " + d.reason
	if strings.HasPrefix(d.reason, "by ") || strings.HasPrefix(d.reason, "before ") {
		text = " " + d.reason
	}
	if source := d.source().String(); source != "" {
		text += " (" + source + ")"
	}
	return text
}

// details are the lines below the decision.
func (d *authzDecision) details() []string {
	hop := d.hop
	at := fmt.Sprintf("  at %s, %s", hop.Proxy, hop.Direction)
	from := hop.Request.From
	if d.assumedSource {
		from += " (assumed)"
	}
	for _, part := range []struct{ name, value string }{
		{"to", hop.Request.To}, {"from", from}, {"listener", hop.Outcome.Listener}, {"chain", hop.Outcome.FilterChain},
	} {
		if part.value != "" {
			at += fmt.Sprintf(", %s %s", part.name, part.value)
		}
	}
	lines := []string{sanitize(at)}
	for _, what := range d.open {
		lines = append(lines, sanitize("  depends on: "+what))
	}
	if d.decision == authzDenied && hop.Outcome.Details != "" {
		answer := "the connection is closed"
		if hop.Outcome.Status > 0 {
			answer = fmt.Sprintf("answers %d", hop.Outcome.Status)
		}
		lines = append(lines, sanitize(fmt.Sprintf("  %s: %s", answer, hop.Outcome.Details)))
	}
	return lines
}

// filterCells are the filters that had a say.
func (d *authzDecision) filterCells() [][]string {
	cells := [][]string{{"FILTER", "SAYS"}}
	for _, step := range d.hop.Steps {
		if step.Kind == trace.StepFilters {
			cells = append(cells, []string{step.Chosen, step.Reason})
		}
	}
	return cells
}

// passedCells are the policies that did not apply, each with the first condition that failed.
func (d *authzDecision) passedCells() [][]string {
	cells := [][]string{{"PASSED OVER", "ACTION", "CONDITION", "WANTS", "GOT"}}
	for _, step := range authorizing(d.hop) {
		for _, passed := range step.Authorization.Passed {
			miss := passed.Miss
			cells = append(cells, []string{authz.PolicyLabel(passed.Policy), step.Authorization.Action, miss.Condition, miss.Want, dash(miss.Got)})
		}
	}
	return cells
}
