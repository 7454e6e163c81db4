package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader"
)

// openFlags are the flags of every command that reads a capture.
func openFlags() []cli.Flag {
	return append([]cli.Flag{captureFlag(), namespaceFlag(), asOfFlag()}, limitFlags()...)
}

// openCapture loads the capture that the flags name, together with the paths in
// arguments for commands that take the capture as such. It says on stderr what
// could not be read, in one line: `meshray info` has the list.
func openCapture(c *cli.Context, e env, talk *conversation, arguments ...string) (*mesh.Capture, error) {
	source, err := captureFrom(e, arguments, c.StringSlice("file"))
	if err != nil {
		return nil, meantAsCapture(err, c.Args().Slice())
	}
	return e.load(source, talk, loader.Options{Limits: limitsOf(c), AsOf: asOf(c)})
}

// meantAsCapture corrects who names the capture where a command takes a proxy.
func meantAsCapture(err error, arguments []string) error {
	var usage usageError
	if !errors.As(err, &usage) || usage.message != noCapture {
		return err
	}
	for _, argument := range arguments {
		if _, err := os.Stat(argument); err == nil {
			usage.hint = fmt.Sprintf("%s is a path: this command takes a proxy there, and the capture with -f %s", argument, argument)
			return usage
		}
	}
	return err
}

func (e env) load(source captureSource, talk *conversation, opts loader.Options) (*mesh.Capture, error) {
	stamp := ""
	if source.origin == rememberedOrigin {
		stamp = captureStamp(source.paths)
	}
	opts.Progress = func(files int, bytes int64) {
		talk.progress("reading: %d files, %d MiB", files, bytes>>20)
	}
	capture, err := loader.Load(source.paths, e.stdin, opts)
	talk.clear()
	if err != nil {
		return nil, source.explain(err)
	}
	if stamp != "" {
		e.refreshNames(stamp, capture)
	}
	damaged := 0
	for _, in := range capture.Inputs {
		if in.Fate == mesh.FateDamaged {
			damaged++
		}
	}
	if damaged > 0 {
		talk.note("damaged: %d of %d files, used as far as they go; see `meshray info`", damaged, len(capture.Inputs))
	}
	return capture, nil
}

// judgeable says that there is nothing in the capture to judge, so that no
// command reports an empty or unreadable capture as clean.
func judgeable(capture *mesh.Capture) error {
	if len(capture.Proxies)+len(capture.ControlPlanes) > 0 {
		return nil
	}
	return fmt.Errorf("nothing to judge: none of the %s is of a proxy or a control plane; `meshray info` lists what they are",
		plural(len(capture.Inputs), "file", "files"))
}
