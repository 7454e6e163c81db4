package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/fixtures"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"meshray": main})
}

// TestScripts runs the command lines of fixtures/cli. Scripts that need the shared captures start
// with [!shared] skip and find them at $SHARED; $BOOKINFO is the capture of the repository.
func TestScripts(t *testing.T) {
	shared := filepath.Join(fixtures.Root(t), "..", "shared")
	_, err := os.Stat(shared)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join(fixtures.Root(t), "fixtures", "cli"),
		UpdateScripts:       fixtures.Update(),
		RequireExplicitExec: true,
		Setup: func(script *testscript.Env) error {
			script.Setenv("SHARED", shared)
			script.Setenv("BOOKINFO", filepath.Join(fixtures.Root(t), "fixtures", "bookinfo.tar.gz"))
			script.Setenv("EDGE", filepath.Join(fixtures.Root(t), "fixtures", "envoy", "edge.tar.gz"))
			return nil
		},
		Condition: func(condition string) (bool, error) {
			if condition == "shared" {
				return err == nil, nil
			}
			return false, usageError{message: "unknown condition " + condition}
		},
	})
}

// testEnv is an environment without a terminal and with no variables but the given ones.
func testEnv(variables map[string]string) env {
	return env{
		stdin:  strings.NewReader(""),
		stdout: io.Discard,
		stderr: io.Discard,
		lookupEnv: func(name string) (string, bool) {
			value, ok := variables[name]
			return value, ok
		},
		now:          func() time.Time { return time.Unix(0, 0) },
		captureNames: func() captureNames { return captureNames{} },
	}
}

// testCommands are commands of the shapes that meshray has: a plain one, a group, a nested flag.
func testCommands(seen func(c *cli.Context) error) []*cli.Command {
	flags := func() []cli.Flag {
		return []cli.Flag{
			captureFlag(), namespaceFlag(), outputFlag("table", "json", "yaml"),
			&cli.IntFlag{Name: "port"}, &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}},
			&cli.StringFlag{Name: "fqdn"},
		}
	}
	return []*cli.Command{
		{Name: "lint", ArgsUsage: "CAPTURE", Flags: flags(), Action: seen},
		{Name: "proxy-config", Aliases: []string{"pc"}, Subcommands: []*cli.Command{
			{Name: "cluster", Aliases: []string{"clusters", "c"}, ArgsUsage: "[PROXY]", Flags: flags(), Action: seen},
			{Name: "log", ArgsUsage: "[PROXY]", Flags: []cli.Flag{&cli.StringFlag{Name: "level"}}, Action: seen},
		}},
		{Name: "raw", Hidden: true, SkipFlagParsing: true, Action: seen},
	}
}

// outcome is what a command line led to.
type outcome struct {
	code           int
	stdout, stderr string
}

func executeTest(e env, commands []*cli.Command, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	e.stdout, e.stderr = &stdout, &stderr
	code := execute(e, commands, append([]string{"meshray"}, args...))
	return outcome{code: code, stdout: stdout.String(), stderr: stderr.String()}
}
