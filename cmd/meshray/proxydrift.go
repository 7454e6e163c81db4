package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/drift"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
)

// driftKind is a part of the configuration that both sides have.
type driftKind struct {
	kind  mesh.ResourceKind
	title string
}

// driftKinds are the parts that are compared. istioctl knows the first three.
func driftKinds(style proxystatus.Style) []driftKind {
	kinds := []driftKind{{mesh.Cluster, "Clusters"}, {mesh.Listener, "Listeners"}, {mesh.Route, "Routes"}, {mesh.Endpoint, "Endpoints"}}
	if style != proxystatus.Default {
		return kinds[:3]
	}
	return kinds
}

func printDrift(c *cli.Context, e env, capture *mesh.Capture, talk *conversation) error {
	p, err := driftProxy(capture, podName(c.Args().First()), c.String("namespace"))
	if err != nil {
		return err
	}
	style := proxystatus.Style(c.String("style"))
	d := proxyDrift{proxy: p, style: style, color: e.colored(c.String("color"))}
	compared := false
	for _, k := range driftKinds(style) {
		comparison := drift.Compare(p.Pilot, &p.Config, k.kind)
		compared = compared || comparison.Verdict != drift.Missing
		d.parts = append(d.parts, driftPart{k, comparison})
		for _, problem := range comparison.Problems {
			talk.note("%v; compared as captured", problem)
		}
	}
	if !compared {
		return usageError{
			message: fmt.Sprintf("nothing of %s can be compared: %s", p.Key(), d.parts[0].Missing),
			hint:    "save it with: " + envoyCommand(p.Name, p.Namespace),
		}
	}
	switch format := c.String("output"); format {
	case "json", "yaml":
		doc, err := document(d.document())
		if err != nil {
			return err
		}
		write := writeJSON
		if format == "yaml" {
			write = writeYAML
		}
		if err := write(e.stdout, doc); err != nil {
			return err
		}
		return d.verdict()
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		if err := d.write(w); err != nil {
			return err
		}
		return d.verdict()
	})
}

// driftProxy finds the proxy and makes sure that there is something to compare.
func driftProxy(capture *mesh.Capture, name, namespace string) (*mesh.Proxy, error) {
	p, err := capture.FindProxy(name, namespace)
	var several *mesh.ProxyError
	if errors.As(err, &several) && len(several.Fits) > 1 {
		return nil, err
	}
	if err != nil {
		table := proxystatus.Of(capture, namespace)
		for i := range table.Rows {
			r := &table.Rows[i]
			if r.Link == proxystatus.SyncKnown && (r.Name == name || r.Proxy() == name) {
				return nil, usageError{
					message: fmt.Sprintf("%s is connected to %s, but the capture has no config_dump of it", r.Proxy(), r.Istiod),
					hint:    "save it with: " + envoyCommand(r.Name, r.Namespace),
				}
			}
		}
		return nil, err
	}
	switch {
	case p.Kind == mesh.Ztunnel:
		return nil, usageError{
			message: fmt.Sprintf("no difference to show for %s: a ztunnel takes workloads, services and policies, which istiod's config_dump does not have", p.Key()),
			hint:    "'meshray ztunnel-config all' shows what it has",
		}
	case p.Pilot == nil:
		return nil, usageError{
			message: fmt.Sprintf("the capture does not have istiod's view of %s to compare with", p.Key()),
			hint:    "save it with: " + pilotCommand(p),
		}
	}
	return p, nil
}

// pilotCommand captures istiod's view of the proxy.
func pilotCommand(p *mesh.Proxy) string {
	id := p.Name
	if p.Namespace != "" {
		id += "." + p.Namespace
	}
	return fmt.Sprintf(`kubectl exec -n istio-system deploy/istiod -- pilot-discovery request GET "/debug/config_dump?proxyID=%s&include_eds"`, id)
}

// envoyCommand captures the proxy's own dump.
func envoyCommand(name, namespace string) string {
	if namespace != "" {
		name = "-n " + namespace + " " + name
	}
	return fmt.Sprintf(`kubectl exec %s -c istio-proxy -- pilot-agent request GET "config_dump?include_eds"`, name)
}

// proxyDrift is how a proxy differs from what its istiod would send it.
type proxyDrift struct {
	proxy *mesh.Proxy
	style proxystatus.Style
	color bool
	parts []driftPart
}

type driftPart struct {
	driftKind
	*drift.Comparison
}

func (d *proxyDrift) verdict() error {
	for _, part := range d.parts {
		if part.Verdict == drift.Differ {
			return errFindings
		}
	}
	return nil
}

func (d *proxyDrift) write(w io.Writer) error {
	for _, part := range d.parts {
		var text strings.Builder
		d.describe(&text, part)
		for line := range strings.Lines(text.String()) {
			line = sanitize(strings.TrimSuffix(line, "\n"))
			if _, err := fmt.Fprintln(w, d.lineStyle(line).paint(line)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *proxyDrift) lineStyle(line string) style {
	switch {
	case !d.color || line == "":
		return ""
	case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		return bold
	case line[0] == '-':
		return red
	case line[0] == '+':
		return green
	case strings.HasPrefix(line, "@@"):
		return faint
	}
	return ""
}

func (d *proxyDrift) describe(out *strings.Builder, part driftPart) {
	loaded := ""
	if part.kind == mesh.Route && d.style != "1.0" {
		loaded = rdsLoaded(d.proxy)
	}
	switch part.Verdict {
	case drift.Missing:
		fmt.Fprintf(out, "%s not compared: %s\n", part.title, part.Missing)
	case drift.Same:
		if part.Compared == 0 && d.style == proxystatus.Default {
			loaded += ": neither side has any"
		}
		fmt.Fprintf(out, "%s Match%s\n", part.title, loaded)
	case drift.Differ:
		if d.style != "1.0" {
			fmt.Fprintf(out, "%s Don't Match%s%s\n", part.title, loaded, d.tally(part))
		}
		out.WriteString(part.Unified(d.labels(part.title)))
		if d.style != "1.0" {
			out.WriteString("\n")
		}
	}
	if d.style != proxystatus.Default {
		return
	}
	for _, line := range apartLines(part) {
		fmt.Fprintln(out, line)
	}
}

// namesInLine is how many resources of one state are named.
const namesInLine = 3

// apartLines tells of Envoy's resources that are not active: each that was
// refused, with the reason, and the others by state.
func apartLines(part driftPart) []string {
	var out []string
	byState := map[mesh.State][]string{}
	for _, r := range part.Apart {
		if r.Error != nil && r.Error.Details != "" {
			reason := strings.Join(strings.Fields(r.Error.Details), " ")
			out = append(out, fmt.Sprintf("%s not compared: %s is %s: %s", part.title, r.Name(), r.State, reason))
			continue
		}
		byState[r.State] = append(byState[r.State], r.Name())
	}
	for _, state := range slices.Sorted(maps.Keys(byState)) {
		names := byState[state]
		line := fmt.Sprintf("%s not compared: %d %s: %s", part.title, len(names), state, strings.Join(names[:min(len(names), namesInLine)], ", "))
		if more := len(names) - namesInLine; more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, line)
	}
	return out
}

// tally counts the kinds of change, where the style is not istioctl's.
func (d *proxyDrift) tally(part driftPart) string {
	if d.style != proxystatus.Default {
		return ""
	}
	count := map[string]int{}
	for _, change := range part.Changes {
		count[change.Which()]++
	}
	var parts []string
	for _, which := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[which], which))
	}
	return ": " + strings.Join(parts, ", ")
}

func (d *proxyDrift) labels(title string) drift.Labels {
	switch d.style {
	case "1.0", "1.1", "1.4":
		return drift.Labels{Pilot: "Pilot " + title, Envoy: "Envoy " + title, Indent: "   "}
	}
	return drift.Labels{Pilot: "Istiod " + title, Envoy: "Envoy " + title, Indent: "    "}
}

// rdsLoaded is when Envoy took its newest route configuration.
func rdsLoaded(p *mesh.Proxy) string {
	var newest time.Time
	for _, r := range p.Routes {
		if r.Origin == mesh.Dynamic && r.Updated.After(newest) {
			newest = r.Updated
		}
	}
	if newest.IsZero() {
		return ""
	}
	return fmt.Sprintf(" (RDS last loaded at %s)", newest.UTC().Format(time.RFC1123))
}
