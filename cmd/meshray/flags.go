package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Flag categories, the headings of the help text.
const (
	captureCategory = "Capture"
	outputCategory  = "Output"
	limitCategory   = "Limits"
)

// captureVariable names the environment variable with the capture to read where none is given.
const captureVariable = "MESHRAY_CAPTURE"

func helpFlag() cli.Flag {
	return &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show this help", DisableDefaultText: true}
}

// captureFlag is -f/--file. The variable is read by captureFrom, so that an error can tell where
// the path came from.
func captureFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name:     "file",
		Aliases:  []string{"f"},
		Category: captureCategory,
		Usage:    "read the capture at `PATH`, - for standard input; may be repeated (default: $" + captureVariable + ", or what 'meshray use' remembers)",
	}
}

func namespaceFlag() cli.Flag {
	return &cli.StringFlag{
		Name:     "namespace",
		Aliases:  []string{"n"},
		Category: captureCategory,
		Usage:    "only proxies of `NAMESPACE`",
	}
}

// asOfFlag is the time by which certificates and staleness are judged; the value is an *instant.
func asOfFlag() cli.Flag {
	return &cli.GenericFlag{
		Name:     "as-of",
		Category: captureCategory,
		Value:    new(instant),
		Usage:    "judge validity at `TIME` (RFC 3339) instead of the time of the capture",
	}
}

// outputFlag is -o/--output with the formats that a command knows, the first being the default.
func outputFlag(formats ...string) cli.Flag {
	return choiceFlag(&cli.StringFlag{
		Name:     "output",
		Aliases:  []string{"o"},
		Category: outputCategory,
		Usage:    "print as `FORMAT`",
	}, formats...)
}

// displayFlags are --color, --no-pager and --quiet.
func displayFlags() []cli.Flag {
	return []cli.Flag{
		choiceFlag(&cli.StringFlag{
			Name:     "color",
			Category: outputCategory,
			Usage:    "use colours `WHEN`",
		}, colorAuto, colorAlways, colorNever),
		&cli.BoolFlag{
			Name: "no-pager", Category: outputCategory, DisableDefaultText: true,
			Usage: "print straight to the terminal",
		},
		&cli.BoolFlag{
			Name: "quiet", Aliases: []string{"q"}, Category: outputCategory, DisableDefaultText: true,
			Usage: "no notes and no progress on standard error",
		},
	}
}

// choice is a flag that takes one of a list of values.
type choice struct {
	*cli.StringFlag
	values []string
}

// choiceFlag makes a flag take one of values, the first being the default. Other values are usage
// errors that list the valid ones.
func choiceFlag(flag *cli.StringFlag, values ...string) cli.Flag {
	flag.Value = values[0]
	flag.Usage += ": " + oneOf(values)
	flag.Action = func(c *cli.Context, value string) error {
		if slices.Contains(values, value) {
			return nil
		}
		e := usageError{message: fmt.Sprintf("invalid value %q for flag --%s: want %s", value, flag.Name, oneOf(values))}
		if near := nearest(value, values); near != "" {
			e.hint = fmt.Sprintf("did you mean --%s=%s?", flag.Name, near)
		}
		return e
	}
	return choice{StringFlag: flag, values: values}
}

// captureSource is which capture a command reads, and where that was said.
type captureSource struct {
	paths  []string
	origin string // the environment variable, or rememberedOrigin; empty for the command line
}

const noCapture = "no capture is named"

// rememberedOrigin is the origin of a capture that the command line does not name.
const rememberedOrigin = "remembered by `meshray use`"

// captureFrom returns the capture named by a command's arguments and -f flags, or else by
// MESHRAY_CAPTURE, or else by an earlier `meshray use`. Naming none is a usage error.
func captureFrom(e env, arguments, files []string) (captureSource, error) {
	paths := slices.Concat(arguments, files)
	if len(paths) == 0 {
		return captureFromElsewhere(e)
	}
	stdins := 0
	for _, path := range paths {
		if path == "" {
			return captureSource{}, usageError{message: "a capture path is empty", hint: "write - for standard input"}
		}
		if path == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		return captureSource{}, usageError{message: "standard input (-) is named more than once and can be read once"}
	}
	return captureSource{paths: paths}, nil
}

func captureFromElsewhere(e env) (captureSource, error) {
	if path := e.getenv(captureVariable); path != "" {
		return captureSource{paths: []string{path}, origin: captureVariable}, nil
	}
	paths, err := e.remembered()
	if err != nil {
		return captureSource{}, err
	}
	if len(paths) > 0 {
		return captureSource{paths: paths, origin: rememberedOrigin}, nil
	}
	return captureSource{}, usageError{
		message: noCapture,
		hint:    "name a file or folder, - for standard input, set " + captureVariable + ", or remember one with `meshray use CAPTURE`",
	}
}

// explain adds to an error about the capture where its path came from, unless the user just typed it.
func (s captureSource) explain(err error) error {
	switch {
	case err == nil || s.origin == "":
		return err
	case s.origin == rememberedOrigin:
		return fmt.Errorf("%s: %w; name another capture with -f, or forget this one with `meshray use --clear`", s.origin, err)
	}
	return fmt.Errorf("%w (%s=%s)", err, s.origin, strings.Join(s.paths, " "))
}
