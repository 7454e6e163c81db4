package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestPermute(t *testing.T) {
	tests := []struct {
		name string
		args string // separated by single spaces
		want string
	}{
		{"nothing", "", ""},
		{"command alone", "lint", "lint"},
		{"flags before", "lint -o json cap.tgz", "lint --output=json -- cap.tgz"},
		{"flags after", "lint cap.tgz -o json", "lint --output=json -- cap.tgz"},
		{"flags between", "lint a -o json b -q c", "lint --output=json --quiet -- a b c"},
		{"flag before the command", "-o json lint cap.tgz", "lint --output=json -- cap.tgz"},
		{"switch before the command", "-q lint cap.tgz", "lint --quiet -- cap.tgz"},
		{"equals", "lint --output=json cap", "lint --output=json -- cap"},
		{"equals with a short flag", "lint -o=json cap", "lint --output=json -- cap"},
		{"equals twice", "lint --fqdn=a=b cap", "lint --fqdn=a=b -- cap"},
		{"empty value", "lint --fqdn= cap", "lint --fqdn= -- cap"},
		{"empty positional", "lint ", "lint -- "},
		{"long flag with one dash", "lint -output json", "lint --output=json"},
		{"short flag with two dashes", "lint --o json", "lint --output=json"},
		{"switch takes no value", "lint -q json", "lint --quiet -- json"},
		{"switch with a value", "lint --quiet=false cap", "lint --quiet=false -- cap"},
		{"stdin as value", "lint -f -", "lint --file=-"},
		{"stdin as positional", "lint - -q", "lint --quiet -- -"},
		{"repeated, both spellings", "lint -f a --file b -f=c", "lint --file=a --file=b --file=c"},
		{"negative number", "lint --port -1 cap", "lint --port=-1 -- cap"},
		{"value with a dash", "lint --fqdn -x cap", "lint --fqdn=-x -- cap"},
		{"value that is a flag, written out", "lint --fqdn=-q cap", "lint --fqdn=-q -- cap"},
		{"value that is a command", "pc c -f lint p", "proxy-config cluster --file=lint -- p"},
		{"joined value", "lint -ojson cap", "lint --output=json -- cap"},
		{"joined value with equals", "lint -ofqdn=x", "lint --output=fqdn=x"},
		{"joined switches", "lint -qv cap", "lint --quiet --verbose -- cap"},
		{"joined switches and value", "lint -qvo json cap", "lint --quiet --verbose --output=json -- cap"},
		{"joined switches and joined value", "lint -qojson", "lint --quiet --output=json"},
		{"joined switches and equals", "lint -qo=json", "lint --quiet --output=json"},
		{"last switch with a value", "lint -qv=false", "lint --quiet --verbose=false"},
		{"end of flags", "lint -q -- -o --json", "lint --quiet -- -o --json"},
		{"end of flags, nothing behind", "lint a --", "lint -- a"},
		{"second end of flags is a positional", "lint -- a -- b", "lint -- a -- b"},
		{"end of flags before the command", "-- lint a", "lint -- a"},
		{"subcommand", "proxy-config cluster productpage -o json", "proxy-config cluster --output=json -- productpage"},
		{"aliases", "pc c productpage", "proxy-config cluster -- productpage"},
		{"flag between the command words", "pc -f cap clusters p", "proxy-config cluster --file=cap -- p"},
		{"flag before all command words", "-f cap pc c p", "proxy-config cluster --file=cap -- p"},
		{"subcommand's name as positional", "lint cluster", "lint -- cluster"},
		{"group alone", "pc", "proxy-config"},
		{"help flag wins", "lint cap -o json --help", "lint --help"},
		{"short help flag", "pc c -h", "proxy-config cluster --help"},
		{"help on a group", "pc --help", "proxy-config --help"},
		{"help of a positional behind --", "lint -- --help", "lint -- --help"},
		{"help turned off", "lint --help=false", "lint --help=false"},
		{"help command", "help lint", "lint --help"},
		{"help command for a subcommand", "help pc cluster", "proxy-config cluster --help"},
		{"help command alone", "help", "--help"},
		{"version", "--version", "--version"},
		{"arguments left alone", "raw -o --bogus -- x", "raw -o --bogus -- x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := newApp(testEnv(nil), testCommands(nil))
			got, err := permute(app, words("meshray", test.args))
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			if want := words("meshray", test.want); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// words splits at single spaces, so that two in a row make an empty word.
func words(program, line string) []string {
	if line == "" {
		return []string{program}
	}
	return append([]string{program}, strings.Split(line, " ")...)
}

func TestPermuteRefuses(t *testing.T) {
	tests := []struct {
		name, args, message, hint string
	}{
		{"misspelt command", "lnit x", `unknown command "lnit" for "meshray"`, "did you mean 'meshray lint'?"},
		{"beginning of a command", "proxy x", `unknown command "proxy" for "meshray"`, "did you mean 'meshray proxy-config'?"},
		{"misspelt subcommand", "pc clutser", `unknown command "clutser" for "meshray proxy-config"`, "did you mean 'meshray proxy-config cluster'?"},
		{"far from everything", "xxxxxxxx", `unknown command "xxxxxxxx" for "meshray"`, "'meshray --help' lists the commands"},
		{"hidden command is not offered", "rw", `unknown command "rw" for "meshray"`, "'meshray --help' lists the commands"},
		{"help for an unknown command", "help lnit", `unknown command "lnit" for "meshray"`, "did you mean 'meshray lint'?"},
		{"misspelt flag", "lint --ouput json", `unknown flag --ouput for "meshray lint"`, "did you mean --output?"},
		{"misspelt flag with a value", "lint --ouput=json", `unknown flag --ouput for "meshray lint"`, "did you mean --output?"},
		{"beginning of a flag", "lint --name x", `unknown flag --name for "meshray lint"`, "did you mean --namespace?"},
		{"unknown letter", "lint -x", `unknown flag -x for "meshray lint"`, "'meshray lint --help' lists the flags"},
		{"unknown letter among others", "lint -qx", `unknown flag -qx for "meshray lint"`, "did you mean -q?"},
		{"misspelt flag before the command", "--fiel a lint", `unknown flag --fiel for "meshray"`, "did you mean --file?"},
		{"another command's flag", "pc log -f x", `unknown flag -f for "meshray proxy-config log"`, "'meshray proxy-config log --help' lists the flags"},
		{"another command's flag before it", "--port 1 pc log", `unknown flag --port for "meshray proxy-config log"`, "'meshray proxy-config log --help' lists the flags"},
		{"flag without a command", "-f cap", `flag -f belongs to a command, and "meshray" names none`, "'meshray --help' lists the commands"},
		{"no value", "lint cap -o", "flag -o needs a value", "write -o VALUE, or -o=VALUE for a value that looks like a flag"},
		{"flag as value", "lint --file -q cap", "flag --file needs a value", "write --file VALUE, or --file=VALUE for a value that looks like a flag"},
		{"end of flags as value", "lint --file -- cap", "flag --file needs a value", "write --file VALUE, or --file=VALUE for a value that looks like a flag"},
		{"dashes only", "lint ---", "unknown flag --- for \"meshray lint\"", "'meshray lint --help' lists the flags"},
		{"not utf-8", "lint -\xff", "unknown flag -\xff for \"meshray lint\"", "'meshray lint --help' lists the flags"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := permute(newApp(testEnv(nil), testCommands(nil)), words("meshray", test.args))
			var usage usageError
			if !errors.As(err, &usage) {
				t.Fatalf("got error %v, want a usage error", err)
			}
			if usage.message != test.message {
				t.Errorf("got message %q\nwant %q", usage.message, test.message)
			}
			if usage.hint != test.hint {
				t.Errorf("got hint %q\nwant %q", usage.hint, test.hint)
			}
		})
	}
}

// TestPermutedLinesReachTheAction guards the seam: what permute writes is what the library reads.
func TestPermutedLinesReachTheAction(t *testing.T) {
	var files, positionals []string
	var output string
	var port int
	var quiet bool
	commands := testCommands(func(c *cli.Context) error {
		files, output, port, quiet = c.StringSlice("file"), c.String("output"), c.Int("port"), c.Bool("quiet")
		positionals = c.Args().Slice()
		return nil
	})
	got := executeTest(testEnv(nil), commands, "pc", "c", "cluster", "-f", "a,b", "--port", "-1", "-o", "json", "--file=-", "-q", "--", "-x", "file")
	if got != (outcome{}) {
		t.Fatalf("got %+v, want silence and exit code 0", got)
	}
	if want := []string{"a,b", "-"}; !slices.Equal(files, want) {
		t.Errorf("got files %q, want %q", files, want)
	}
	if want := []string{"cluster", "-x", "file"}; !slices.Equal(positionals, want) {
		t.Errorf("got positionals %q, want %q", positionals, want)
	}
	if output != "json" || port != -1 || !quiet {
		t.Errorf("got output %q, port %d, quiet %v, want json, -1, true", output, port, quiet)
	}
}

// TestFlagsAgree holds what permute relies on: a flag in front of the command word takes a value
// in every command that has it, or in none, and stands for the same flag.
func TestFlagsAgree(t *testing.T) {
	type meaning struct {
		flag       string
		takesValue bool
	}
	seen := map[string]meaning{}
	var visit func(commands []*cli.Command)
	visit = func(commands []*cli.Command) {
		for _, command := range commands {
			for _, flag := range command.Flags {
				for _, name := range flag.Names() {
					m := meaning{flag: flag.Names()[0], takesValue: takesValue(flag)}
					if other, ok := seen[name]; ok && other != m {
						t.Errorf("flag %s of %s is %+v, elsewhere %+v", dashed(name), command.Name, m, other)
					}
					seen[name] = m
				}
			}
			visit(command.Subcommands)
		}
	}
	e := testEnv(nil)
	visit(newApp(e, commands(e)).Commands)
}

func FuzzPermute(f *testing.F) {
	for _, seed := range []string{"lint cap -o json", "pc c -qf - p", "help pc", "-- lint -- -x", "lint -f", "--=x", "-", "raw --"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		app := newApp(testEnv(nil), testCommands(nil))
		once, err := permute(app, words("meshray", line))
		if err != nil {
			return
		}
		again, err := permute(app, once)
		if err != nil {
			t.Fatalf("permute refuses its own output %q: %v", once, err)
		}
		if !slices.Equal(once, again) {
			t.Errorf("got %q from %q, want no change", again, once)
		}
	})
}
