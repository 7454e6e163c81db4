package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

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

// past is what a run is compared with.
type past struct {
	// known is what --baseline holds; nil without one.
	known *baseline
	since string
}

// readPast reads the flags and the baseline, before a capture is opened for nothing.
func readPast(c *cli.Context) (past, error) {
	p := past{since: c.String("since")}
	path := c.String("baseline")
	switch {
	case c.Bool("prune") && path == "":
		return p, usageError{message: "--prune needs a --baseline to prune"}
	case c.Bool("prune") && (c.String("namespace") != "" || c.String("proxy") != ""):
		return p, usageError{message: "--prune is for all of a capture: it would take out what --namespace or --proxy leaves out", hint: "run it without them"}
	case path != "" && p.since != "":
		return p, usageError{message: "--baseline and --since are two pasts: name one"}
	case path == "":
		return p, nil
	}
	known, err := readBaseline(path)
	p.known = &known
	return p, err
}

// compare takes out of the result what a baseline or an earlier capture has. It returns
// the baselines to write, by path.
func (p past) compare(c *cli.Context, e env, talk *conversation, selected []*analyze.Rule, result *analyze.Result, scope analyze.Options) (map[string][]analyze.Past, error) {
	write := map[string][]analyze.Past{}
	if path := c.String("write-baseline"); path != "" {
		write[path] = analyze.PastOf(result.Findings)
	}
	if p.since != "" {
		before, err := findingsOf(c, e, talk, p.since, selected, scope)
		if err != nil {
			return nil, err
		}
		result.Since(before)
	}
	if p.known == nil {
		return write, nil
	}
	result.Since(p.known.Findings)
	if path := c.String("baseline"); c.Bool("prune") && write[path] == nil {
		write[path] = left(p.known.Findings, result.Fixed)
		talk.note("%s taken out of %s", plural(len(p.known.Findings)-len(write[path]), "finding", "findings"), path)
	}
	return write, nil
}

// left is what of a baseline is not fixed.
func left(findings, fixed []analyze.Past) []analyze.Past {
	gone := map[string]bool{}
	for _, p := range fixed {
		gone[p.Fingerprint] = true
	}
	return slices.DeleteFunc(slices.Clone(findings), func(p analyze.Past) bool { return gone[p.Fingerprint] })
}

func writeBaselines(baselines map[string][]analyze.Past, talk *conversation) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(baselines)) {
		err := writeBaseline(path, baselines[path])
		if err == nil {
			talk.note("%s written to %s", plural(len(baselines[path]), "finding", "findings"), path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
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
	if scope.Proxy, err = sameProxy(capture, scope.Proxy); err != nil {
		return nil, fmt.Errorf("--since %s: %w", path, err)
	}
	return analyze.PastOf(analyze.Run(capture, selected, scope).Findings), nil
}

// sameProxy is the proxy of the same name in another capture, or else a replica of it;
// nil for nil.
func sameProxy(c *mesh.Capture, p *mesh.Proxy) (*mesh.Proxy, error) {
	if p == nil {
		return nil, nil
	}
	var replica *mesh.Proxy
	for _, candidate := range c.Proxies {
		switch {
		case candidate.Namespace != p.Namespace:
		case candidate.Name == p.Name:
			return candidate, nil
		case replica == nil && candidate.Workload() == p.Workload():
			replica = candidate
		}
	}
	if replica == nil {
		return nil, fmt.Errorf("it has no replica of %s", p.Key())
	}
	return replica, nil
}
