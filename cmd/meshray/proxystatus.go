package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxystatus"
)

func proxyStatusCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "proxy-status",
		Aliases:   []string{"ps"},
		Usage:     "say what istiod sent to each proxy and what the proxy took of it",
		ArgsUsage: "[PROXY]",
		Description: "With a PROXY, prints how its configuration differs from what its istiod would send it,\n" +
			"and exits with 1 where it does.\n\n" +
			"Examples:\n" +
			"   meshray ps -f bug-report.tar.gz\n" +
			"   meshray ps -f bug-report.tar.gz -n shop -o wide\n" +
			"   meshray ps -f must-gather/ productpage-v1-6987489c74-t487s.bookinfo",
		Flags: append(append(openFlags(), statusStyleFlag(), outputFlag("table", "wide", "json", "yaml")), displayFlags()...),
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usageError{message: fmt.Sprintf("want one proxy at most, got %d", c.NArg())}
			}
			talk := e.conversation(c.Bool("quiet"))
			capture, err := openCapture(c, e, talk)
			if err != nil {
				return err
			}
			if c.NArg() == 1 {
				return printDrift(c, e, capture, talk)
			}
			return printStatus(c, e, capture, talk)
		},
	}
}

// statusStyleFlag is --style: the generation of istioctl whose columns are printed.
func statusStyleFlag() cli.Flag {
	var values []string
	for _, s := range proxystatus.Styles() {
		values = append(values, string(s))
	}
	return choiceFlag(&cli.StringFlag{
		Name: "style", Category: outputCategory, Usage: "print as the istioctl of `VERSION` does",
	}, values...)
}

// synczCommand captures what a table is made of.
const synczCommand = `kubectl exec -n istio-system deploy/istiod -- pilot-discovery request GET /debug/syncz > syncz.json`

func printStatus(c *cli.Context, e env, capture *mesh.Capture, talk *conversation) error {
	namespace := c.String("namespace")
	table := proxystatus.Of(capture, namespace)
	if err := emptyTable(table, namespace); err != nil {
		return err
	}
	if len(table.Istiods) == 0 {
		talk.note("no istiod's debug/syncz, debug/adsz or xDS ClientConfig is in the capture: sync states are not known. Save one of each istiod:\n%s", synczCommand)
	}
	switch c.String("output") {
	case "json", "yaml":
		doc, err := document(newStatusDocument(table))
		if err != nil {
			return err
		}
		if c.String("output") == "yaml" {
			return writeYAML(e.stdout, doc)
		}
		return writeJSON(e.stdout, doc)
	}
	style := proxystatus.Style(c.String("style"))
	unlisted := 0
	for i := range table.Rows {
		if !style.Lists(&table.Rows[i]) {
			unlisted++
		}
	}
	if unlisted > 0 {
		talk.note("without --style the table has %d more, of proxies whose sync state no istiod reports", unlisted)
	}
	cells := table.Cells(style)
	if c.String("output") == "wide" {
		cells = table.Wide()
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error {
		var paint painter
		if e.colored(c.String("color")) {
			paint = paintState
		}
		if err := writeTable(w, istioctlLayout(), cells, paint); err != nil {
			return err
		}
		if style != proxystatus.Default {
			return nil
		}
		return writeNotes(w, table.Notes())
	})
}

func emptyTable(table *proxystatus.Table, namespace string) error {
	switch {
	case len(table.Rows) > 0:
		return nil
	case namespace != "":
		return fmt.Errorf("no proxy in namespace %s: expected one with a config_dump, a pod, or an entry in debug/syncz", namespace)
	case len(table.Problems) > 0:
		return fmt.Errorf("no proxy to tell of: %s", strings.Join(table.Problems, "; "))
	}
	return usageError{
		message: "the capture has no proxy and no istiod that lists any: expected debug/syncz or a config_dump",
		hint:    "save it with: " + synczCommand,
	}
}

func writeNotes(w io.Writer, notes []string) error {
	for i, note := range notes {
		if i == 0 {
			note = "\n" + sanitize(note)
		} else {
			note = sanitize(note)
		}
		if _, err := fmt.Fprintln(w, note); err != nil {
			return err
		}
	}
	return nil
}

// paintState colours the cells that need attention.
func paintState(row, _ int, text string) style {
	word, _, _ := strings.Cut(text, " (")
	switch {
	case row == 0:
		return bold
	case word == string(proxystatus.Error):
		return red
	case word == string(proxystatus.Stale), word == string(proxystatus.NotSent), strings.HasPrefix(text, "<"):
		return yellow
	case word == string(proxystatus.Ignored), word == string(proxystatus.Unknown):
		return faint
	}
	return ""
}

// statusDocument is the JSON form of the table.
type statusDocument struct {
	AsOf       string             `json:"asOf,omitempty"`
	Istiods    []string           `json:"istiods"`
	Uncaptured []string           `json:"uncapturedIstiods"`
	Summary    proxystatus.Counts `json:"summary"`
	Proxies    []statusProxy      `json:"proxies"`
	Problems   []string           `json:"problems"`
}

type statusProxy struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace,omitempty"`
	Cluster   string            `json:"cluster,omitempty"`
	Istiod    string            `json:"istiod,omitempty"`
	ProxyType string            `json:"proxyType,omitempty"`
	Version   string            `json:"version,omitempty"`
	Link      proxystatus.Link  `json:"link"`
	State     proxystatus.State `json:"state"`
	Types     []statusType      `json:"types"`
}

type statusType struct {
	Type     string            `json:"type"`
	TypeURL  string            `json:"typeUrl,omitempty"`
	State    proxystatus.State `json:"state"`
	Reported proxystatus.State `json:"reportedByIstiod"`
	Sent     string            `json:"sent,omitempty"`
	Acked    string            `json:"acked,omitempty"`
	SentAt   string            `json:"sentAt,omitempty"`
	AckedAt  string            `json:"ackedAt,omitempty"`
	// AgeSeconds counts from SentAt to AsOf.
	AgeSeconds      *int64               `json:"ageSeconds,omitempty"`
	EndpointPercent *int                 `json:"endpointPercent,omitempty"`
	Reason          string               `json:"reason,omitempty"`
	Evidence        proxystatus.Evidence `json:"evidence,omitempty"`
}

func newStatusDocument(t *proxystatus.Table) statusDocument {
	doc := statusDocument{
		AsOf: timestamp(t.AsOf), Summary: t.Counts(), Proxies: []statusProxy{},
		Istiods: list(t.Istiods), Uncaptured: list(t.Uncaptured), Problems: list(t.Problems),
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		p := statusProxy{
			Name: r.Name, Namespace: r.Namespace, Cluster: r.Cluster, Istiod: r.Istiod,
			ProxyType: r.ProxyType, Version: r.Version(), Link: r.Link, State: r.State(),
		}
		for _, ts := range r.Types {
			p.Types = append(p.Types, newStatusType(ts))
		}
		doc.Proxies = append(doc.Proxies, p)
	}
	return doc
}

func newStatusType(ts proxystatus.TypeStatus) statusType {
	out := statusType{
		Type: ts.Type, TypeURL: ts.TypeURL, State: ts.State, Reported: ts.Reported, Sent: ts.Sent, Acked: ts.Acked,
		SentAt: timestamp(ts.SentAt), AckedAt: timestamp(ts.AckedAt), Reason: ts.Reason, Evidence: ts.Evidence,
	}
	if ts.Age >= 0 {
		seconds := int64(ts.Age / time.Second)
		out.AgeSeconds = &seconds
	}
	if ts.Percent >= 0 {
		out.EndpointPercent = &ts.Percent
	}
	return out
}

// timestamp is RFC 3339; empty for the zero time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// list writes nothing as [] instead of null.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}
