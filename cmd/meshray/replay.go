package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/replay/live"
)

const replayCategory = "Replay"

func replayCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "run a captured configuration with a local Envoy, every upstream being a stub",
		ArgsUsage: "[PROXY]",
		Description: "Writes a folder that an Envoy runs without a cluster, without iptables and without root; it binds and\n" +
			"connects to loopback only. Upstreams are stubs that answer what reached them; what else differs from the\n" +
			"capture is listed. A sidecar's listeners take the original destination from a PROXY protocol header.\n\n" +
			"Examples:\n" +
			"   meshray replay -f bug-report.tar.gz productpage -o productpage/\n" +
			"   meshray replay -f bug-report.tar.gz ingressgateway --run --envoy ./envoy\n" +
			"   meshray replay -f bug-report.tar.gz productpage --requests requests.jsonl > observed.jsonl",
		Flags: append(openFlags(), replayFlags()...),
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return usageError{message: fmt.Sprintf("want one proxy, got %d: %s", c.NArg(), strings.Join(c.Args().Slice(), " ")),
					hint: "the capture is named with --file"}
			}
			return runReplay(c, e)
		},
	}
}

func replayFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Category: outputCategory, Usage: "write the folder to `DIR`"},
		&cli.BoolFlag{Name: "force", Category: outputCategory, DisableDefaultText: true, Usage: "write to a folder that has files already"},
		&cli.BoolFlag{Name: "run", Category: replayCategory, DisableDefaultText: true, Usage: "run the stubs and an Envoy until interrupted"},
		&cli.BoolFlag{Name: "stubs", Category: replayCategory, DisableDefaultText: true, Usage: "run the stubs alone, for an Envoy that you start yourself"},
		&cli.StringFlag{Name: "requests", Category: replayCategory, Usage: "run, send the requests in `FILE`, a JSON object a line, and print them with what Envoy did; - for standard input"},
		&cli.StringFlag{Name: "envoy", Category: replayCategory, Usage: "run the Envoy at `PATH` (default: envoy in $PATH)"},
		&cli.StringFlag{Name: "address", Category: replayCategory, Value: "127.0.0.1", Usage: "listen at `IP`, an address on loopback"},
		&cli.BoolFlag{Name: "lua", Category: replayCategory, DisableDefaultText: true, Usage: "keep Lua code of the capture, which Envoy runs unconfined: only for a capture that you trust"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Category: outputCategory, DisableDefaultText: true, Usage: "no notes and no progress on standard error"},
	}
}

func runReplay(c *cli.Context, e env) error {
	mode, err := replayModeOf(c)
	if err != nil {
		return err
	}
	host, err := netip.ParseAddr(c.String("address"))
	if err != nil || !host.IsLoopback() {
		return usageError{message: fmt.Sprintf("invalid value %q for flag --address: want an address on loopback", c.String("address")), hint: "such as 127.0.0.1 or 127.0.0.2"}
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	p, err := findProxy(c, capture, c.Args().First())
	if err != nil {
		return err
	}
	folder, err := replay.Build(p, replay.Options{Host: host, Lua: c.Bool("lua")})
	if err != nil {
		return err
	}
	r := &replaying{context: c, env: e, talk: talk, proxy: p, folder: folder, dir: c.String("output")}
	if r.dir != "" {
		err := live.Write(folder, r.dir, c.Bool("force"))
		if errors.Is(err, live.ErrNotEmpty) {
			return usageError{message: err.Error(), hint: "--force writes there all the same"}
		}
		if err != nil {
			return err
		}
	}
	return mode(r)
}

// replayMode is what is done with a folder.
type replayMode func(*replaying) error

func replayModeOf(c *cli.Context) (replayMode, error) {
	var modes []replayMode
	if c.Bool("run") {
		modes = append(modes, (*replaying).run)
	}
	if c.Bool("stubs") {
		modes = append(modes, (*replaying).stubs)
	}
	if c.String("requests") != "" {
		modes = append(modes, (*replaying).requests)
	}
	switch {
	case len(modes) > 1:
		return nil, usageError{message: "--run, --stubs and --requests exclude each other"}
	case len(modes) == 1:
		return modes[0], nil
	case c.String("output") == "":
		return nil, usageError{message: "nothing to do with the replay is named", hint: "-o DIR writes it, --run runs it, --requests FILE sends requests"}
	}
	return (*replaying).written, nil
}

// written tells what was written, and what differs from the capture.
func (r *replaying) written() error {
	return buffered(r.env.stdout, func(w io.Writer) error {
		fmt.Fprintf(w, "%s of %s, %s\n", plural(len(r.folder.Files), "file", "files"), sanitize(r.proxy.Key()), plural(len(r.folder.Backends), "stub", "stubs"))
		if err := r.writeListeners(w); err != nil {
			return err
		}
		return r.writeChanges(w)
	})
}

func (r *replaying) writeListeners(w io.Writer) error {
	rows := [][]string{{"LISTENER", "CAPTURED", "HERE", "TAKES"}}
	for _, l := range r.folder.Listeners {
		takes := "TCP"
		if l.TLS {
			takes = "TLS"
		}
		if l.ProxyProtocol {
			takes += ", PROXY protocol"
		}
		rows = append(rows, []string{l.Name, l.Captured, l.Address.String(), takes})
	}
	fmt.Fprintln(w)
	return writeTable(w, istioctlLayout(), rows, nil)
}

func (r *replaying) writeChanges(w io.Writer) error {
	rows := [][]string{{"DIFFERS FROM THE CAPTURE", "PLACES", "WHY"}}
	for _, change := range r.folder.Changes {
		rows = append(rows, []string{change.What, fmt.Sprint(change.Count), change.Why})
	}
	fmt.Fprintln(w)
	return writeTable(w, istioctlLayout(), rows, nil)
}
