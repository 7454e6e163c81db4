package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/expect"
)

const testCategory = "Tests"

// The output formats of test beside text and json.
const (
	junitFormat  = "junit"
	githubFormat = "github"
)

func testCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "hold a capture to expectations: where requests go, and which routes are tested",
		ArgsUsage: "FILE...",
		Description: "A file of expectations is YAML or JSON:\n" +
			"   capture: bug-report.tar.gz   # relative to the file; -f beats it\n" +
			"   proxy: productpage           # for tests that name none\n" +
			"   tests:\n" +
			"   - name: everybody gets v1\n" +
			"     request: {url: \"http://reviews:9080/\"}\n" +
			"     expect: {cluster: outbound|9080|v1|reviews.default.svc.cluster.local}\n\n" +
			"Expected are verdict, listener, filter_chain, virtual_host, route, cluster, weights, endpoints,\n" +
			"status, flags, details, redirect, rewrite (path, authority) and denied. The test files of Envoy's\n" +
			"router_check_tool are read as they are; they need a route configuration.\n\n" +
			"Examples:\n" +
			"   meshray test routes.yaml -f bug-report.tar.gz\n" +
			"   meshray test routes.yaml --update\n" +
			"   meshray test tests.json --routes routes.yaml --fail-under 80\n" +
			"   meshray test tests.json -f config_dump.json --route-config 9080 --out junit=tests.xml",
		Flags:  slices.Concat(openFlags(), testFlags(), displayFlags()),
		Action: func(c *cli.Context) error { return runTests(c, e) },
	}
}

func testFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "proxy", Category: captureCategory, Usage: "ask `PROXY` where a test names none: its name, name.namespace, or a prefix that fits one"},
		&cli.StringFlag{Name: "routes", Category: testCategory, Usage: "the RouteConfiguration in `FILE`, YAML or JSON, for tests of router_check_tool"},
		&cli.StringFlag{Name: "route-config", Category: testCategory, Usage: "the proxy's route configuration `NAME`, for tests of router_check_tool (default: the only one)"},
		&cli.BoolFlag{Name: "coverage", Category: testCategory, DisableDefaultText: true, Usage: "say which routes no test goes through, of the route configurations that a test reaches"},
		&cli.Float64Flag{Name: "fail-under", Category: testCategory, DefaultText: "no limit", Usage: "exit with 1 where the tests go through less than `PERCENT` of the routes"},
		&cli.BoolFlag{Name: "update", Category: testCategory, DisableDefaultText: true, Usage: "write what the capture says today into the files as what is expected"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: outputCategory, DisableDefaultText: true, Usage: "show tests that passed or were skipped, too"},
		outFlag(testFormats()),
		outputFlag(testFormats()...),
	}
}

func testFormats() []string { return []string{textFormat, jsonFormat, junitFormat, githubFormat} }

func runTests(c *cli.Context, e env) error {
	files, err := outFiles(c, testFormats())
	if err != nil {
		return err
	}
	run, err := newTestRun(c, e)
	if err != nil {
		return err
	}
	for _, file := range c.Args().Slice() {
		if err := run.file(file); err != nil {
			return err
		}
	}
	err = writeOutFiles(files, func(w io.Writer, format string) error { return run.report().write(w, format, false) })
	if err != nil {
		return err
	}
	err = e.page(c.Bool("no-pager"), func(w io.Writer) error {
		return run.report().write(w, c.String("output"), e.colored(c.String("color")))
	})
	if err != nil {
		return err
	}
	if c.String("output") != textFormat {
		run.talk.note("%s", run.report().summary())
	}
	if run.report().failed() {
		return errFindings
	}
	return nil
}

// testRun is one run over test files.
type testRun struct {
	context *cli.Context
	env     env
	talk    *conversation

	captures map[string]*testedCapture // by the paths that name them
	table    *testedTable              // for tests of router_check_tool; nil until it is needed
	coverage expect.Coverage
	results  []testResult
	recorded int
}

func newTestRun(c *cli.Context, e env) (*testRun, error) {
	if c.NArg() == 0 {
		return nil, usageError{message: "no test file is named", hint: "'meshray test --help' shows what one looks like"}
	}
	if limit := c.Float64("fail-under"); !(limit >= 0 && limit <= 100) {
		return nil, usageError{message: fmt.Sprintf("invalid value \"%v\" for flag --fail-under: want a percentage from 0 to 100", limit)}
	}
	if c.IsSet("routes") && c.IsSet("route-config") {
		return nil, usageError{message: "--routes and --route-config both name a route configuration: name one"}
	}
	return &testRun{
		context: c, env: e, talk: e.conversation(c.Bool("quiet")),
		captures: map[string]*testedCapture{},
	}, nil
}

// file runs the tests of one file.
func (r *testRun) file(path string) error {
	data, name, err := r.read(path, "test file")
	if err != nil {
		return err
	}
	if expect.IsRouterCheck(data) {
		return r.routerFile(data, name)
	}
	return r.suiteFile(data, path, name)
}

// maxTestFile is more than any test file that expect reads, so that it can say so.
const maxTestFile = 17 << 20

// read reads a whole file; what names it in errors.
func (r *testRun) read(path, what string) (data []byte, name string, err error) {
	in, name, err := r.env.open(path)
	if err != nil {
		return nil, "", fmt.Errorf("opening the %s: %w", what, err)
	}
	defer in.Close()
	data, err = io.ReadAll(io.LimitReader(in, maxTestFile))
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", name, err)
	}
	return data, name, nil
}

// report is what there is to say about the run.
func (r *testRun) report() *testReport {
	report := &testReport{results: r.results, recorded: r.recorded, verbose: r.context.Bool("verbose")}
	if r.context.Bool("coverage") || r.context.IsSet("fail-under") {
		report.coverage, report.failUnder = &r.coverage, r.context.Float64("fail-under")
		report.listsMissed = r.context.Bool("coverage")
	}
	return report
}
