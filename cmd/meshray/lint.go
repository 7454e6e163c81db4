package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/report"
	"github.com/meshray/meshray/rules"
)

const ruleCategory = "Rules"

// failNever is the value of --fail-on for a run that only informs.
const failNever = "never"

func lintCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "lint",
		Usage:     "judge a capture: what is broken, and what is about to break",
		ArgsUsage: "CAPTURE...",
		Description: "Judges what Envoy really runs. `meshray rules list` shows the rules.\n\n" +
			"Examples:\n" +
			"   meshray lint bug-report.tar.gz\n" +
			"   meshray lint --rules 'TLS*' --fail-on warning -o json must-gather/\n" +
			"   meshray lint --out sarif=lint.sarif --out junit=lint.xml bug-report.tar.gz\n" +
			"   meshray lint --since before.tar.gz after.tar.gz",
		Flags:  append(append(openFlags(), lintFlags()...), displayFlags()...),
		Action: func(c *cli.Context) error { return runLint(c, e) },
	}
}

func runLint(c *cli.Context, e env) error {
	config, err := lintConfig(c)
	if err != nil {
		return err
	}
	files, err := outFiles(c, lintFormats())
	if err != nil {
		return err
	}
	past, err := readPast(c)
	if err != nil {
		return err
	}
	selected, err := selectRules(c, config.Rules, config.Profile)
	if err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	source, err := captureFrom(e, c.Args().Slice(), c.StringSlice("file"))
	if err != nil {
		return err
	}
	capture, err := openCapture(c, e, talk, c.Args().Slice()...)
	if err != nil {
		return err
	}
	if err := judgeable(capture); err != nil {
		return err
	}
	scope, err := lintScope(c, capture)
	if err != nil {
		return err
	}
	scope.SomeRules = c.IsSet("rules") || c.IsSet("skip")
	if meshes := capture.Meshes(); len(meshes) > 1 {
		talk.note("%d captures of pods with the same names or addresses: each is judged for itself", len(meshes))
	}
	tolerateGarbage()
	result := analyze.Run(capture, selected, scope)
	result.Suppress(slices.Concat(config.Suppressions, analyze.Annotated(capture)), capture.AsOf)
	baselines, err := past.compare(c, e, talk, selected, result, scope)
	if err != nil {
		return err
	}
	lint := newLint(c, capture, result, source.paths)
	// Files first: who reads standard output may close it early.
	written := errors.Join(
		writeOutFiles(files, func(w io.Writer, format string) error { return lint.writeAs(w, format, false) }),
		writeBaselines(baselines, talk),
	)
	if err := errors.Join(lint.print(c, e), written); err != nil {
		return err
	}
	return verdict(lint.result, c.String("fail-on"))
}

func lintFlags() []cli.Flag {
	return append(append(ruleFlags(analyze.Error.String()), historyFlags()...),
		choiceFlag(&cli.StringFlag{Name: "min-severity", Category: outputCategory, Usage: "show findings of `SEVERITY` and above"}, severities(analyze.Info.String())...),
		outputFlag(lintFormats()...), outFlag(lintFormats()))
}

// ruleFlags are the flags of every command that runs rules; failOn is what
// makes it exit with 1 unless --fail-on is given.
func ruleFlags(failOn string) []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "rules", Category: ruleCategory, Usage: "run only these rules: `NAMES`, codes or families such as TLS*, with commas or repeated"},
		&cli.StringSliceFlag{Name: "skip", Category: ruleCategory, Usage: "run all but these rules: `NAMES`, as above"},
		choiceFlag(&cli.StringFlag{Name: "profile", Category: ruleCategory, Usage: "run the rules of `PROFILE` too"}, analyze.Profiles()...),
		&cli.StringFlag{Name: "proxy", Category: captureCategory, Usage: "only `PROXY`: its name, name.namespace, or a prefix that fits one"},
		choiceFlag(&cli.StringFlag{Name: "fail-on", Category: outputCategory, Usage: "exit with 1 on a finding of `SEVERITY` or above, shown or not"}, severities(failOn, failNever)...),
	}
}

// severities are the values of a flag: def, then the others and more.
func severities(def string, more ...string) []string {
	values := []string{def}
	for _, s := range append(analyze.Severities(), more...) {
		if s != def {
			values = append(values, s)
		}
	}
	return values
}

// selectRules reads --rules, --skip and --profile; own are the rules of a lint file,
// which may name the profile that runs where the flag does not.
func selectRules(c *cli.Context, own []*analyze.Rule, profile string) ([]*analyze.Rule, error) {
	if profile == "" || c.IsSet("profile") {
		profile = c.String("profile")
	}
	selected, err := analyze.Select(slices.Concat(rules.All(), own), splitList(c.StringSlice("rules")), splitList(c.StringSlice("skip")), profile)
	var unknown *analyze.UnknownRuleError
	if errors.As(err, &unknown) {
		return nil, unknownRule(unknown.Pattern, err.Error())
	}
	if err == nil && len(selected) == 0 {
		return nil, usageError{message: "no rule is left to run", hint: "--skip takes out all that --rules names"}
	}
	return selected, err
}

func unknownRule(name, message string) error {
	var names []string
	for _, r := range rules.All() {
		names = append(names, r.Name, r.Code)
	}
	e := usageError{message: message, hint: "'meshray rules list' lists the rules"}
	if near := nearest(name, names); near != "" {
		e.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return e
}

func splitList(values []string) []string {
	var out []string
	for _, value := range values {
		for _, part := range strings.Split(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}

func lintScope(c *cli.Context, capture *mesh.Capture) (analyze.Options, error) {
	scope := analyze.Options{Namespace: c.String("namespace"), Hits: rules.Hits}
	if ns := scope.Namespace; ns != "" && !slices.Contains(capture.Namespaces(), ns) {
		return scope, usageError{
			message: fmt.Sprintf("nothing of the capture is in namespace %q", ns),
			hint:    "it has " + strings.Join(capture.Namespaces(), ", "),
		}
	}
	if c.String("proxy") == "" {
		return scope, nil
	}
	p, err := findProxy(c, capture, c.String("proxy"))
	if err != nil {
		return scope, usageError{message: err.Error()}
	}
	scope.Proxy = p
	return scope, nil
}

// lint is a run and what of it is shown.
type lint struct {
	asOf   string
	result *analyze.Result
	shown  *analyze.Result
	// ci is what is shown, for the formats of CI systems.
	ci *report.Lint
}

// newLint shows a result as the flags ask for; paths are what was opened.
func newLint(c *cli.Context, capture *mesh.Capture, result *analyze.Result, paths []string) lint {
	// The flags have checked the names; zero, for one that is no severity, is all of them.
	least, _ := analyze.ParseSeverity(c.String("min-severity"))
	l := lint{asOf: stamp(capture.AsOf), result: result, shown: result.Shown(least)}
	l.ci = report.NewLint(capture, l.shown, tool())
	l.ci.Locate = locator(paths)
	l.ci.FailOn, _ = analyze.ParseSeverity(c.String("fail-on"))
	return l
}

func (l lint) print(c *cli.Context, e env) error {
	colored := e.colored(c.String("color"))
	return e.page(c.Bool("no-pager"), func(w io.Writer) error { return l.writeAs(w, c.String("output"), colored) })
}

// verdict is errFindings for a finding of the severity that --fail-on names.
func verdict(result *analyze.Result, failOn string) error {
	if failOn == failNever {
		return nil
	}
	limit, err := analyze.ParseSeverity(failOn)
	if err != nil {
		return err
	}
	if result.Worst() >= limit {
		return errFindings
	}
	return nil
}
