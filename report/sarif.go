package report

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/meshray/meshray/analyze"
)

const (
	sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"
	homepage    = "https://github.com/meshray/meshray"
	// fingerprintKey is our own: GitHub computes primaryLocationLineHash itself.
	fingerprintKey = "meshray/v1"
	// maxResults is what GitHub takes of a run, maxLocations of a result.
	maxResults   = 25_000
	maxLocations = 100
)

// SARIF writes findings as SARIF 2.1.0, for GitHub code scanning and others. The
// place of a finding in an archive is the archive, with its member and line in the
// logical location.
func SARIF(w io.Writer, l *Lint) error {
	log := sarif.NewReport()
	log.Schema = sarifSchema
	run := sarif.NewRunWithInformationURI(l.Tool.Name, homepage)
	if l.Tool.Version != "" {
		run.Tool.Driver.Version = &l.Tool.Version
	}
	index := map[string]int{}
	for i, r := range l.Rules {
		index[r.Name] = i
		run.Tool.Driver.AddRule(sarifRule(r))
	}
	for _, f := range l.Findings {
		run.AddResult(l.sarifResult(f, index, "new"))
	}
	// What is known or accepted on some proxies only is open: a result is there once.
	open := map[string]bool{}
	for _, f := range l.Findings {
		open[f.Fingerprint] = true
	}
	for _, f := range l.Known {
		if !open[f.Fingerprint] {
			run.AddResult(l.sarifResult(f, index, "unchanged"))
		}
	}
	for _, s := range l.Suppressed {
		if open[s.Finding.Fingerprint] {
			continue
		}
		result := l.sarifResult(s.Finding, index, "unchanged")
		suppression := sarif.NewSuppression().WithKind("external").WithJustification(s.Reason.String())
		result.AddSuppression(suppression)
		run.AddResult(result)
	}
	invocation := l.sarifInvocation()
	if more := len(run.Results) - maxResults; more > 0 {
		run.Results = run.Results[:maxResults]
		note := fmt.Sprintf("%d more results are left out: no more than %d are taken", more, maxResults)
		invocation.AddToolExecutionNotification(sarif.NewNotification().WithLevel("warning").WithMessage(sarif.NewTextMessage(note)))
	}
	run.AddInvocation(invocation)
	log.AddRun(run)
	if err := log.PrettyWrite(w); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func sarifRule(r *analyze.Rule) *sarif.ReportingDescriptor {
	tags := []string{string(r.Category), strings.TrimRight(r.Code, "0123456789"), string(r.Confidence)}
	properties := sarif.NewPropertyBag().WithTags(tags).Add("precision", precision(r.Confidence))
	if r.Category == analyze.Security {
		properties.Add("security-severity", securitySeverity(r.Severity))
	}
	help := ruleHelp(r)
	descriptor := sarif.NewRule(r.Code).
		WithName(r.Name).
		WithShortDescription(text(r.Doc.Title)).
		WithFullDescription(text(r.Doc.Hurts)).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(sarifLevel(r.Severity.String()))).
		WithProperties(properties)
	if !r.Own {
		descriptor.WithHelpURI(RuleURL(r.Name))
	}
	descriptor.Help = sarif.NewMultiformatMessageString().WithText(r.Doc.Finds + "\n\nFix: " + r.Doc.Fix).WithMarkdown(help)
	return descriptor
}

func text(t string) *sarif.MultiformatMessageString {
	return sarif.NewMultiformatMessageString().WithText(t)
}

// ruleHelp is a rule's documentation as Markdown.
func ruleHelp(r *analyze.Rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s (%s)\n\n%s.\n\n**Finds.** %s\n\n**Hurts.** %s\n\n```yaml\n%s\n```\n\n**Silent.** %s\n\n**Fix.** %s\n",
		r.Name, r.Code, r.Doc.Title, r.Doc.Finds, r.Doc.Hurts, r.Doc.Example, r.Doc.Silent, r.Doc.Fix)
	for _, reference := range r.Doc.References {
		fmt.Fprintf(&b, "\n- <%s>", reference)
	}
	return b.String()
}

func precision(c analyze.Confidence) string {
	switch c {
	case analyze.Proven:
		return "very-high"
	case analyze.Likely:
		return "high"
	}
	return "medium"
}

// securitySeverity is a CVSS-like score, by which GitHub sorts security findings.
func securitySeverity(s analyze.Severity) string {
	switch s {
	case analyze.Error:
		return "8.0"
	case analyze.Warning:
		return "6.0"
	}
	return "3.0"
}

// RuleURL is where the documentation of a rule stands. Rules of one's own have none.
func RuleURL(name string) string { return homepage + "/blob/main/rules/README.md#" + name }

func sarifLevel(severity string) string {
	switch severity {
	case analyze.Error.String():
		return "error"
	case analyze.Warning.String():
		return "warning"
	}
	return "note"
}

func (l *Lint) sarifResult(f Finding, index map[string]int, baseline string) *sarif.Result {
	message := f.Message.String() + "\n\nFix: " + f.repair().String()
	result := sarif.NewRuleResult(f.Code).
		WithRuleIndex(index[f.Rule]).
		WithLevel(sarifLevel(f.Severity)).
		WithMessage(sarif.NewTextMessage(message)).
		WithPartialFingerprints(map[string]string{fingerprintKey: f.Fingerprint})
	if len(l.Known)+len(l.Fixed) > 0 {
		result.BaselineState = &baseline
	}
	if n := len(f.Proxies); n > 0 {
		result.OccurrenceCount = &n
	}
	result.AddLocation(l.sarifLocation(f.Place, f.Where.String(), f.Proxies, ""))
	if len(f.Hits) > 0 {
		hits := make([]string, len(f.Hits))
		for i, h := range f.Hits {
			hits[i] = h.Words.String()
		}
		result.WithProperties(sarif.NewPropertyBag().Add("hits", hits))
	}
	for i, r := range f.Related {
		if i == maxLocations-1 {
			break
		}
		result.AddRelatedLocation(l.sarifLocation(r.Place, r.Where.String(), nil, r.Message.String()))
	}
	return result
}

// sarifLocation is a place: the file, or the archive that has it, and the resource.
func (l *Lint) sarifLocation(p Place, where string, proxies []Text, message string) *sarif.Location {
	location := sarif.NewLocation()
	if message != "" {
		location.Message = sarif.NewTextMessage(message)
	}
	if file := l.located(p); file != "" {
		physical := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(relativeURI(file)))
		physical.WithRegion(sarif.NewRegion().WithStartLine(max(p.Line, 1)))
		location.WithPhysicalLocation(physical)
	}
	names := []Text{""}
	if len(proxies) > 0 {
		names = proxies[:min(len(proxies), maxLocations)]
	}
	for _, proxy := range names {
		name := strings.Trim(proxy.String()+"/"+where, "/")
		logical := sarif.NewLogicalLocation().WithName(name).WithKind("resource")
		if member := p.File.String(); member != "" {
			logical.WithFullyQualifiedName(fmt.Sprintf("%s:%d#%s", member, max(p.Line, 1), name))
		}
		location.LogicalLocations = append(location.LogicalLocations, logical)
	}
	return location
}

// relativeURI escapes a relative path as a URI reference.
func relativeURI(file string) string {
	parts := strings.Split(file, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), ":", "%3A") // else it would end a scheme
	}
	return strings.Join(parts, "/")
}

// sarifInvocation says what could not be judged.
func (l *Lint) sarifInvocation() *sarif.Invocation {
	invocation := sarif.NewInvocation().WithExecutionSuccessful(true)
	for _, s := range l.Unchecked {
		note := fmt.Sprintf("%s could not judge everything: it needs %s", s.Rule, strings.Join(s.Missing, "; "))
		invocation.AddToolExecutionNotification(sarif.NewNotification().WithLevel("note").WithMessage(sarif.NewTextMessage(note)))
	}
	for _, note := range l.Notes {
		invocation.AddToolConfigurationNotification(sarif.NewNotification().WithLevel("warning").WithMessage(sarif.NewTextMessage(note.String())))
	}
	return invocation
}
