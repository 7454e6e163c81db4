package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// peerKinds are the tables of istioctl in shared/captures/peer-tables and the arguments that give
// them.
var peerKinds = []struct{ name, args string }{
	{"cluster", "cluster"},
	{"cluster-outbound-9080", "cluster --direction outbound --port 9080"},
	{"cluster-reviews", "cluster --fqdn reviews"},
	{"listener", "listener"},
	{"listener-15001", "listener --port 15001"},
	{"listener-http", "listener --type HTTP"},
	{"listener-tcp", "listener --type TCP"},
	{"listener-short", "listener --verbose=false"},
	{"route", "route"},
	{"route-9080", "route --name 9080"},
	{"route-short", "route --verbose=false"},
	{"eds", "eds"},
	{"eds-9080", "eds --port 9080"},
	{"endpoint", "endpoint"},
	{"endpoint-9080", "endpoint --port 9080"},
	{"secret", "secret"},
	{"bootstrap-short", "bootstrap -o short"},
}

// differsFromPeer lists tables that differ from istioctl's on purpose, as CAPTURE/NAMESPACE/POD/KIND,
// each with the reason.
var differsFromPeer = map[string]string{}

func TestPeerTables(t *testing.T) {
	shared := fixtures.Shared(t)
	captures := map[string]string{
		"bookinfo-allow-any": "bookinfo-allow-any", "broken": "broken", "waypoint": "waypoint", "shop": "shop.tar.gz",
	}
	equal, total := 0, 0
	for name, path := range captures {
		pods, err := filepath.Glob(filepath.Join(shared, "captures", "peer-tables", name, "*", "*"))
		if err != nil || len(pods) == 0 {
			t.Fatalf("finding the pods of %s: %d found, %v", name, len(pods), err)
		}
		capture := loadCapture(t, filepath.Join(shared, "captures", path))
		for _, pod := range pods {
			proxy := filepath.Base(pod) + "." + filepath.Base(filepath.Dir(pod))
			for _, kind := range peerKinds {
				total++
				place := strings.Join([]string{name, filepath.Base(filepath.Dir(pod)), filepath.Base(pod), kind.name}, "/")
				want := trimmedLines(readFile(t, filepath.Join(pod, kind.name+".txt")))
				got := runView(capture, append(strings.Fields(kind.args), proxy)...)
				if got.code != exitClean {
					t.Errorf("%s: exit code %d, %s", place, got.code, got.stderr)
					continue
				}
				diff := fixtures.Diff(place, want, trimmedLines(got.stdout))
				if diff == "" {
					equal++
				}
				if (diff == "") == (differsFromPeer[place] != "") {
					t.Errorf("%s: listed as different: %q, and the difference is\n%s", place, differsFromPeer[place], diff)
				}
			}
		}
	}
	t.Logf("%d of %d peer tables equal", equal, total)
	if want := 29 * len(peerKinds); total != want {
		t.Errorf("compared %d tables, want %d", total, want)
	}
}

func loadCapture(t *testing.T, path string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{path}, strings.NewReader(""), loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return capture
}

// runView runs `proxy-config ARGS...` on a capture that is loaded already.
func runView(capture *mesh.Capture, args ...string) outcome {
	e := testEnv(nil)
	var out, errs strings.Builder
	e.stdout, e.stderr = &out, &errs
	command := &cli.Command{Name: "proxy-config"}
	for _, view := range proxyConfigViews() {
		sub := view.command(e)
		sub.Action = func(c *cli.Context) error { return view.show(c, e, e.conversation(false), capture) }
		command.Subcommands = append(command.Subcommands, sub)
	}
	code := execute(e, []*cli.Command{command}, append([]string{"meshray", "proxy-config"}, args...))
	return outcome{code: code, stdout: out.String(), stderr: errs.String()}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// trimmedLines takes the blanks off the ends of lines, which istioctl pads, and the last newline.
func trimmedLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
