package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

// requestsMode answers a file of requests, a line each.
type requestsMode struct{}

func (requestsMode) run(c *cli.Context, e env) error {
	talk := e.conversation(c.Bool("quiet"))
	in, name, err := e.open(c.String("requests"))
	if err != nil {
		return err
	}
	defer in.Close()
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	options, err := traceOptions(c)
	if err != nil {
		return err
	}
	options.FirstHop = true
	answers := &answering{context: c, capture: capture, engine: trace.New(capture), options: options}
	err = e.page(c.Bool("no-pager"), func(w io.Writer) error { return answers.all(w, in, name) })
	if err != nil {
		return err
	}
	return answers.verdict(talk)
}

// open returns the file at path, standard input for "-", and what to call it.
func (e env) open(path string) (io.ReadCloser, string, error) {
	if path == "-" {
		return io.NopCloser(e.stdin), "standard input", nil
	}
	file, err := os.Open(path)
	return file, path, err
}

// answering is one run over a file of requests.
type answering struct {
	context *cli.Context
	capture *mesh.Capture
	engine  *trace.Engine
	options trace.Options

	requests, observed int
	matches            map[expect.Match]int
	// proxies are those named so far.
	proxies map[string]*mesh.Proxy
}

func (a *answering) all(w io.Writer, in io.Reader, name string) error {
	a.matches, a.proxies = map[expect.Match]int{}, map[string]*mesh.Proxy{}
	var rows [][]string
	err := request.Read(in, name, func(number int, line request.Line) error {
		answer, err := a.answer(line)
		if err != nil {
			return &request.LineError{File: name, Line: number, Err: err}
		}
		if a.context.String("output") == textFormat {
			rows = append(rows, answerRow(answer, &line.Request))
			return nil
		}
		return writeLine(w, answer)
	})
	if err != nil || rows == nil {
		return err
	}
	return writeTable(w, layout{padding: 2}, append([][]string{{"ID", "REQUEST", "VERDICT", "TO", "MATCH", "DIFFERS"}}, rows...), nil)
}

func (a *answering) answer(line request.Line) (expect.Answer, error) {
	p, err := a.proxy(line.Proxy)
	if err != nil {
		return expect.Answer{}, err
	}
	t, err := a.engine.Trace(p, line.Request, line.Direction, a.options)
	if err != nil {
		return expect.Answer{}, err
	}
	a.requests++
	answer := expect.Answer{ID: line.ID, Proxy: line.Proxy, Predicted: expect.Predict(t)}
	answer.Unknowns = answer.Predicted.Unknowns
	if line.Observed != nil {
		answer.Match, answer.Differs = expect.Explained(*line.Observed, expect.Outcomes(t))
		a.observed++
		a.matches[answer.Match]++
	}
	return answer, nil
}

// proxy finds the proxy that a line names, or the one of the command line.
func (a *answering) proxy(name string) (*mesh.Proxy, error) {
	if name == "" {
		name = a.context.Args().First()
	}
	if p, ok := a.proxies[name]; ok {
		return p, nil
	}
	p, err := findProxy(a.context, a.capture, name)
	if err != nil {
		return nil, err
	}
	a.proxies[name] = p
	return p, nil
}

// verdict says on standard error how many requests are explained.
func (a *answering) verdict(talk *conversation) error {
	if a.requests == 0 {
		return errors.New("no requests: expected a JSON object in every line")
	}
	if a.observed == 0 {
		talk.note("%s, none with an observation", plural(a.requests, "request", "requests"))
		return nil
	}
	talk.note("%s, %d observed: %d explained, %d not, %d cannot be known", plural(a.requests, "request", "requests"),
		a.observed, a.matches[expect.Yes], a.matches[expect.No], a.matches[expect.Unknown])
	if a.matches[expect.No] > 0 {
		return errFindings
	}
	return nil
}

func answerRow(a expect.Answer, r *request.Request) []string {
	to := a.Predicted.Cluster
	switch {
	case len(a.Predicted.Weights) > 0:
		var parts []string
		for _, w := range a.Predicted.Weights {
			parts = append(parts, fmt.Sprintf("%s %d", w.Cluster, w.Weight))
		}
		to = strings.Join(parts, ", ")
	case a.Predicted.Location != "":
		to = a.Predicted.Location
	case a.Predicted.Status > 0:
		to = strings.TrimSpace(fmt.Sprintf("%d %s", a.Predicted.Status, a.Predicted.Flags))
	}
	return []string{a.ID, r.String(), string(a.Predicted.Verdict), to, string(a.Match), strings.Join(a.Differs, ",")}
}
