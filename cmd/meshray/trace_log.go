package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// logsOfCapture is the value of --access-log for the logs in the capture.
const logsOfCapture = "capture"

// accessLogMode replays access logs: which lines this configuration explains.
type accessLogMode struct{}

func (accessLogMode) run(c *cli.Context, e env) error {
	formats, err := logFormat(c)
	if err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	options, err := traceOptions(c)
	if err != nil {
		return err
	}
	// The reasons tell which headers the decision asked for: a log may not have them.
	options.FirstHop, options.Why = true, true
	r := &logReplay{engine: trace.New(capture), options: options, formats: formats}
	if c.String("access-log") == logsOfCapture {
		err = r.ofCapture(c, capture)
	} else {
		err = r.ofFile(c, e, capture)
	}
	if err != nil {
		return err
	}
	if err := e.page(c.Bool("no-pager"), func(w io.Writer) error { return r.write(w, c.String("output"), e.colored(c.String("color"))) }); err != nil {
		return err
	}
	return r.verdict()
}

// verdict is errFindings where a request is not explained, and trouble where there
// was none to explain.
func (r *logReplay) verdict() error {
	requests := 0
	for _, l := range r.logs {
		requests += l.summary.Requests
		if l.groups.Unexplained > 0 {
			return errFindings
		}
	}
	if requests == 0 {
		return fmt.Errorf("no request in %s: expected an access log as text; name its format with --log-format", r.logs[0].name)
	}
	return nil
}

// logFormat reads --log-format.
func logFormat(c *cli.Context) ([]*expect.Format, error) {
	text := c.String("log-format")
	if text == "" {
		return nil, nil
	}
	format, err := expect.CompileFormat(text)
	if err != nil {
		return nil, usageError{message: fmt.Sprintf("invalid value for flag --log-format: %v", err)}
	}
	return []*expect.Format{format}, nil
}

// logReplay is one run over access logs.
type logReplay struct {
	engine  *trace.Engine
	options trace.Options
	formats []*expect.Format
	logs    []replayedLog
}

// replayedLog is one log and what the configuration makes of it.
type replayedLog struct {
	proxy   *mesh.Proxy
	name    string
	summary expect.Summary
	groups  *expect.Groups
	format  string
	unread  []string
}

func (r *logReplay) ofFile(c *cli.Context, e env, capture *mesh.Capture) error {
	p, err := proxyNamed(c, capture)
	if err != nil {
		return err
	}
	in, name, err := e.open(c.String("access-log"))
	if err != nil {
		return err
	}
	defer in.Close()
	return r.replay(p, name, in)
}

// ofCapture replays the logs that the capture itself has, of one proxy or of all.
func (r *logReplay) ofCapture(c *cli.Context, capture *mesh.Capture) error {
	proxies := capture.Proxies
	if c.NArg() > 0 {
		p, err := proxyNamed(c, capture)
		if err != nil {
			return err
		}
		proxies = []*mesh.Proxy{p}
	}
	for _, p := range proxies {
		for _, doc := range []*mesh.Doc[[]mesh.LogLine]{p.Log, p.AccessLog} {
			if doc == nil {
				continue
			}
			lines, err := doc.Get()
			if err != nil {
				continue
			}
			if err := r.replay(p, doc.Source.File, strings.NewReader(logText(lines))); err != nil {
				return err
			}
		}
	}
	if len(r.logs) == 0 {
		return fmt.Errorf("the capture has no log of a proxy: name one with --access-log FILE")
	}
	return nil
}

// logText is a log's lines at the numbers that they had.
func logText(lines []mesh.LogLine) string {
	var b strings.Builder
	number := 1
	for _, line := range lines {
		for ; number < line.Line; number++ {
			b.WriteByte('\n')
		}
		b.WriteString(line.Text)
		b.WriteByte('\n')
		number++
	}
	return b.String()
}

func (r *logReplay) replay(p *mesh.Proxy, name string, in io.Reader) error {
	log := replayedLog{proxy: p, name: name, groups: &expect.Groups{HasCluster: func(name string) bool { return p.Active(mesh.Cluster, name) != nil }}}
	formats := r.formats
	if formats == nil {
		var own []*expect.Format
		own, log.unread = expect.FormatsOf(p)
		formats = append(own, expect.Builtin()...)
	}
	summary, err := expect.ReadLog(in, formats, func(entry expect.Entry) error {
		log.format = entry.Format.Name
		direction := entry.Line.Direction
		if p.Kind == mesh.Gateway {
			direction = "" // the clusters of a gateway are named as a sidecar's outbound ones
		}
		traced, err := r.engine.Trace(p, entry.Line.Request, direction, r.options)
		if err != nil {
			log.groups.Add(entry, expect.Unknown, nil, expect.Prediction{Unknowns: []string{err.Error()}})
			return nil
		}
		outcomes := expect.LoggedOutcomes(traced, entry.Line.Request)
		match, differs := expect.Explained(*entry.Line.Observed, outcomes)
		predicted := expect.Predict(traced)
		predicted.Unknowns = outcomes[0].Unknowns
		log.groups.Add(entry, match, differs, predicted)
		return nil
	})
	log.summary = summary
	if err != nil {
		return fmt.Errorf("reading the access log %s: %w", name, err)
	}
	r.logs = append(r.logs, log)
	return nil
}
