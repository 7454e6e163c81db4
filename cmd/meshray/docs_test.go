package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/fixtures"
)

// TestCommandDocs holds docs/commands.md to the help texts of all commands.
func TestCommandDocs(t *testing.T) {
	var doc bytes.Buffer
	doc.WriteString("# Commands\n\nThe help texts of all commands, as `meshray COMMAND --help` prints them; rewritten by `make golden`.\n")
	for _, c := range commands(newEnv(nil, nil, nil)) {
		writeCommandDocs(t, &doc, c, "##")
	}
	fixtures.Golden(t, filepath.Join(fixtures.Root(t), "docs", "commands.md"), doc.Bytes())
}

func writeCommandDocs(t *testing.T, doc *bytes.Buffer, c *cli.Command, heading string, above ...string) {
	t.Helper()
	if c.Hidden {
		return
	}
	words := append(above[:len(above):len(above)], c.Name)
	var out, errs bytes.Buffer
	args := append([]string{"meshray"}, append(words, "--help")...)
	if code := run(args, strings.NewReader(""), &out, &errs); code != exitClean {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.Bytes())
	}
	fmt.Fprintf(doc, "\n%s meshray %s\n\n```text\n%s\n```\n", heading, strings.Join(words, " "), strings.TrimSpace(out.String()))
	for _, sub := range c.Subcommands {
		writeCommandDocs(t, doc, sub, heading+"#", words...)
	}
}

// TestTour runs every command of README.md's console blocks in the root of the
// repository and compares what it prints with what stands there. "| head -N" is
// understood. With -update the blocks are rewritten.
func TestTour(t *testing.T) {
	name := filepath.Join(fixtures.Root(t), "README.md")
	readme, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(fixtures.Root(t))
	t.Setenv("NO_COLOR", "1")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	var got strings.Builder
	blocks := strings.Split(string(readme), "```console\n")
	got.WriteString(blocks[0])
	if len(blocks) < 5 {
		t.Fatalf("want the tour of README.md in console blocks, got %d", len(blocks)-1)
	}
	for _, block := range blocks[1:] {
		session, after, ok := strings.Cut(block, "```\n")
		if !ok {
			t.Fatalf("a console block of README.md is not closed: %q", block)
		}
		got.WriteString("```console\n" + rerun(t, session) + "```\n" + after)
	}
	if fixtures.Update() {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != string(readme) {
		t.Errorf("README.md shows what meshray no longer prints; run `make golden`:\n%s", fixtures.Diff("README.md", string(readme), got.String()))
	}
}

// rerun runs the commands of a session and returns it with their output.
func rerun(t *testing.T, session string) string {
	t.Helper()
	var out strings.Builder
	for _, line := range strings.Split(session, "\n") {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		out.WriteString(line + "\n")
		if assignment, ok := strings.CutPrefix(command, "export "); ok {
			name, value, _ := strings.Cut(assignment, "=")
			t.Setenv(name, value)
			continue
		}
		out.WriteString(runLine(t, command))
	}
	return out.String()
}

func runLine(t *testing.T, command string) string {
	t.Helper()
	command, head, cut := strings.Cut(command, " | head -")
	args := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(command))
	if len(args) == 0 || args[0] != "meshray" {
		t.Fatalf("the tour runs %q, want a meshray command", command)
	}
	var text, errs bytes.Buffer
	code := run(args, strings.NewReader(""), &text, &errs)
	if code == exitTrouble {
		t.Fatalf("%s: %s", command, errs.Bytes())
	}
	lines := strings.SplitAfter(text.String(), "\n")
	if n, err := strconv.Atoi(strings.TrimSpace(head)); cut && err == nil && n < len(lines) {
		lines = lines[:n]
	}
	for i, line := range lines {
		if body, ok := strings.CutSuffix(line, "\n"); ok {
			lines[i] = strings.TrimRight(body, " ") + "\n"
		}
	}
	return strings.Join(lines, "")
}
