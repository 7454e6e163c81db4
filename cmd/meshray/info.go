package main

import (
	"cmp"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
)

func infoCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "info",
		Usage:     "say what a capture holds, what is damaged, and what is missing",
		ArgsUsage: "CAPTURE...",
		Description: "Examples:\n" +
			"   meshray info bug-report.tar.gz\n" +
			"   meshray info -o json must-gather.local.123/ | jq '.inputs[] | select(.fate != \"read\")'",
		Flags: append(append(openFlags(), outputFlag("table", "wide", "json", "yaml")), displayFlags()...),
		Action: func(c *cli.Context) error {
			talk := e.conversation(true)
			capture, err := openCapture(c, e, talk, c.Args().Slice()...)
			if err != nil {
				return err
			}
			namespace := c.String("namespace")
			if err := inhabited(capture, namespace); err != nil {
				return err
			}
			if err := newInfo(capture, namespace).print(c, e); err != nil {
				return err
			}
			if !slices.ContainsFunc(capture.Inputs, func(in *mesh.Input) bool { return in.Fate != mesh.FateUnknown && in.Size > 0 }) {
				return errors.New("nothing in it could be read: expected a config_dump, a bug-report or another capture")
			}
			return nil
		},
	}
}

// info is the JSON form of `meshray info`.
type info struct {
	AsOf          string             `json:"asOf,omitempty"`
	Captures      []infoCapture      `json:"captures"`
	ControlPlanes []infoControlPlane `json:"controlPlanes"`
	Proxies       []infoProxy        `json:"proxies"`
	Inputs        []infoInput        `json:"inputs"`
	Problems      []infoProblem      `json:"problems"`
	Missing       []infoGap          `json:"missing"`
}

// infoCapture is one of the captures that were opened together: a path, or an
// archive in a folder.
type infoCapture struct {
	Name          string `json:"name"`
	AsOf          string `json:"asOf,omitempty"`
	Files         int    `json:"files"`
	Proxies       int    `json:"proxies"`
	ControlPlanes int    `json:"controlPlanes"`
}

type infoControlPlane struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Revision  string `json:"revision,omitempty"`
	Version   string `json:"version,omitempty"`
	Proxies   int    `json:"connectedProxies"`
	Files     int    `json:"files"`
}

type infoProxy struct {
	Name         string         `json:"name"`
	Namespace    string         `json:"namespace,omitempty"`
	Label        string         `json:"label,omitempty"`
	Kind         mesh.ProxyKind `json:"kind"`
	ID           string         `json:"id,omitempty"`
	IstioVersion string         `json:"istioVersion,omitempty"`
	EnvoyVersion string         `json:"envoyVersion,omitempty"`
	Captured     string         `json:"captured,omitempty"`
	// Resources counts active resources by kind; NotActive those in other states.
	Resources  map[mesh.ResourceKind]int                `json:"resources"`
	NotActive  map[mesh.State]map[mesh.ResourceKind]int `json:"notActive,omitempty"`
	IstiodView bool                                     `json:"istiodView"`
	Files      []string                                 `json:"files"`
}

type infoInput struct {
	Path   string        `json:"path"`
	Kind   mesh.FileKind `json:"kind"`
	Fate   mesh.Fate     `json:"fate"`
	Reason string        `json:"reason,omitempty"`
	Size   int64         `json:"size"`
	Owner  string        `json:"owner,omitempty"`
	// elsewhere is set where another file has it.
	elsewhere bool
}

type infoProblem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

type infoGap struct {
	What      string   `json:"what"`
	Why       string   `json:"why"`
	Essential bool     `json:"essential"`
	Proxies   []string `json:"proxies,omitempty"`
	Command   string   `json:"command"`
}

func (d info) print(c *cli.Context, e env) error {
	format := c.String("output")
	if format != "json" && format != "yaml" {
		return e.page(c.Bool("no-pager"), func(w io.Writer) error { return d.write(w, format == "wide") })
	}
	doc, err := document(d)
	if err != nil {
		return err
	}
	if format == "yaml" {
		return writeYAML(e.stdout, doc)
	}
	return writeJSON(e.stdout, doc)
}

// infoReads bounds what info reads for no other reason than to say what cannot be read.
const infoReads = 4 << 20

// inhabited says so where a namespace leaves no proxy of those that there are.
func inhabited(c *mesh.Capture, namespace string) error {
	if namespace == "" || len(c.InNamespace(namespace).Proxies) > 0 {
		return nil
	}
	have := map[string]bool{}
	for _, p := range c.Proxies {
		have[cmp.Or(p.Namespace, "none")] = true
	}
	return usageError{
		message: "the capture has no proxy in namespace " + namespace,
		hint:    "the namespaces that it has proxies of: " + cmp.Or(strings.Join(slices.Sorted(maps.Keys(have)), ", "), "none"),
	}
}

func newInfo(c *mesh.Capture, namespace string) info {
	doc := info{
		AsOf: stamp(c.AsOf), Captures: []infoCapture{}, ControlPlanes: []infoControlPlane{}, Proxies: []infoProxy{},
		Inputs: []infoInput{}, Problems: []infoProblem{}, Missing: []infoGap{},
	}
	for _, part := range c.Opened() {
		part = part.InNamespace(namespace)
		if len(part.Inputs) == 0 {
			continue
		}
		doc.Captures = append(doc.Captures, infoCapture{
			Name: part.Inputs[0].Capture, AsOf: stamp(part.AsOf), Files: len(part.Inputs), Proxies: len(part.Proxies), ControlPlanes: len(part.ControlPlanes),
		})
	}
	c = c.InNamespace(namespace)
	for _, cp := range c.ControlPlanes {
		statuses, _ := cp.Sync.Get()
		doc.ControlPlanes = append(doc.ControlPlanes, infoControlPlane{
			Name: cp.Name, Namespace: cp.Namespace, Revision: cp.Revision, Version: cp.Version, Proxies: len(statuses), Files: len(cp.Files),
		})
	}
	for _, p := range c.Proxies {
		doc.Proxies = append(doc.Proxies, newInfoProxy(p))
	}
	for _, in := range c.Inputs {
		doc.Inputs = append(doc.Inputs, infoInput{in.Path, in.Kind, in.Fate, in.Reason, in.Size, in.Owner, in.Instead != ""})
	}
	for _, p := range c.Problems {
		doc.Problems = append(doc.Problems, infoProblem{p.Source.File, p.Source.Line, p.Message})
	}
	for _, p := range c.Misread(infoReads) {
		doc.Problems = append(doc.Problems, infoProblem{p.Source.File, p.Source.Line, p.Message})
	}
	for _, g := range c.Gaps() {
		gap := infoGap{What: g.What, Why: g.Why, Essential: g.Essential, Command: g.Command}
		for _, p := range g.Proxies {
			gap.Proxies = append(gap.Proxies, p.Key())
		}
		doc.Missing = append(doc.Missing, gap)
	}
	return doc
}

// countedKinds are the resource kinds of the proxies table, in its order.
var countedKinds = []mesh.ResourceKind{mesh.Cluster, mesh.Listener, mesh.Route, mesh.Endpoint, mesh.Secret}

func newInfoProxy(p *mesh.Proxy) infoProxy {
	row := infoProxy{
		Name: p.Name, Namespace: p.Namespace, Label: p.Label, Kind: p.Kind, ID: p.ID,
		IstioVersion: p.IstioVersion, EnvoyVersion: p.EnvoyVersion, Captured: stamp(p.Captured),
		Resources: map[mesh.ResourceKind]int{}, IstiodView: p.Pilot != nil, Files: []string{},
	}
	for _, kind := range append([]mesh.ResourceKind{mesh.Bootstrap, mesh.ScopedRoute, mesh.Extension}, countedKinds...) {
		if p.Has(kind) {
			row.Resources[kind] = 0
		}
		for _, r := range p.Resources(kind) {
			if r.State == mesh.Active {
				row.Resources[kind]++
				continue
			}
			if row.NotActive == nil {
				row.NotActive = map[mesh.State]map[mesh.ResourceKind]int{}
			}
			if row.NotActive[r.State] == nil {
				row.NotActive[r.State] = map[mesh.ResourceKind]int{}
			}
			row.NotActive[r.State][kind]++
		}
	}
	for _, in := range p.Files {
		row.Files = append(row.Files, in.Path)
	}
	return row
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
