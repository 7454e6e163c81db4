package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// allFromMode is trace --all-from: what one proxy can reach.
type allFromMode struct{}

func (allFromMode) run(c *cli.Context, e env) error {
	if err := reachUsage(c, "all-from"); err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	p, err := findProxy(c, capture, c.String("all-from"))
	if err != nil {
		return err
	}
	reached := trace.New(capture).Reach(p, trace.Options{})
	if len(reached) == 0 {
		return noTargets(p)
	}
	if len(reached) == trace.MaxTargets {
		talk.note("%s knows more than %d destinations: the others are left out", p.Key(), trace.MaxTargets)
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		t := reachTable{w: w, wide: c.String("output") == wideFormat, colored: e.colored(c.String("color"))}
		return writeReach(w, c, newReachDocument(p, reached), func() error { return t.matrix(p, reached) })
	})
}

// noTargets says why there is nothing to ask a proxy for.
func noTargets(p *mesh.Proxy) error {
	switch {
	case p.Kind == mesh.Waypoint:
		return usageError{
			message: fmt.Sprintf("%s is a waypoint: it names no destination that clients connect to, they come by the tunnels of their own proxies", p.Key()),
			hint:    "ask for a host that it serves: meshray trace --to HOST",
		}
	case len(p.Listeners) == 0:
		return fmt.Errorf("the capture has no listeners of %s: expected a config_dump that has them", p.Key())
	}
	return fmt.Errorf("no listener of %s leads anywhere: expected one with an HTTP connection manager or a TCP proxy", p.Key())
}

// toMode is trace --to: who reaches a host.
type toMode struct{}

func (toMode) run(c *cli.Context, e env) error {
	if err := reachUsage(c, "to"); err != nil {
		return err
	}
	host := c.String("to")
	if host == "" || strings.ContainsAny(host, "/ ") {
		return usageError{message: fmt.Sprintf("invalid value %q for flag --to: want HOST or HOST:PORT, as in reviews:9080", host)}
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	destinations := trace.New(capture).To(host, trace.Options{})
	destinations = clientsIn(destinations, c.String("namespace"))
	if len(destinations) == 0 {
		return fmt.Errorf("no proxy of the capture is a client that could reach %s: expected a sidecar or gateway with its listeners", host)
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		t := reachTable{w: w, wide: c.String("output") == wideFormat, colored: e.colored(c.String("color"))}
		return writeReach(w, c, newReachFromDocument(host, destinations), func() error { return t.clients(destinations) })
	})
}

// clientsIn leaves the clients of one namespace, and the destinations that have any.
func clientsIn(destinations []trace.Destination, namespace string) []trace.Destination {
	var out []trace.Destination
	for _, d := range destinations {
		var from []trace.ReachedFrom
		for _, f := range d.From {
			if namespace == "" || f.Namespace == namespace {
				from = append(from, f)
			}
		}
		if d.From = from; len(from) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// reachUsage refuses what describes a single request, and formats of a single trace.
func reachUsage(c *cli.Context, mode string) error {
	if c.NArg() > 0 {
		return usageError{message: fmt.Sprintf("--%s asks with requests of its own, got also: %s", mode, strings.Join(c.Args().Slice(), " "))}
	}
	for _, flag := range requestFlags() {
		if name := flag.Names()[0]; c.IsSet(name) {
			return usageError{message: fmt.Sprintf("--%s describes one request, and --%s asks with its own", name, mode), hint: "trace that one request: meshray trace PROXY URL"}
		}
	}
	if c.Bool("why") {
		return usageError{message: fmt.Sprintf("--why is for one request, and --%s asks many", mode), hint: "trace one of them: meshray trace PROXY URL --why"}
	}
	switch format := c.String("output"); format {
	case textFormat, wideFormat, jsonFormat, yamlFormat:
		return nil
	default:
		return usageError{message: fmt.Sprintf("--%s has no output format %s: want text, wide, json or yaml", mode, format)}
	}
}

// writeReach prints a document, or by table what is for people.
func writeReach(w io.Writer, c *cli.Context, doc any, table func() error) error {
	switch c.String("output") {
	case jsonFormat:
		return writeDocument(w, doc)
	case yamlFormat:
		raw, err := document(doc)
		if err != nil {
			return err
		}
		return writeYAML(w, raw)
	}
	return table()
}
