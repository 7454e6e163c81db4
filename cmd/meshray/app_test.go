package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		code   int
		stderr string
	}{
		{"clean", nil, 0, ""},
		{"verdict", errFindings, 1, ""},
		{"wrapped verdict", fmt.Errorf("3 differ: %w", errFindings), 1, ""},
		{"trouble", errors.New("reading cap.tgz: no such file"), 2, "meshray: reading cap.tgz: no such file\n"},
		{"usage", usageError{message: "no capture is named", hint: "use -f"}, 2, "meshray: no capture is named\nhint: use -f\n"},
		{"wrapped usage", fmt.Errorf("lint: %w", usageError{message: "m", hint: "h"}), 2, "meshray: lint: m\nhint: h\n"},
		{"usage without a hint", usageError{message: "m"}, 2, "meshray: m\n"},
		{"closed pipe", fmt.Errorf("writing: %w", syscall.EPIPE), 2, ""},
		{"exit coder of the library", cli.Exit("message", 7), 2, "meshray: message\n"},
		{"hostile message", errors.New("reading \x1b[2J\u202etxt.exe\nhint: run this"), 2, "meshray: reading \\x1b[2J\\u202etxt.exe\n  hint: run this\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			commands := testCommands(func(*cli.Context) error { return test.err })
			got := executeTest(testEnv(nil), commands, "lint")
			if want := (outcome{code: test.code, stderr: test.stderr}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestUsageErrorsStayOffStdout(t *testing.T) {
	tests := []struct {
		args, stderr string
	}{
		{"lint --port x", "meshray: invalid value \"x\" for flag --port: want a whole number\nhint: 'meshray lint --help' lists the flags\n"},
		{"lint --quiet=maybe", "meshray: invalid value \"maybe\" for flag --quiet: want true or false\nhint: 'meshray lint --help' lists the flags\n"},
		{"pc c --port=x", "meshray: invalid value \"x\" for flag --port: want a whole number\nhint: 'meshray proxy-config cluster --help' lists the flags\n"},
		{"lint -o jsn", "meshray: invalid value \"jsn\" for flag --output: want table, json or yaml\nhint: did you mean --output=json?\n"},
		{"lint -o sarif-or-so", "meshray: invalid value \"sarif-or-so\" for flag --output: want table, json or yaml\n"},
		{"--version=maybe", "meshray: invalid value \"maybe\" for flag --version: want true or false\nhint: 'meshray --help' lists the flags\n"},
		{"lint --bogus", "meshray: unknown flag --bogus for \"meshray lint\"\nhint: 'meshray lint --help' lists the flags\n"},
		{"pc x", "meshray: unknown command \"x\" for \"meshray proxy-config\"\nhint: 'meshray proxy-config --help' lists the commands\n"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			commands := testCommands(func(*cli.Context) error { return errors.New("the action ran") })
			got := executeTest(testEnv(nil), commands, strings.Fields(test.args)...)
			if want := (outcome{code: 2, stderr: test.stderr}); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestHelpGoesToStdout(t *testing.T) {
	tests := []struct{ args, want string }{
		{"", "COMMANDS:\n   lint"},
		{"--help", "COMMANDS:\n   lint"},
		{"help", "COMMANDS:\n   lint"},
		{"lint --help", "meshray lint [command options] CAPTURE"},
		{"lint cap --help", "meshray lint [command options] CAPTURE"},
		{"help lint", "meshray lint [command options] CAPTURE"},
		{"pc", "meshray proxy-config"},
		{"pc --help", "cluster, clusters, c"},
		{"pc cluster p -h", "meshray proxy-config cluster [command options] [PROXY]"},
		{"help pc cluster", "meshray proxy-config cluster [command options] [PROXY]"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			commands := testCommands(func(*cli.Context) error { return errors.New("the action ran") })
			got := executeTest(testEnv(nil), commands, strings.Fields(test.args)...)
			if got.code != 0 || got.stderr != "" {
				t.Errorf("got code %d and stderr %q, want 0 and silence", got.code, got.stderr)
			}
			if !strings.Contains(got.stdout, test.want) {
				t.Errorf("got stdout\n%s\nwant it to contain %q", got.stdout, test.want)
			}
		})
	}
}

// TestRunsDoNotShareState runs twice with flags given in the first run only.
func TestRunsDoNotShareState(t *testing.T) {
	var outputs []string
	for _, args := range [][]string{{"lint", "-o", "json", "-f", "a"}, {"lint"}} {
		commands := testCommands(func(c *cli.Context) error {
			outputs = append(outputs, c.String("output"), strings.Join(c.StringSlice("file"), ","))
			return nil
		})
		executeTest(testEnv(nil), commands, args...)
	}
	if got, want := strings.Join(outputs, " "), "json a table "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunTakesItsStreams(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run([]string{"meshray", "--version"}, strings.NewReader(""), &stdout, &stderr); code != 0 {
		t.Errorf("got code %d and stderr %q, want 0", code, stderr.String())
	}
	if !strings.HasPrefix(stdout.String(), "meshray ") {
		t.Errorf("got stdout %q, want it to begin with meshray", stdout.String())
	}
	if e := newEnv(strings.NewReader(""), io.Discard, io.Discard); e.stdoutIsTerminal || e.stderrIsTerminal {
		t.Error("got a terminal, want none: io.Discard is no file")
	}
}

func TestNearest(t *testing.T) {
	candidates := []string{"info", "proxy-status", "ps", "proxy-config", "pc", "lint", "diff", "trace"}
	tests := []struct{ word, want string }{
		{"lnit", "lint"},
		{"traec", "trace"},
		{"proxyconfig", "proxy-config"},
		{"proxy-stats", "proxy-status"},
		{"inf", "info"},
		{"pz", "ps"},
		{"", ""},
		{"zzz", ""},
		{"kubernetes", ""},
		{strings.Repeat("lint", 1<<16), ""},
	}
	for _, test := range tests {
		if got := nearest(test.word, candidates); got != test.want {
			t.Errorf("nearest to %.20q: got %q, want %q", test.word, got, test.want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"lint", "lint", 0},
		{"", "lint", 4},
		{"lnit", "lint", 1},
		{"lit", "lint", 1},
		{"lints", "lint", 1},
		{"list", "lint", 1},
		{"trace", "crate", 2},
		{strings.Repeat("a", 1000), strings.Repeat("b", 1000), 64},
	}
	for _, test := range tests {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("%.10q to %.10q: got %d, want %d", test.a, test.b, got, test.want)
		}
		if got := editDistance(test.b, test.a); got != test.want {
			t.Errorf("%.10q to %.10q: got %d, want %d", test.b, test.a, got, test.want)
		}
	}
}
