package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader"
)

func useCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "use",
		Usage:     "remember a capture for the commands that name none",
		ArgsUsage: "[CAPTURE...]",
		Description: `Without a capture, prints the one that is remembered. A capture named with -f or in
` + captureVariable + ` comes before it. It is kept in $XDG_STATE_HOME/meshray, or else ~/.local/state/meshray.`,
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "clear", Usage: "forget the remembered capture", DisableDefaultText: true},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputCategory, Usage: "no notes on standard error", DisableDefaultText: true},
		}, limitFlags()...),
		Action: func(c *cli.Context) error {
			talk := e.conversation(c.Bool("quiet"))
			switch {
			case c.Bool("clear") && c.NArg() > 0:
				return usageError{message: "--clear forgets the capture, and one to remember is named", hint: "leave one of them out"}
			case c.Bool("clear"):
				return e.forget()
			case c.NArg() == 0:
				return e.showRemembered(talk)
			}
			return e.use(talk, c.Args().Slice(), loader.Options{Limits: limitsOf(c)})
		},
	}
}

// use opens a capture, so that what is remembered is known to be one, and says what it is.
func (e env) use(talk *conversation, arguments []string, opts loader.Options) error {
	source, err := captureFrom(e, arguments, nil)
	if err != nil {
		return err
	}
	for i, path := range source.paths {
		if path == "-" {
			return usageError{message: "standard input (-) cannot be remembered", hint: "save it to a file first"}
		}
		if source.paths[i], err = filepath.Abs(path); err != nil {
			return fmt.Errorf("finding the absolute path of %s: %w", path, err)
		}
	}
	stamp := captureStamp(source.paths)
	capture, err := e.load(source, talk, opts)
	if err != nil {
		return err
	}
	if len(capture.Proxies)+len(capture.ControlPlanes)+len(capture.Objects) == 0 {
		return fmt.Errorf("nothing in it is known: expected a config_dump, a bug-report or another capture; `meshray info %s` lists its files", arguments[0])
	}
	if err := e.remember(source.paths); err != nil {
		return err
	}
	if stamp != "" {
		if err := e.writeNames(stamp, capture); err != nil {
			return err
		}
	}
	e.noteVariable(talk)
	_, err = fmt.Fprintln(e.stdout, sanitize(summary(capture)))
	return err
}

// showRemembered prints the paths and, where they are as they were, what is there.
func (e env) showRemembered(talk *conversation) error {
	paths, err := e.remembered()
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return usageError{message: "no capture is remembered", hint: "remember one with `meshray use CAPTURE`"}
	}
	if err := writeLines(e.stdout, paths); err != nil {
		return err
	}
	e.noteVariable(talk)
	stamp := captureStamp(paths)
	cache, err := e.readNames()
	switch {
	case stamp == "":
		talk.note("it can no longer be read: was it moved? `meshray use CAPTURE` remembers another")
	case err != nil || cache.Stamp != stamp:
		talk.note("it was changed since it was last read")
	default:
		return writeLines(e.stdout, []string{cache.Summary})
	}
	return nil
}

func (e env) noteVariable(talk *conversation) {
	if path := e.getenv(captureVariable); path != "" {
		talk.note("%s=%s is set and comes before the remembered capture", captureVariable, path)
	}
}

// summary says in one line what a capture is: "istioctl bug-report: 3 proxies, 1 istiod, Istio
// 1.25.0, Envoy 1.33.0, as of 2026-01-31T12:00:00Z".
func summary(capture *mesh.Capture) string {
	parts := []string{plural(len(capture.Proxies), "proxy", "proxies")}
	if n := len(capture.ControlPlanes); n > 0 {
		parts = append(parts, plural(n, "istiod", "istiods"))
	}
	var istio, envoy []string
	for _, cp := range capture.ControlPlanes {
		istio = append(istio, cp.Version)
	}
	for _, p := range capture.Proxies {
		istio, envoy = append(istio, p.IstioVersion), append(envoy, p.EnvoyVersion)
	}
	parts = append(parts, versions("Istio", istio), versions("Envoy", envoy))
	if capture.AsOf.IsZero() {
		parts = append(parts, "of an unknown time")
	} else {
		parts = append(parts, "as of "+capture.AsOf.UTC().Format(time.RFC3339))
	}
	return captureKind(capture) + ": " + joinNonEmpty(", ", parts...)
}

// versions lists the few versions of a capture, "" if none is known.
func versions(of string, all []string) string {
	const most = 4
	all = slices.DeleteFunc(all, func(version string) bool { return version == "" })
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		return ""
	}
	text := of + " " + strings.Join(all[:min(len(all), most)], " and ")
	if len(all) > most {
		text += fmt.Sprintf(" and %d more", len(all)-most)
	}
	return text
}

// captureKind tells by the layout of the files who wrote them.
func captureKind(capture *mesh.Capture) string {
	bugReport := regexp.MustCompile(`(^|/)(bug-report/|proxies/[^/]+/[^/]+/)`)
	mustGather := regexp.MustCompile(`(^|/)namespaces/[^/]+/pods/[^/]+/`)
	for _, in := range capture.Inputs {
		switch {
		case bugReport.MatchString(in.Path):
			return "istioctl bug-report"
		case mustGather.MatchString(in.Path):
			return "must-gather"
		}
	}
	if len(capture.Inputs) == 1 {
		return string(capture.Inputs[0].Kind)
	}
	return plural(len(capture.Inputs), "file", "files")
}
