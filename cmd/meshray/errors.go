package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// The exit codes, the same for every output format.
const (
	exitClean    = 0
	exitFindings = 1
	exitTrouble  = 2
)

// errFindings is the verdict "not clean": findings, differences, failed expectations. A command
// returns it after its output is written; nothing more is printed.
var errFindings = errors.New("findings, differences or failed expectations")

// usageError is a command line that cannot be carried out. The hint says what to type instead.
type usageError struct {
	message string
	hint    string
}

func (e usageError) Error() string { return e.message }

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitClean
	case errors.Is(err, errFindings):
		return exitFindings
	default:
		return exitTrouble
	}
}

// complain writes what went wrong to stderr. A verdict and a closed pipe go without a word.
func complain(stderr io.Writer, err error) {
	if err == nil || errors.Is(err, errFindings) || errors.Is(err, syscall.EPIPE) {
		return
	}
	fmt.Fprintf(stderr, "meshray: %s\n", sanitizeLines(err.Error()))
	var usage usageError
	if errors.As(err, &usage) && usage.hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", sanitizeLines(usage.hint))
	}
}

// flagValueError rewords what package flag says about a value that a flag does not take.
func flagValueError(c *cli.Context, err error, _ bool) error {
	name := c.App.HelpName
	if c.Command.HelpName != "" {
		name = c.Command.HelpName
	}
	hint := fmt.Sprintf("'%s --help' lists the flags", name)
	parts := regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-(\S+): (.*)$`).FindStringSubmatch(err.Error())
	if parts == nil {
		return usageError{message: err.Error(), hint: hint}
	}
	reason := parts[3]
	if reason == "parse error" {
		reason = "want " + wantedValue(c.Command.Flags, parts[2])
	}
	return usageError{message: fmt.Sprintf("invalid value %s for flag --%s: %s", parts[1], parts[2], reason), hint: hint}
}

// wantedValue names the kind of value that a flag of the library takes.
func wantedValue(flags []cli.Flag, name string) string {
	switch findFlag(flags, name).(type) {
	case *cli.BoolFlag:
		return "true or false"
	case *cli.DurationFlag:
		return "a duration such as 30s or 5m"
	case *cli.Float64Flag:
		return "a number"
	default:
		return "a whole number"
	}
}

// oneOf lists values for a sentence: "a", "a or b", "a, b or c".
func oneOf(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}
