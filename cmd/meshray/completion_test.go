package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestComplete(t *testing.T) {
	names := func() captureNames {
		return captureNames{
			Proxies:  []string{"reviews-v1.default", "details-v1.default", "evil\x1b[2J", "details-v1.default"},
			Ztunnels: []string{"ztunnel-a.istio-system"},
			Clusters: []string{"outbound|9080|v1|reviews", "outbound|9080||reviews", "BlackHoleCluster"},
		}
	}
	tests := []struct {
		name string
		line string // separated by single spaces; the last word is under the cursor
		want string
	}{
		{"commands", "", ""},
		{"commands by prefix", "l", "lint"},
		{"alias is no candidate", "pro", "proxy-config"},
		{"subcommands", "pc ", "cluster log"},
		{"subcommands by prefix", "proxy-config c", "cluster"},
		{"flags", "lint --", "--file --namespace --output --port --quiet --verbose --fqdn --help"},
		{"flags by prefix", "pc c --n", "--namespace"},
		{"all dashes", "lint -", "--file --namespace --output --port --quiet --verbose --fqdn --help"},
		{"value of a flag", "lint -o ", "table json yaml"},
		{"value of a flag by prefix", "lint --output j", "json"},
		{"value in the word", "lint --output=j", "--output=json"},
		{"value in the word, nothing yet", "lint --output=", "--output=table --output=json --output=yaml"},
		{"value as bash splits it", "lint --output = j", "json"},
		{"value as bash splits it, nothing yet", "lint --output =", "table json yaml"},
		{"flag after a value that bash split", "lint --output = json --n", "--namespace"},
		{"hosts of clusters, each once", "pc c --fqdn ", "BlackHoleCluster reviews"},
		{"names are of another capture", "pc c -f other ", ""},
		{"names are of another capture, flag in one word", "pc c --file=other --fqdn ", ""},
		{"file names", "lint -f ", ""},
		{"file names for a capture", "lint ", ""},
		{"proxies, clean and once", "pc c ", "details-v1.default reviews-v1.default"},
		{"proxies by prefix", "pc c -o json rev", "reviews-v1.default"},
		{"proxy after the end of flags", "pc c -- -", ""},
		{"help", "help l", "lint"},
		{"help for a subcommand", "help pc c", "cluster"},
		{"unknown command", "nothing ", ""},
		{"unknown flag", "lint --bogus ", ""},
		{"unknown flag in the word", "lint --bogus=", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			app := newApp(testEnv(nil), testCommands(nil))
			got := complete(app, strings.Split(test.line, " "), names)
			want := test.want
			if test.line == "" {
				want = "lint proxy-config"
			}
			if strings.Join(got, " ") != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestCompleteNames(t *testing.T) {
	names := func() captureNames {
		return captureNames{
			Proxies:  []string{"b.ns", "ztunnel-a.ns"},
			Ztunnels: []string{"ztunnel-a.ns"},
			Clusters: []string{"outbound|80|v1|b", "outbound|80||b", "inbound|80||"},
		}
	}
	commands := func() []*cli.Command {
		flags := []cli.Flag{&cli.StringFlag{Name: "cluster"}, &cli.StringFlag{Name: "proxy"}}
		return []*cli.Command{
			{Name: "endpoint", ArgsUsage: "[PROXY]", Flags: flags},
			{Name: "workload", ArgsUsage: "[ZTUNNEL]"},
		}
	}
	tests := []struct{ line, want string }{
		{"endpoint ", "b.ns ztunnel-a.ns"},
		{"endpoint --proxy ", "b.ns ztunnel-a.ns"},
		{"endpoint --cluster out", "outbound|80|v1|b outbound|80||b"},
		{"workload ", "ztunnel-a.ns"},
	}
	for _, test := range tests {
		got := complete(newApp(testEnv(nil), commands()), strings.Split(test.line, " "), names)
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

func TestCompleteWithoutWords(t *testing.T) {
	if got := complete(newApp(testEnv(nil), testCommands(nil)), nil, nil); got != nil {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestCompleteCommandPrintsLines(t *testing.T) {
	e := testEnv(nil)
	e.captureNames = func() captureNames { return captureNames{Proxies: []string{"b", "a"}} }
	var b strings.Builder
	e.stdout = &b
	commands := append(testCommands(nil), completeCommand(e))
	if code := execute(e, commands, []string{"meshray", "__complete", "--", "pc", "c", ""}); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if got, want := b.String(), "a\nb\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestHiddenCommandsAreNotOffered guards the shell against candidates that no person types.
func TestHiddenCommandsAreNotOffered(t *testing.T) {
	e := testEnv(nil)
	for _, name := range append(primaryNames(&cli.Command{Subcommands: commands(e)}), commandNames(&cli.Command{Subcommands: commands(e)})...) {
		if strings.HasPrefix(name, "_") {
			t.Errorf("got %s among the names, want it hidden", name)
		}
	}
}

func FuzzComplete(f *testing.F) {
	for _, seed := range []string{"", "pc ", "lint --output = j", "= = =", "-- -", "help help", "lint -o", "lint -qo "} {
		f.Add(seed)
	}
	names := func() captureNames {
		return captureNames{Proxies: []string{"p"}, Ztunnels: []string{"z"}, Clusters: []string{"c"}}
	}
	f.Fuzz(func(t *testing.T, line string) {
		app := newApp(testEnv(nil), testCommands(nil))
		for _, candidate := range complete(app, strings.Split(line, " "), names) {
			if !printable(candidate) && printable(line) {
				t.Errorf("got candidate %q for %q, want printable text", candidate, line)
			}
		}
	})
}
