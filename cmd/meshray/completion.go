package main

import (
	_ "embed"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

//go:embed completion.bash
var bashCompletion string

//go:embed completion.zsh
var zshCompletion string

//go:embed completion.fish
var fishCompletion string

func completionCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the completion script of a shell",
		ArgsUsage: "bash|zsh|fish",
		Description: `source <(meshray completion bash)
meshray completion zsh > "${fpath[1]}/_meshray"
meshray completion fish > ~/.config/fish/completions/meshray.fish`,
		Action: func(c *cli.Context) error {
			return completionScript(e.stdout, c.Args().Slice())
		},
	}
}

func completionScript(w io.Writer, shells []string) error {
	const hint = "meshray completion bash|zsh|fish"
	if len(shells) != 1 {
		return usageError{message: fmt.Sprintf("want one shell, got %d", len(shells)), hint: hint}
	}
	script := ""
	switch shells[0] {
	case "bash":
		script = bashCompletion
	case "zsh":
		script = zshCompletion
	case "fish":
		script = fishCompletion
	default:
		return usageError{message: fmt.Sprintf("unknown shell %q: want bash, zsh or fish", shells[0]), hint: hint}
	}
	_, err := io.WriteString(w, script)
	return err
}

// completeCommand is what the completion scripts call: meshray __complete -- WORD..., the words of
// the command line up to the cursor, the last one being under it and maybe empty.
func completeCommand(e env) *cli.Command {
	return &cli.Command{
		Name:            "__complete",
		Usage:           "print the candidates for the last word, one a line",
		Hidden:          true,
		SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			words := c.Args().Slice()
			if len(words) > 0 && words[0] == "--" {
				words = words[1:]
			}
			for _, candidate := range complete(c.App, words, e.captureNames) {
				if _, err := fmt.Fprintln(e.stdout, candidate); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
