package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

func (d info) write(w io.Writer, wide bool) error {
	read := 0
	for _, in := range d.Inputs {
		if in.Fate == mesh.FateRead {
			read++
		}
	}
	fmt.Fprintf(w, "%s in %s: %d read, %d not\n", plural(len(d.Proxies), "proxy", "proxies"), plural(len(d.Inputs), "file", "files"), read, len(d.Inputs)-read)
	if d.AsOf != "" {
		fmt.Fprintf(w, "The newest moment that it knows of: %s\n", d.AsOf)
	}
	for _, part := range []func(io.Writer, bool) error{d.writeCaptures, d.writeControlPlanes, d.writeProxies, d.writeInputs, d.writeProblems, d.writeMissing} {
		if err := part(w, wide); err != nil {
			return err
		}
	}
	return nil
}

// writeCaptures lists what was opened where that is more than one.
func (d info) writeCaptures(w io.Writer, _ bool) error {
	if len(d.Captures) < 2 {
		return nil
	}
	rows := [][]string{{"CAPTURE", "AS OF", "PROXIES", "CONTROL PLANES", "FILES"}}
	for _, c := range d.Captures {
		rows = append(rows, []string{c.Name, dash(c.AsOf), strconv.Itoa(c.Proxies), strconv.Itoa(c.ControlPlanes), strconv.Itoa(c.Files)})
	}
	return section(w, rows)
}

func (d info) writeControlPlanes(w io.Writer, _ bool) error {
	if len(d.ControlPlanes) == 0 {
		return nil
	}
	rows := [][]string{{"CONTROL PLANE", "NAMESPACE", "REVISION", "VERSION", "PROXIES", "FILES"}}
	for _, cp := range d.ControlPlanes {
		rows = append(rows, []string{cp.Name, dash(cp.Namespace), dash(cp.Revision), dash(cp.Version), strconv.Itoa(cp.Proxies), strconv.Itoa(cp.Files)})
	}
	return section(w, rows)
}

func (d info) writeProxies(w io.Writer, wide bool) error {
	if len(d.Proxies) == 0 {
		return nil
	}
	header := []string{"PROXY", "NAMESPACE", "KIND", "ISTIO", "ENVOY", "CAPTURED", "CLUSTERS", "LISTENERS", "ROUTES", "ENDPOINTS", "SECRETS", "NOT ACTIVE"}
	if wide {
		header = append(header, "NODE ID", "FILES")
	}
	rows := [][]string{header}
	for _, p := range d.Proxies {
		name := p.Name
		if p.Label != "" {
			name += " (" + p.Label + ")"
		}
		row := []string{name, dash(p.Namespace), string(p.Kind), dash(p.IstioVersion), dash(p.EnvoyVersion), dash(p.Captured)}
		for _, kind := range countedKinds {
			n, ok := p.Resources[kind]
			row = append(row, map[bool]string{true: strconv.Itoa(n), false: "-"}[ok])
		}
		row = append(row, dash(notActive(p.NotActive)))
		if wide {
			row = append(row, dash(p.ID), strings.Join(p.Files, " "))
		}
		rows = append(rows, row)
	}
	return section(w, rows)
}

// notActive is like "2 listeners rejected, 1 cluster warming".
func notActive(states map[mesh.State]map[mesh.ResourceKind]int) string {
	var parts []string
	for _, state := range []mesh.State{mesh.Rejected, mesh.Warming, mesh.Draining} {
		for _, kind := range append(countedKinds, mesh.ScopedRoute, mesh.Extension) {
			if n := states[state][kind]; n > 0 {
				parts = append(parts, fmt.Sprintf("%s %s", plural(n, string(kind), string(kind)+"s"), state))
			}
		}
	}
	return strings.Join(parts, ", ")
}

// writeInputs lists what was not read, but for what was read in another form; with wide
// every file.
func (d info) writeInputs(w io.Writer, wide bool) error {
	rows := [][]string{{"FILE", "SIZE", "KIND", "FATE", "WHY"}}
	forms := 0
	for _, in := range d.Inputs {
		switch {
		case wide || in.Fate != mesh.FateRead && !in.elsewhere:
			rows = append(rows, []string{in.Path, strconv.FormatInt(in.Size, 10), string(in.Kind), string(in.Fate), dash(cmp.Or(in.Reason, in.Owner))})
		case in.elsewhere:
			forms++
		}
	}
	if len(rows) > 1 {
		if err := section(w, rows); err != nil {
			return err
		}
	}
	if forms > 0 {
		fmt.Fprintf(w, "\n%s ignored, as another of the kind was taken: -o wide lists them\n", plural(forms, "file was", "files were"))
	}
	return nil
}

func (d info) writeProblems(w io.Writer, _ bool) error {
	for i, p := range d.Problems {
		if i == 0 {
			fmt.Fprintln(w, "\nPROBLEMS")
		}
		place := p.File
		if p.Line > 0 {
			place += ":" + strconv.Itoa(p.Line)
		}
		fmt.Fprintf(w, "%s: %s\n", sanitize(place), sanitize(p.Message))
	}
	return nil
}

func (d info) writeMissing(w io.Writer, _ bool) error {
	for i, g := range d.Missing {
		if i == 0 {
			fmt.Fprintln(w, "\nMISSING")
		}
		of := ""
		if n := len(g.Proxies); n == 1 {
			of = " of " + g.Proxies[0]
		} else if n > 1 {
			of = fmt.Sprintf(" of %d proxies", n)
		}
		fmt.Fprintf(w, "%s%s: %s\n  %s\n", sanitize(g.What), sanitize(of), sanitize(g.Why), sanitize(g.Command))
	}
	return nil
}

func section(w io.Writer, rows [][]string) error {
	fmt.Fprintln(w)
	return writeTable(w, layout{padding: 2}, rows, nil)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func dash(text string) string { return cmp.Or(text, "-") }
