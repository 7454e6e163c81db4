package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/loader"
)

// testedCapture is a capture that tests ask.
type testedCapture struct {
	capture *mesh.Capture
	engine  *trace.Engine
}

// suiteFile runs a file of expectations, or records them.
func (r *testRun) suiteFile(data []byte, path, name string) error {
	suite, err := expect.ReadSuite(data, name)
	if err != nil {
		return err
	}
	update := r.context.Bool("update")
	if update && path == "-" {
		return usageError{message: "--update writes into the test file, and standard input is none"}
	}
	asked, err := r.captureOf(suite.Capture, path)
	if err != nil {
		return err
	}
	for i := range suite.Tests {
		test := &suite.Tests[i]
		got, proxy, err := r.predict(asked, test)
		if err != nil {
			return fmt.Errorf("%s:%d: test %q: %w", name, test.Line, test.Name, err)
		}
		if update {
			suite.Record(i, got)
		}
		result := testResult{file: name, line: test.Line, name: test.Name, proxy: proxy, differences: expect.Compare(test.Expect, got)}
		if test.Expect.Empty() {
			result.skipped = "nothing is expected; --update records what happens today"
		}
		if len(result.differences) > 0 {
			result.unknowns = got.Unknowns
		}
		r.results = append(r.results, result)
	}
	if !update {
		return nil
	}
	return r.save(suite, data, path)
}

// save writes a file whose expectations changed.
func (r *testRun) save(suite *expect.Suite, before []byte, path string) error {
	after, err := suite.Bytes()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	r.recorded++
	if err := os.WriteFile(path, after, 0o644); err != nil {
		return fmt.Errorf("writing the expectations: %w", err)
	}
	return nil
}

// predict is what a capture says about a test's request.
func (r *testRun) predict(asked *testedCapture, test *expect.Test) (got expect.Prediction, proxy string, err error) {
	name := test.Input.Proxy
	if name == "" {
		name = r.context.String("proxy")
	}
	p, err := findProxy(r.context, asked.capture, name)
	if err != nil {
		return got, "", err
	}
	traced, err := asked.engine.Trace(p, test.Input.Request, test.Input.Direction, trace.Options{FirstHop: true})
	if err != nil {
		return got, "", err
	}
	if err := r.count(p, traced); err != nil {
		return got, "", err
	}
	return expect.Predict(traced), p.Key(), nil
}

// count notes which routes a test went through.
func (r *testRun) count(p *mesh.Proxy, traced *trace.Trace) error {
	if !r.context.Bool("coverage") && !r.context.IsSet("fail-under") {
		return nil
	}
	for i := range traced.Paths {
		if err := r.coverage.Through(p, &traced.Paths[i].Hops[0].Outcome); err != nil {
			return err
		}
	}
	return nil
}

// captureOf opens the capture of the flags, or else the one that a test file names,
// or else the one of the environment. Each is read once.
func (r *testRun) captureOf(named, testFile string) (*testedCapture, error) {
	flags := r.context.StringSlice("file")
	source := captureSource{paths: []string{named}}
	switch {
	case len(flags) > 0 || named == "":
		var err error
		if source, err = captureFrom(r.env, nil, flags); err != nil {
			return nil, err
		}
	case !filepath.IsAbs(named) && testFile != "-":
		source.paths[0] = filepath.Join(filepath.Dir(testFile), named)
	}
	key := strings.Join(source.paths, "\x00")
	if known, ok := r.captures[key]; ok {
		return known, nil
	}
	capture, err := r.env.load(source, r.talk, loader.Options{Limits: limitsOf(r.context), AsOf: asOf(r.context)})
	if err != nil {
		return nil, err
	}
	r.captures[key] = &testedCapture{capture: capture, engine: trace.New(capture)}
	return r.captures[key], nil
}
