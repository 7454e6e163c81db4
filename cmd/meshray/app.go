package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// env is the outside world as a command sees it. Commands take it when they are built, so that
// a test can put its own in place.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	// stdoutIsTerminal and stderrIsTerminal say whether a person reads the stream.
	stdoutIsTerminal, stderrIsTerminal bool

	// lookupEnv is os.LookupEnv: an empty PAGER means something else than none.
	lookupEnv func(string) (string, bool)

	// now serves progress on a terminal only; no result depends on it.
	now func() time.Time

	// captureNames returns the names that shell completion offers, from the remembered capture.
	captureNames func() captureNames
}

// getenv returns the value of an environment variable, empty if it is not set.
func (e env) getenv(name string) string {
	value, _ := e.lookupEnv(name)
	return value
}

func newEnv(stdin io.Reader, stdout, stderr io.Writer) env {
	e := env{
		stdin:            stdin,
		stdout:           stdout,
		stderr:           stderr,
		stdoutIsTerminal: isTerminal(stdout),
		stderrIsTerminal: isTerminal(stderr),
		lookupEnv:        os.LookupEnv,
		now:              time.Now,
	}
	e.captureNames = e.rememberedNames
	return e
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// run executes one command line, args[0] being the program, and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := newEnv(stdin, stdout, stderr)
	return execute(e, commands(e), args)
}

// commands lists every subcommand in the order of the help text.
func commands(e env) []*cli.Command {
	return []*cli.Command{
		infoCommand(e),
		proxyConfigCommand(e),
		proxyStatusCommand(e),
		traceCommand(e),
		testCommand(e),
		authzCommand(e),
		replayCommand(e),
		ztunnelConfigCommand(e),
		lintCommand(e),
		reportCommand(e),
		rulesCommand(e),
		useCommand(e),
		completionCommand(e),
		completeCommand(e),
	}
}

func execute(e env, commands []*cli.Command, args []string) int {
	app := newApp(e, commands)
	arguments, err := permute(app, args)
	if err == nil {
		err = app.Run(arguments)
	}
	complain(e.stderr, err)
	return exitCode(err)
}

func newApp(e env, commands []*cli.Command) *cli.App {
	app := &cli.App{
		Name:     "meshray",
		HelpName: "meshray",
		Usage:    "an X-ray for Istio and Envoy captures, without a cluster and without a network",
		UsageText: `meshray COMMAND [flags] [arguments]
meshray help COMMAND`,
		Description: `A capture is a config_dump, a folder of them, an istioctl bug-report or an OpenShift
must-gather; - is standard input. Flags may stand before and after the arguments.

Exit codes: 0 clean, equal or passed; 1 findings, differences or failed expectations;
2 trouble (usage, unreadable input).`,
		Commands:  commands,
		Flags:     []cli.Flag{helpFlag(), &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}},
		Reader:    e.stdin,
		Writer:    e.stdout,
		ErrWriter: e.stderr,
		// The library's own help command and flags are package variables it writes to.
		HideHelp:    true,
		HideVersion: true,
		// Capture paths may hold commas.
		DisableSliceFlagSeparator: true,
		// The default exits the process for any error that has an ExitCode method.
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   flagValueError,
		Action: func(c *cli.Context) error {
			if !c.Bool("version") {
				return cli.ShowAppHelp(c)
			}
			_, err := fmt.Fprintln(e.stdout, version(debug.ReadBuildInfo()))
			return err
		},
	}
	for _, command := range commands {
		prepare(command)
	}
	return app
}

// prepare gives a command and those below it what every command has. OnUsageError is not
// inherited, and without it the library prints usage errors on standard output.
func prepare(command *cli.Command) {
	command.HideHelp = true
	command.OnUsageError = flagValueError
	command.Flags = append(command.Flags, helpFlag())
	if len(command.Subcommands) > 0 && command.Action == nil {
		command.Action = cli.ShowSubcommandHelp
	}
	for _, sub := range command.Subcommands {
		prepare(sub)
	}
}
