package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/rules"
)

func rulesCommand(e env) *cli.Command {
	return &cli.Command{
		Name:  "rules",
		Usage: "list and explain the rules of lint",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "list all rules",
				Flags: append([]cli.Flag{outputFlag("table", "json")}, displayFlags()...),
				Action: func(c *cli.Context) error {
					if c.Args().Present() {
						return usageError{message: fmt.Sprintf("unexpected argument %q", c.Args().First()), hint: "'meshray rules explain NAME' explains one rule"}
					}
					return listRules(c, e)
				},
			},
			{
				Name:      "explain",
				Usage:     "say what a rule finds, why it hurts and how to fix it",
				ArgsUsage: "NAME",
				Flags:     append([]cli.Flag{outputFlag("text", "json")}, displayFlags()...),
				Action: func(c *cli.Context) error {
					if c.NArg() != 1 {
						return usageError{message: fmt.Sprintf("want one rule, got %d", c.NArg()), hint: "'meshray rules list' lists the rules"}
					}
					name := c.Args().First()
					rule := analyze.Find(rules.All(), name)
					if rule == nil {
						return unknownRule(name, fmt.Sprintf("no rule is called %q", name))
					}
					return explainRule(c, e, rule)
				},
			},
		},
	}
}

// ruleDocument is the JSON form of a rule.
type ruleDocument struct {
	Name       string             `json:"name"`
	Code       string             `json:"code"`
	Severity   analyze.Severity   `json:"severity"`
	Confidence analyze.Confidence `json:"confidence"`
	Category   analyze.Category   `json:"category"`
	// Profile is the --profile that runs the rule; without one it always runs.
	Profile    analyze.Profile `json:"profile,omitempty"`
	Needs      []analyze.Need  `json:"needs"`
	Title      string          `json:"title"`
	Finds      string          `json:"finds"`
	Hurts      string          `json:"hurts"`
	Example    string          `json:"example"`
	Silent     string          `json:"notReported"`
	Fix        string          `json:"fix"`
	References []string        `json:"references"`
}

func newRuleDocument(r *analyze.Rule) ruleDocument {
	return ruleDocument{
		Name: r.Name, Code: r.Code, Severity: r.Severity, Confidence: r.Confidence, Category: r.Category, Profile: r.Profile,
		Needs: append([]analyze.Need{}, r.Needs...), Title: r.Doc.Title, Finds: r.Doc.Finds, Hurts: r.Doc.Hurts,
		Example: r.Doc.Example, Silent: r.Doc.Silent, Fix: r.Doc.Fix, References: append([]string{}, r.Doc.References...),
	}
}

func listRules(c *cli.Context, e env) error {
	if c.String("output") == "json" {
		list := struct {
			Rules []ruleDocument `json:"rules"`
		}{}
		for _, r := range rules.All() {
			list.Rules = append(list.Rules, newRuleDocument(r))
		}
		return writeDocument(e.stdout, list)
	}
	rows := [][]string{{"NAME", "CODE", "SEVERITY", "CATEGORY", "PROFILE", "FINDS"}}
	for _, r := range rules.All() {
		rows = append(rows, []string{r.Name, r.Code, r.Severity.String(), string(r.Category), string(cmp.Or(r.Profile, "default")), r.Doc.Title})
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error { return writeTable(w, layout{padding: 2}, rows, nil) })
}

func writeDocument(w io.Writer, v any) error {
	doc, err := document(v)
	if err != nil {
		return err
	}
	return writeJSON(w, doc)
}

func explainRule(c *cli.Context, e env, r *analyze.Rule) error {
	if c.String("output") == "json" {
		return writeDocument(e.stdout, newRuleDocument(r))
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error { return writeRule(w, r) })
}

const ruleTextWidth = 96

func writeRule(w io.Writer, r *analyze.Rule) error {
	fmt.Fprintf(w, "%s (%s)\n%s\n\n", r.Name, r.Code, r.Doc.Title)
	fmt.Fprintf(w, "severity %s, confidence %s, category %s\n", r.Severity, r.Confidence, r.Category)
	switch r.Profile {
	case analyze.Default:
	case analyze.Strict:
		fmt.Fprintln(w, "runs with --profile strict, or by its name")
	default:
		fmt.Fprintf(w, "runs with --profile %s or strict, or by its name\n", r.Profile)
	}
	if len(r.Needs) > 0 {
		fmt.Fprintf(w, "needs %s\n", needsText(r.Needs))
	}
	paragraphs := []struct{ title, text string }{
		{"What it finds", r.Doc.Finds}, {"Why it hurts", r.Doc.Hurts}, {"Example", r.Doc.Example},
		{"What is not reported", r.Doc.Silent}, {"Fix", r.Doc.Fix},
	}
	for _, p := range paragraphs {
		text := p.text
		if p.title != "Example" {
			text = wrap(text, ruleTextWidth)
		}
		fmt.Fprintf(w, "\n%s:\n  %s\n", p.title, strings.ReplaceAll(text, "\n", "\n  "))
	}
	if len(r.Doc.References) > 0 {
		fmt.Fprintf(w, "\nSee also:\n  %s\n", strings.Join(r.Doc.References, "\n  "))
	}
	return nil
}

// wrap breaks text between words so that lines stay within width where they can.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		switch {
		case column == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
