package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/authz"
	"github.com/meshray/meshray/analyze/mesh"
)

// istioctlStyle is the value of --style for istioctl's own table of policies.
const istioctlStyle = "istioctl"

func authzCommand(e env) *cli.Command {
	return &cli.Command{
		Name:        "authz",
		Usage:       "say who may call a workload",
		Subcommands: []*cli.Command{authzCheckCommand(e)},
	}
}

func authzCheckCommand(e env) *cli.Command {
	style := choiceFlag(&cli.StringFlag{
		Name: "style", Category: outputCategory, Usage: "print as istioctl does, which skips default filter chains and counts empty filters, or all by `STYLE`",
	}, "default", istioctlStyle)
	flags := append(openFlags(), requestFlags()...)
	return &cli.Command{
		Name:      "check",
		Usage:     "list the policies in force at a proxy, or decide a request by them",
		ArgsUsage: "[PROXY] [URL]",
		Description: "Lists AuthorizationPolicies and JWT requirements as the proxy has them; -o wide says in words what\n" +
			"each rule demands, and where. With a URL, says whether the request is let in and by which policy: it goes\n" +
			"through the real listener and filter chain, at a sidecar the inbound one. Without --source-principal it\n" +
			"is cleartext. Exits with 1 where the request is denied or refused.\n\n" +
			"Examples:\n" +
			"   meshray authz check reviews-v1 -f bug-report.tar.gz -o wide\n" +
			"   meshray authz check reviews-v1 http://reviews:9080/ -X DELETE --source-principal spiffe://cluster.local/ns/default/sa/web",
		Flags:  append(append(flags, outputFlag(tableFormat, wideFormat, jsonFormat, yamlFormat), style), displayFlags()...),
		Action: func(c *cli.Context) error { return checkAuthz(c, e) },
	}
}

func checkAuthz(c *cli.Context, e env) error {
	name, target, err := authzArguments(c)
	if err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	p, err := findProxy(c, capture, name)
	if err != nil {
		return err
	}
	if err := (configView{name: "filters", kind: mesh.Listener}).answerable(p); err != nil {
		return err
	}
	if target != "" {
		return decideAuthz(c, e, talk, capture, p, target)
	}
	return listAuthz(c, e, talk, capture, p)
}

// authzArguments takes the arguments apart. A single one is a proxy unless it is a URL.
func authzArguments(c *cli.Context) (proxy, target string, err error) {
	first := c.Args().First()
	switch {
	case c.NArg() > 2:
		return "", "", usageError{message: fmt.Sprintf("want a proxy and a URL at most, got %d arguments: %s", c.NArg(), strings.Join(c.Args().Slice(), " ")),
			hint: "the capture is named with --file"}
	case c.NArg() == 1 && strings.Contains(first, "://"):
		return "", first, nil
	}
	return first, c.Args().Get(1), nil
}

func listAuthz(c *cli.Context, e env, talk *conversation, capture *mesh.Capture, p *mesh.Proxy) error {
	check := authz.Of(capture, p)
	for _, problem := range check.Problems {
		talk.note("%s", problem)
	}
	if format := c.String("output"); format == jsonFormat || format == yamlFormat {
		return writeAuthzDocument(e.stdout, format, newAuthzDocument(p, check))
	}
	if c.String("style") == istioctlStyle {
		return e.page(c.Bool("no-pager"), func(w io.Writer) error {
			return writeAuthzTable(w, istioctlPolicies(p), e.colored(c.String("color")))
		})
	}
	if len(check.Policies) == 0 {
		talk.note("%s has no policy: every request passes that its filter chains take", p.Key())
	}
	tables := [][][]string{policyCells(check), tokenCells(check, false)}
	if c.String("output") == wideFormat {
		tables = [][][]string{ruleCells(check), tokenCells(check, true)}
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		return writeAuthzTables(w, tables, e.colored(c.String("color")))
	})
}

func writeAuthzDocument(w io.Writer, format string, v any) error {
	doc, err := document(v)
	if err != nil {
		return err
	}
	if format == yamlFormat {
		return writeYAML(w, doc)
	}
	return writeJSON(w, doc)
}
