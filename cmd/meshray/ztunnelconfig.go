package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
)

func ztunnelConfigCommand(e env) *cli.Command {
	return &cli.Command{
		Name:    "ztunnel-config",
		Aliases: []string{"zc"},
		Usage:   "show what a ztunnel has",
		Description: `A ztunnel is named as "name", "name.namespace" or by any prefix that fits only one. Where the
capture has several and none is named, tables show them all, one after the other.`,
		Subcommands: []*cli.Command{
			ztunnelCommand(e, ztunnelVerb{
				name: "workload", aliases: []string{"workloads", "w"}, usage: "the workloads it knows",
				flags: []cli.Flag{
					filterFlag("address", "only the workload with `IP`"),
					filterFlag("workload-namespace", "only workloads of `NAMESPACE`"),
					filterFlag("workload-node", "only workloads on `NODE`"),
				},
				section: workloadSection,
			}),
			ztunnelCommand(e, ztunnelVerb{
				name: "service", aliases: []string{"services", "svc", "s"}, usage: "the services it knows",
				flags:   []cli.Flag{filterFlag("service-namespace", "only services of `NAMESPACE`")},
				section: serviceSection,
			}),
			ztunnelCommand(e, ztunnelVerb{
				name: "policy", aliases: []string{"policies", "pol", "p"}, usage: "the authorization policies it enforces",
				flags:   []cli.Flag{filterFlag("policy-namespace", "only policies of `NAMESPACE`")},
				section: policySection,
			}),
			ztunnelCommand(e, ztunnelVerb{
				name: "certificate", aliases: []string{"certificates", "certs", "cert"}, usage: "the certificates it holds for its workloads",
				section: certificateSection,
			}),
			ztunnelCommand(e, ztunnelVerb{
				name: "connections", aliases: []string{"connection", "cons"}, usage: "the connections that are open",
				flags: []cli.Flag{
					filterFlag("workload-namespace", "only connections of workloads in `NAMESPACE`"),
					choiceFlag(&cli.StringFlag{Name: "direction", Usage: "only connections in `DIRECTION`"}, bothDirections, "inbound", "outbound"),
					&cli.BoolFlag{Name: "raw", Usage: "show IP addresses, not the names of services and workloads", DisableDefaultText: true},
				},
				section: connectionSection,
			}),
			ztunnelAllCommand(e),
		},
	}
}

func filterFlag(name, usage string) cli.Flag { return &cli.StringFlag{Name: name, Usage: usage} }

// ztunnelVerb is a subcommand that shows one section of a dump.
type ztunnelVerb struct {
	name    string
	aliases []string
	usage   string
	flags   []cli.Flag
	section func(c *cli.Context, capture *mesh.Capture, d *mesh.ZtunnelDump) (ztunnelSection, error)
}

func ztunnelFlags(flags []cli.Flag, formats ...string) []cli.Flag {
	flags = append(flags, filterFlag("node", "only the ztunnel of Kubernetes `NODE`"), outputFlag(formats...))
	return append(append(flags, openFlags()...), displayFlags()...)
}

func ztunnelCommand(e env, verb ztunnelVerb) *cli.Command {
	return &cli.Command{
		Name: verb.name, Aliases: verb.aliases, Usage: verb.usage, ArgsUsage: "[ZTUNNEL]",
		Flags: ztunnelFlags(verb.flags, "table", "wide", "json", "yaml", "name"),
		Action: func(c *cli.Context) error {
			return e.showZtunnels(c, func(capture *mesh.Capture, z ztunnel) (ztunnelOutput, error) {
				section, err := verb.section(c, capture, z.dump)
				return ztunnelOutput{sections: []ztunnelSection{section}, raw: section.raw}, err
			})
		},
	}
}

// ztunnelAllCommand shows all sections, each behind an empty line as istioctl does.
func ztunnelAllCommand(e env) *cli.Command {
	return &cli.Command{
		Name: "all", Usage: "everything it has", ArgsUsage: "[ZTUNNEL]",
		Flags: ztunnelFlags(nil, "table", "wide", "json", "yaml"),
		Action: func(c *cli.Context) error {
			return e.showZtunnels(c, func(capture *mesh.Capture, z ztunnel) (ztunnelOutput, error) {
				out := ztunnelOutput{spaced: true, raw: json.RawMessage(z.proxy.ZtunnelDump.Raw)}
				for _, section := range []func(*cli.Context, *mesh.Capture, *mesh.ZtunnelDump) (ztunnelSection, error){
					workloadSection, serviceSection, policySection, certificateSection, connectionSection,
				} {
					s, err := section(c, capture, z.dump)
					if err != nil {
						return ztunnelOutput{}, err
					}
					out.sections = append(out.sections, s)
				}
				return out, nil
			})
		},
	}
}

// ztunnel is a proxy with its dump, as far as that could be read.
type ztunnel struct {
	proxy *mesh.Proxy
	dump  *mesh.ZtunnelDump
	node  string
}

// ztunnelOutput is what a command shows of one ztunnel.
type ztunnelOutput struct {
	sections []ztunnelSection
	spaced   bool
	raw      any // the JSON as captured
}

func (e env) showZtunnels(c *cli.Context, show func(*mesh.Capture, ztunnel) (ztunnelOutput, error)) error {
	if c.NArg() > 1 {
		return usageError{message: fmt.Sprintf("want one ztunnel at most, got %d", c.NArg()), hint: "name the capture with -f"}
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	ztunnels, err := findZtunnels(capture, talk, podName(c.Args().First()), c.String("namespace"), c.String("node"))
	if err != nil {
		return err
	}
	format := c.String("output")
	if len(ztunnels) > 1 && format != "table" && format != "wide" {
		return usageError{
			message: fmt.Sprintf("-o %s shows one ztunnel and the capture has %d: %s", format, len(ztunnels), ztunnelNames(ztunnels)),
			hint:    "name one of them, or its node with --node",
		}
	}
	outputs := make([]ztunnelOutput, len(ztunnels))
	unknown := false
	for i, z := range ztunnels {
		if outputs[i], err = show(capture, z); err != nil {
			return err
		}
		for _, s := range outputs[i].sections {
			unknown = unknown || s.timeless
		}
	}
	if unknown && (format == "table" || format == "wide") {
		talk.note("the capture does not know when it was taken, so VALID CERT is unknown: give the time with --as-of")
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		switch format {
		case "json":
			return writeJSON(w, outputs[0].raw)
		case "yaml":
			return writeYAML(w, outputs[0].raw)
		case "name":
			return writeLines(w, outputs[0].sections[0].names)
		}
		return writeZtunnels(w, ztunnels, outputs, format == "wide", e.colored(c.String("color")))
	})
}

func writeLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, sanitize(line)); err != nil {
			return err
		}
	}
	return nil
}

// writeZtunnels writes the tables, and whose they are where there are several.
func writeZtunnels(w io.Writer, ztunnels []ztunnel, outputs []ztunnelOutput, wide, colored bool) error {
	for i, out := range outputs {
		if err := writeZtunnelHead(w, i, ztunnels); err != nil {
			return err
		}
		for _, section := range out.sections {
			if out.spaced {
				if _, err := fmt.Fprintln(w); err != nil {
					return err
				}
			}
			if err := section.write(w, wide, colored); err != nil {
				return err
			}
		}
	}
	return nil
}

func writeZtunnelHead(w io.Writer, i int, ztunnels []ztunnel) error {
	if len(ztunnels) == 1 {
		return nil
	}
	head := sanitize("# " + ztunnels[i].proxy.Key())
	if ztunnels[i].node != "" {
		head += sanitize(" on node " + ztunnels[i].node)
	}
	if i > 0 {
		head = "\n" + head
	}
	_, err := fmt.Fprintln(w, head)
	return err
}

// findZtunnels returns the ztunnel that name means, or all of the capture, those
// of the namespace and of the node where they are not empty.
func findZtunnels(capture *mesh.Capture, talk *conversation, name, namespace, node string) ([]ztunnel, error) {
	var proxies []*mesh.Proxy
	for _, p := range capture.Proxies {
		if p.ZtunnelDump != nil && (namespace == "" || p.Namespace == namespace) {
			proxies = append(proxies, p)
		}
	}
	if len(proxies) == 0 {
		return nil, fmt.Errorf("no ztunnel dump in the capture%s: "+
			"expected a ztunnel's config_dump, as in a bug-report or written by `istioctl ztunnel-config all POD -o json`", inNamespace(namespace))
	}
	if name != "" {
		p, err := (&mesh.Capture{Proxies: proxies}).FindProxy(name, namespace)
		if err != nil {
			return nil, err
		}
		proxies = []*mesh.Proxy{p}
	}
	return openZtunnels(proxies, talk, node)
}

func inNamespace(namespace string) string {
	if namespace == "" {
		return ""
	}
	return " for namespace " + namespace
}

func openZtunnels(proxies []*mesh.Proxy, talk *conversation, node string) ([]ztunnel, error) {
	var found []ztunnel
	var nodes []string
	for _, p := range proxies {
		dump, err := p.ZtunnelDump.Get()
		if err != nil {
			talk.note("%s: %v", p.ZtunnelDump.Source.File, err)
		}
		z := ztunnel{proxy: p, dump: dump, node: dump.NodeOf(p)}
		if node == "" || z.node == node {
			found = append(found, z)
			continue
		}
		if z.node != "" {
			nodes = append(nodes, z.node)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no ztunnel of node %q: the capture tells of %s", node, cmp.Or(strings.Join(nodes, ", "), "no ztunnel's node"))
	}
	return found, nil
}

func ztunnelNames(ztunnels []ztunnel) string {
	names := make([]string, len(ztunnels))
	for i, z := range ztunnels {
		names[i] = z.proxy.Key()
	}
	return strings.Join(names, ", ")
}
