package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
	"github.com/meshray/meshray/fixtures/demo"
	"github.com/meshray/meshray/loader"
	"github.com/meshray/meshray/report"
)

func reportCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "write the whole story of a capture into one HTML or Markdown file",
		ArgsUsage: "CAPTURE...",
		Description: "Examples:\n" +
			"   meshray report bug-report.tar.gz -o report.html\n" +
			"   meshray report must-gather/ --out html=report.html --out markdown=ticket.md\n" +
			"   meshray report --demo -o demo.html\n\n" +
			"Exits with 0 whatever was found, unless --fail-on is given.",
		Flags:  slices.Concat(openFlags(), ruleFlags(failNever), reportFlags()),
		Action: func(c *cli.Context) error { return runReport(c, e) },
	}
}

// The formats of a report.
const (
	htmlReport     = "html"
	markdownReport = "markdown"
	jsonReport     = "json"
)

func reportFlags() []cli.Flag {
	size, rows := byteSize(report.HTMLBytes), count(report.DefaultTableRows)
	return []cli.Flag{
		&cli.StringSliceFlag{
			Name: "output", Aliases: []string{"o"}, Category: outputCategory,
			Usage: "write to `FILE`, in the format of its extension: .html, .md or .json; - for standard output; may be repeated",
		},
		&cli.StringSliceFlag{
			Name: "out", Category: outputCategory,
			Usage: "write `FORMAT=FILE`, the format being html, markdown or json; may be repeated",
		},
		choiceFlag(&cli.StringFlag{
			Name: "format", Category: outputCategory, Usage: "write -o - as `FORMAT`",
		}, markdownReport, htmlReport, jsonReport),
		&cli.StringFlag{Name: "title", Category: outputCategory, Usage: "call the report `TITLE`"},
		&cli.GenericFlag{
			Name: "max-size", Category: limitCategory, Value: &size,
			Usage: "keep an HTML report below `SIZE`; what is left out is told in it",
		},
		&cli.GenericFlag{
			Name: "max-rows", Category: limitCategory, Value: &rows,
			Usage: "show at most `N` rows of one table",
		},
		&cli.BoolFlag{
			Name: "quiet", Aliases: []string{"q"}, Category: outputCategory, DisableDefaultText: true,
			Usage: "no notes and no progress on standard error",
		},
		&cli.BoolFlag{
			Name: "demo", Category: captureCategory, DisableDefaultText: true,
			Usage: "report on the built-in capture of a web shop with some faults",
		},
	}
}

func runReport(c *cli.Context, e env) error {
	targets, err := reportTargets(c)
	if err != nil {
		return err
	}
	rules, err := selectRules(c, nil, "")
	if err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, names, err := openReported(c, e, talk)
	if err != nil {
		return err
	}
	scope, err := lintScope(c, capture)
	if err != nil {
		return err
	}
	tolerateGarbage()
	result := analyze.Run(capture, rules, scope)
	document := report.New(capture, result, proxystatus.Of(capture, scope.Namespace), report.Options{
		Title:     c.String("title"),
		Tool:      report.Tool{Name: "meshray", Version: strings.TrimPrefix(version(debug.ReadBuildInfo()), "meshray ")},
		Names:     names,
		AsOfAsked: !asOf(c).IsZero(),
		Scope:     scope,
		TableRows: int(*c.Generic("max-rows").(*count)),
	})
	for _, t := range targets {
		if err := t.write(e, document, int(*c.Generic("max-size").(*byteSize))); err != nil {
			return err
		}
	}
	talk.note("%s", document.Verdict)
	if err := judgeable(capture); err != nil {
		return err
	}
	return verdict(result, c.String("fail-on"))
}

// openReported opens the capture, or the built-in one, and tells its name.
func openReported(c *cli.Context, e env, talk *conversation) (capture *mesh.Capture, names []string, err error) {
	arguments := c.Args().Slice()
	if !c.Bool("demo") {
		source, err := captureFrom(e, arguments, c.StringSlice("file"))
		if err != nil {
			return nil, nil, err
		}
		capture, err = e.load(source, talk, loader.Options{Limits: limitsOf(c), AsOf: asOf(c)})
		return capture, source.paths, err
	}
	if len(arguments)+len(c.StringSlice("file")) > 0 {
		return nil, nil, usageError{message: "--demo reads the built-in capture, and a capture is named as well"}
	}
	e.stdin = bytes.NewReader(demo.Archive())
	capture, err = e.load(captureSource{paths: []string{"-"}}, talk, loader.Options{Limits: limitsOf(c), AsOf: asOf(c)})
	return capture, []string{"demo"}, err
}

// reportTarget is one file to write.
type reportTarget struct {
	format, path string // "-" is standard output
}

func reportTargets(c *cli.Context) ([]reportTarget, error) {
	var targets []reportTarget
	for _, path := range c.StringSlice("output") {
		format, err := formatOf(path, c.String("format"))
		if err != nil {
			return nil, err
		}
		targets = append(targets, reportTarget{format, path})
	}
	for _, pair := range c.StringSlice("out") {
		format, path, found := strings.Cut(pair, "=")
		if format == "md" {
			format = markdownReport
		}
		if !found || path == "" || !slices.Contains([]string{htmlReport, markdownReport, jsonReport}, format) {
			return nil, usageError{
				message: fmt.Sprintf("invalid value %q for flag --out: want FORMAT=FILE with the format html, markdown or json", pair),
				hint:    "such as --out html=report.html",
			}
		}
		targets = append(targets, reportTarget{format, path})
	}
	for i, t := range targets {
		if !slices.ContainsFunc(targets[:i], func(other reportTarget) bool { return filepath.Clean(other.path) == filepath.Clean(t.path) }) {
			continue
		}
		if t.path == "-" {
			return nil, usageError{message: "standard output (-) is named more than once, and holds one report"}
		}
		return nil, usageError{message: fmt.Sprintf("%s is named more than once, and holds one report", t.path)}
	}
	if len(targets) == 0 {
		return nil, usageError{message: "no output is named", hint: "-o report.html, -o ticket.md, or -o - for standard output"}
	}
	return targets, nil
}

// formatOf tells the format from a file's extension; standard output has none.
func formatOf(path, standard string) (string, error) {
	if path == "-" {
		return standard, nil
	}
	switch extension := strings.ToLower(filepath.Ext(path)); extension {
	case ".html", ".htm":
		return htmlReport, nil
	case ".md", ".markdown":
		return markdownReport, nil
	case ".json":
		return jsonReport, nil
	default:
		return "", usageError{
			message: fmt.Sprintf("the extension %q of %s tells no format: want .html, .md or .json", extension, path),
			hint:    "--out html=" + path + " writes HTML under any name",
		}
	}
}

func (t reportTarget) write(e env, d *report.Document, maxBytes int) error {
	var b bytes.Buffer
	var err error
	switch t.format {
	case htmlReport:
		err = report.HTML(&b, d, maxBytes)
	case markdownReport:
		err = report.Markdown(&b, d)
	default:
		err = writeJSON(&b, d)
	}
	if err != nil {
		return err
	}
	if t.path == "-" {
		return buffered(e.stdout, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err })
	}
	if err := os.WriteFile(t.path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
