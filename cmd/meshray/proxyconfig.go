package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
)

// The output formats of proxy-config. shortFormat is istioctl's word for the table.
const (
	tableFormat = "table"
	wideFormat  = "wide"
	shortFormat = "short"
	jsonFormat  = "json"
	yamlFormat  = "yaml"
	nameFormat  = "name"
)

func proxyConfigCommand(e env) *cli.Command {
	command := &cli.Command{
		Name:    "proxy-config",
		Aliases: []string{"pc"},
		Usage:   "show what a proxy has: clusters, listeners, routes, endpoints, secrets, bootstrap",
		Description: "The commands, filters and columns are istioctl's; -o wide shows more. PROXY is a name, NAME.NAMESPACE\n" +
			"or an unambiguous prefix, and needed only if the capture has several.\n\n" +
			"Examples:\n" +
			"   meshray proxy-config cluster productpage -f bug-report.tar.gz --fqdn reviews\n" +
			"   meshray pc listener -f config_dump.json --port 15001 -o json\n" +
			"   meshray pc route productpage.default -f capture/ --name 9080 -o wide",
	}
	for _, view := range proxyConfigViews() {
		command.Subcommands = append(command.Subcommands, view.command(e))
	}
	return command
}

// configView is one subcommand of proxy-config.
type configView struct {
	name    string
	aliases []string
	usage   string
	// kind is what a dump must have; empty where the view finds out itself.
	kind mesh.ResourceKind
	// filters are the flags that narrow the result, options all others.
	filters, options []cli.Flag
	// formats are the output formats, the default first.
	formats []string
	answer  func(q query) (*answer, error)
}

func proxyConfigViews() []configView {
	return []configView{
		allView(), clusterView(), listenerView(), routeView(), endpointView(), edsView(),
		secretView(), bootstrapView(), extensionView(), logView(),
	}
}

// query is what was asked of a view.
type query struct {
	*cli.Context
	proxy   *mesh.Proxy
	capture *mesh.Capture
	style   tableStyle
	format  string
}

func (q query) wide() bool { return q.format == wideFormat }

// answer is what a view found.
type answer struct {
	tables    []configTable
	documents documents
	// what names the things found, shown counts those that the filters let through, of total.
	what         string
	shown, total int
	notes        []string
}

func (v configView) command(e env) *cli.Command {
	flags := slices.Concat(openFlags(), v.filters, v.options, []cli.Flag{outputFlag(v.formats...), styleFlag(), apiFlag()}, displayFlags())
	return &cli.Command{
		Name: v.name, Aliases: v.aliases, Usage: v.usage, ArgsUsage: "[PROXY]", Flags: flags,
		Action: func(c *cli.Context) error { return v.run(c, e) },
	}
}

func (v configView) run(c *cli.Context, e env) error {
	if c.NArg() > 1 {
		return usageError{message: fmt.Sprintf("want one proxy, got %d: %s", c.NArg(), strings.Join(c.Args().Slice(), " ")),
			hint: "the capture is named with --file"}
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	return v.show(c, e, talk, capture)
}

func (v configView) show(c *cli.Context, e env, talk *conversation, capture *mesh.Capture) error {
	p, err := findProxy(c, capture, c.Args().First())
	if err != nil {
		return err
	}
	if err := v.answerable(p); err != nil {
		return err
	}
	q := query{Context: c, proxy: p, capture: capture, style: styleOf(c), format: c.String("output")}
	found, err := v.answer(q)
	if err != nil {
		return err
	}
	err = e.page(c.Bool("no-pager"), func(w io.Writer) error { return found.write(w, q, e.colored(c.String("color"))) })
	if err != nil {
		return err
	}
	for _, note := range append(found.notes, v.filterNotes(q, found)...) {
		talk.note("%s", note)
	}
	return nil
}

// findProxy returns the proxy of the capture that a name on the command line means, within --namespace.
func findProxy(c *cli.Context, capture *mesh.Capture, name string) (*mesh.Proxy, error) {
	return capture.FindProxy(podName(name), c.String("namespace"))
}

// podName drops the type that istioctl takes before a name: pod/productpage-v1-1. The label of a
// proxy that was captured several times may hold a slash, too.
func podName(argument string) string {
	if kind, name, found := strings.Cut(argument, "/"); found && !strings.Contains(kind, " ") {
		return name
	}
	return argument
}

// answerable says what to do about a proxy that the capture has, but not this of it.
func (v configView) answerable(p *mesh.Proxy) error {
	switch {
	case p.Kind == mesh.Ztunnel:
		return usageError{message: fmt.Sprintf("%s is a ztunnel, which has no %s", p.Key(), v.name), hint: "see 'meshray ztunnel-config --help'"}
	case v.kind == mesh.Bootstrap && p.Has(v.kind) && p.Bootstrap == nil:
		return fmt.Errorf("the config_dump of %s has %s; this captures a whole one: %s", p.Key(), lostBootstrap(p), mesh.DumpCommand(p))
	case v.kind == "" || p.Has(v.kind):
		return nil
	case len(p.Sections) == 0:
		return fmt.Errorf("the capture has no config_dump of %s; this captures it: %s", p.Key(), mesh.DumpCommand(p))
	}
	return fmt.Errorf("the config_dump of %s has no %s section; this captures a whole one: %s", p.Key(), v.kind, mesh.DumpCommand(p))
}

// filterNotes explains an empty table.
func (v configView) filterNotes(q query, found *answer) []string {
	var given []string
	for _, flag := range v.filters {
		if name := flag.Names()[0]; q.IsSet(name) {
			given = append(given, fmt.Sprintf("--%s %v", name, q.Value(name)))
		}
	}
	switch {
	case found.shown > 0 || found.what == "" || found.total > 0 && len(given) == 0:
		return nil
	case found.total == 0:
		return []string{fmt.Sprintf("%s has no %s", q.proxy.Key(), found.what)}
	}
	one := strings.TrimSuffix(found.what, "s")
	return []string{fmt.Sprintf("no %s matches %s (%s before filtering)", one, strings.Join(given, " "), plural(found.total, one, found.what))}
}

// write prints the answer in the format that was asked for.
func (a *answer) write(w io.Writer, q query, colored bool) error {
	switch q.format {
	case jsonFormat, yamlFormat:
		skipped, err := a.documents.write(w, q.format, q.String("api") == apiV3)
		a.notes = append(a.notes, skipped...)
		return err
	case nameFormat:
		return a.documents.writeNames(w)
	}
	for i, table := range a.tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := table.write(w, colored); err != nil {
			return err
		}
	}
	return nil
}
