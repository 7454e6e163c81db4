package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/lintfile"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader"
	"github.com/meshray/meshray/rules"
)

// historyFlags are what lint knows of earlier runs and of what is accepted.
func historyFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "config", Category: ruleCategory, Usage: "suppressions and own rules from `FILE` (default: " + lintfile.Name + ", if there is one)"},
		&cli.BoolFlag{Name: "no-config", Category: ruleCategory, DisableDefaultText: true, Usage: "do not read " + lintfile.Name},
		&cli.StringFlag{Name: "baseline", Category: ruleCategory, Usage: "findings in `FILE` are known: only others count"},
		&cli.StringFlag{Name: "write-baseline", Category: ruleCategory, Usage: "write today's findings to `FILE`"},
		&cli.BoolFlag{Name: "prune", Category: ruleCategory, DisableDefaultText: true, Usage: "take out of the --baseline file what is fixed"},
		&cli.StringFlag{Name: "since", Category: ruleCategory, Usage: "findings that the earlier `CAPTURE` has too are known: only others count"},
	}
}

// lintConfig reads the lint file: the named one, or the one where the command runs.
func lintConfig(c *cli.Context) (*lintfile.File, error) {
	if c.Bool("no-config") {
		return &lintfile.File{}, nil
	}
	name := c.String("config")
	data, err := os.ReadFile(orDefault(name, lintfile.Name))
	if name == "" && errors.Is(err, fs.ErrNotExist) {
		return &lintfile.File{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the lint file: %w", err)
	}
	return lintfile.Read(data, orDefault(name, lintfile.Name), rules.All())
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// baseline is the file of --baseline.
type baseline struct {
	SchemaVersion int            `json:"schemaVersion"`
	Findings      []analyze.Past `json:"findings"`
}

func readBaseline(path string) (baseline, error) {
	var b baseline
	data, err := os.ReadFile(path)
	if err != nil {
		return b, fmt.Errorf("reading the baseline: %w; --write-baseline makes one", err)
	}
	if err := json.Unmarshal(data, &b); err != nil {
		return b, fmt.Errorf("reading the baseline %s: %w: expected what --write-baseline writes", path, err)
	}
	if b.SchemaVersion != schemaVersion {
		return b, fmt.Errorf("reading the baseline %s: got schemaVersion %d, expected %d", path, b.SchemaVersion, schemaVersion)
	}
	return b, nil
}

func writeBaseline(path string, findings []analyze.Past) error {
	if findings == nil {
		findings = []analyze.Past{}
	}
	data, err := json.MarshalIndent(baseline{SchemaVersion: schemaVersion, Findings: findings}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the baseline: %w", err)
	}
	return nil
}

// compareWithPast takes out of the result what a baseline or an earlier capture
// has, and writes the baselines that are asked for.
func compareWithPast(c *cli.Context, e env, talk *conversation, selected []*analyze.Rule, result *analyze.Result, scope analyze.Options) error {
	if path := c.String("write-baseline"); path != "" {
		if err := writeBaseline(path, analyze.PastOf(result.Findings)); err != nil {
			return err
		}
		talk.note("%s written to %s", plural(len(result.Findings), "finding", "findings"), path)
	}
	if c.String("baseline") != "" && c.String("since") != "" {
		return usageError{message: "--baseline and --since are two pasts: name one"}
	}
	if old := c.String("since"); old != "" {
		past, err := findingsOf(c, e, talk, old, selected, scope)
		if err != nil {
			return err
		}
		result.Since(past)
	}
	if path := c.String("baseline"); path != "" {
		b, err := readBaseline(path)
		if err != nil {
			return err
		}
		result.Since(b.Findings)
		if c.Bool("prune") {
			return prune(path, b, result, talk)
		}
	}
	return nil
}

// findingsOf judges an earlier capture by the same rules.
func findingsOf(c *cli.Context, e env, talk *conversation, path string, selected []*analyze.Rule, scope analyze.Options) ([]analyze.Past, error) {
	capture, err := e.load(captureSource{paths: []string{path}}, talk, loader.Options{Limits: limitsOf(c)})
	if err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	if err := judgeable(capture); err != nil {
		return nil, fmt.Errorf("--since %s: %w", path, err)
	}
	scope.Proxy = sameProxy(capture, scope.Proxy)
	return analyze.PastOf(analyze.Run(capture, selected, scope).Findings), nil
}

// sameProxy is the proxy of the same name in another capture; nil for nil, and for
// one that it does not have, which then judges all.
func sameProxy(c *mesh.Capture, p *mesh.Proxy) *mesh.Proxy {
	if p == nil {
		return nil
	}
	for _, candidate := range c.Proxies {
		if candidate.Name == p.Name && candidate.Namespace == p.Namespace {
			return candidate
		}
	}
	return nil
}

// prune writes the baseline again without what is fixed.
func prune(path string, b baseline, result *analyze.Result, talk *conversation) error {
	gone := map[string]bool{}
	for _, p := range result.Fixed {
		gone[p.Fingerprint] = true
	}
	left := []analyze.Past{}
	for _, p := range b.Findings {
		if !gone[p.Fingerprint] {
			left = append(left, p)
		}
	}
	talk.note("%s taken out of %s", plural(len(b.Findings)-len(left), "finding", "findings"), path)
	return writeBaseline(path, left)
}
