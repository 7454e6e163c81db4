package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/replay/live"
	"github.com/meshray/meshray/analyze/request"
)

// replaying is one run of the command.
type replaying struct {
	context *cli.Context
	env     env
	talk    *conversation
	proxy   *mesh.Proxy
	folder  *replay.Folder
	dir     string // where the folder was written; empty until somebody needs it
}

// interruptible ends when the process is told to stop.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// start runs the stubs and Envoy. The function it returns stops them.
func (r *replaying) start(ctx context.Context) (*live.Session, func(), error) {
	dir, remove := r.dir, func() {}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "meshray-replay-"); err != nil {
			return nil, nil, fmt.Errorf("writing the replay: %w", err)
		}
		remove = func() { os.RemoveAll(dir) }
		if err := live.Write(r.folder, dir, false); err != nil {
			remove()
			return nil, nil, err
		}
	}
	session, err := live.Start(ctx, r.folder, live.Options{Dir: dir, Envoy: r.context.String("envoy")})
	if err != nil {
		remove()
		return nil, nil, err
	}
	for _, refused := range session.Rejected {
		r.talk.note("this Envoy refuses %s: %s", refused.Name, refused.Reason)
	}
	return session, func() { session.Close(); remove() }, nil
}

// run keeps stubs and Envoy running until the process is told to stop.
func (r *replaying) run() error {
	ctx, cancel := interruptible()
	defer cancel()
	session, stop, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := r.written(); err != nil {
		return err
	}
	if err := r.howTo(r.env.stdout); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-session.Exited():
		return errors.New("running Envoy: expected it to run until interrupted, and it stopped")
	}
}

// stubs runs the stubs alone until the process is told to stop.
func (r *replaying) stubs() error {
	ctx, cancel := interruptible()
	defer cancel()
	stubs, err := live.StartStubs(ctx, r.folder.Backends)
	if err != nil {
		return err
	}
	defer stubs.Close()
	r.talk.note("%s answer until interrupted", plural(len(r.folder.Backends), "stub", "stubs"))
	<-ctx.Done()
	return nil
}

// howTo says how to send a request to a listener of each kind. Those without a
// direction, such as the one for statistics, come last.
func (r *replaying) howTo(w io.Writer) error {
	fmt.Fprintf(w, "\nAdmin: curl http://%s/\nStop with Ctrl-C. To send a request:\n", r.folder.Admin)
	told := map[string]bool{}
	var directed, others []replay.Listener
	for _, l := range r.folder.Listeners {
		if l.Direction == "UNSPECIFIED" {
			others = append(others, l)
			continue
		}
		directed = append(directed, l)
	}
	for _, l := range append(directed, others...) {
		command := sendCommand(l)
		if told[command.kind] {
			continue
		}
		told[command.kind] = true
		if _, err := fmt.Fprintf(w, "  %s\n", command.text); err != nil {
			return err
		}
	}
	return nil
}

type exampleCommand struct{ kind, text string }

// sendCommand is a command line that sends a request to a listener.
func sendCommand(l replay.Listener) exampleCommand {
	host, port := l.Address.Addr(), l.Address.Port()
	switch {
	case l.ProxyProtocol:
		return exampleCommand{"proxied " + l.Direction, fmt.Sprintf(
			`printf 'PROXY TCP4 10.0.0.9 10.96.0.1 40000 80\r\nGET / HTTP/1.1\r\nhost: SERVICE\r\nconnection: close\r\n\r\n' | nc %s %d   # to 10.96.0.1:80, %s`,
			host, port, sanitize(l.Name))}
	case l.TLS:
		return exampleCommand{"tls", fmt.Sprintf("curl -k --connect-to ::%s:%d https://HOST/   # %s", host, port, sanitize(l.Name))}
	}
	return exampleCommand{"plain", fmt.Sprintf("curl -H 'host: HOST' http://%s:%d/   # %s", host, port, sanitize(l.Name))}
}

// batch is how many requests are sent before their answers are printed.
const batch = 1000

// requests sends the requests of a file and prints them with what Envoy did.
func (r *replaying) requests() error {
	in, name, err := r.env.open(r.context.String("requests"))
	if err != nil {
		return err
	}
	defer in.Close()
	ctx, cancel := interruptible()
	defer cancel()
	session, stop, err := r.start(ctx)
	if err != nil {
		return err
	}
	defer stop()
	r.talk.note("%s from the capture; -o DIR writes them down in README.md", plural(len(r.folder.Changes), "thing differs", "things differ"))
	return buffered(r.env.stdout, func(w io.Writer) error { return r.sendAll(ctx, session, in, name, w) })
}

func (r *replaying) sendAll(ctx context.Context, session *live.Session, in io.Reader, name string, w io.Writer) error {
	var lines []request.Line
	err := request.Read(in, name, func(_ int, line request.Line) error {
		lines = append(lines, line)
		if len(lines) < batch {
			return nil
		}
		err := sendLines(ctx, session, lines, w)
		lines = lines[:0]
		return err
	})
	if err != nil {
		return err
	}
	return sendLines(ctx, session, lines, w)
}

func sendLines(ctx context.Context, session *live.Session, lines []request.Line, w io.Writer) error {
	observed, err := session.SendAll(ctx, lines)
	if err != nil {
		return err
	}
	for i := range lines {
		lines[i].Observed = &observed[i]
		text, err := lines[i].Append(nil)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
