package live

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Envoy is an Envoy process.
type Envoy struct {
	admin  netip.AddrPort
	log    string // path
	cmd    *exec.Cmd
	stop   context.CancelFunc
	exited chan struct{} // closed when the process is gone
	err    error         // why, once exited is closed
}

// EnvoyOptions say which Envoy runs what.
type EnvoyOptions struct {
	// Path is the program; empty means "envoy" from PATH.
	Path string
	// Dir is the folder it runs in; its log is written there.
	Dir string
	// Config is the bootstrap, relative to Dir.
	Config string
	// Admin is the address of the admin interface that the bootstrap names.
	Admin netip.AddrPort
	// Concurrency is the number of worker threads; 0 means 2.
	Concurrency int
	// Drain is how long removed listeners drain, in whole seconds; 0 means one.
	Drain time.Duration
	// Ready bounds the wait until Envoy is live; 0 means a minute.
	Ready time.Duration
}

const (
	envoyLog = "envoy.log"
	// graceful is how long Envoy may take to stop before it is killed.
	graceful = 3 * time.Second
	// logTail is how much of Envoy's log an error quotes, in bytes.
	logTail = 2000
)

// StartEnvoy starts an Envoy and waits until it is live. It is stopped by Close,
// or when ctx ends.
func StartEnvoy(ctx context.Context, opts EnvoyOptions) (*Envoy, error) {
	program := opts.Path
	if program == "" {
		program = "envoy"
	}
	program, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("starting Envoy: %w; expected the path of an Envoy, or an envoy in PATH", err)
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, fmt.Errorf("starting Envoy: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	e := &Envoy{admin: opts.Admin, log: filepath.Join(opts.Dir, envoyLog), stop: stop, exited: make(chan struct{})}
	log, err := os.Create(e.log)
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting Envoy: %w", err)
	}
	defer log.Close()
	e.cmd = exec.CommandContext(ctx, program, "-c", opts.Config, "--disable-hot-restart",
		"--concurrency", strconv.Itoa(cmp.Or(opts.Concurrency, 2)),
		"--file-flush-interval-msec", "20", "--drain-time-s", strconv.Itoa(max(int(opts.Drain.Seconds()), 1)),
		"--log-level", "warning", "--component-log-level", "misc:error")
	e.cmd.Dir, e.cmd.Stdout, e.cmd.Stderr = opts.Dir, log, log
	e.cmd.Cancel = func() error { return e.cmd.Process.Signal(os.Interrupt) }
	e.cmd.WaitDelay = graceful
	if err := e.cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("starting Envoy: %w", err)
	}
	go func() {
		e.err = e.cmd.Wait()
		close(e.exited)
	}()
	if err := e.awaitReady(ctx, opts.Ready); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// Close stops the process and waits until it is gone.
func (e *Envoy) Close() {
	e.stop()
	<-e.exited
}

// Exited is closed when the process is gone, for whatever reason.
func (e *Envoy) Exited() <-chan struct{} { return e.exited }

func (e *Envoy) awaitReady(ctx context.Context, patience time.Duration) error {
	if patience <= 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := e.Get(ctx, "/ready"); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-e.exited:
			return fmt.Errorf("starting Envoy: it stopped with %w; the end of its log:\n%s", orClean(e.err), e.tail())
		case <-ctx.Done():
			return fmt.Errorf("starting Envoy: it is not ready: %w; the end of its log:\n%s", ctx.Err(), e.tail())
		}
	}
}

func orClean(err error) error {
	if err == nil {
		return errors.New("exit code 0")
	}
	return err
}

// tail is the end of Envoy's log.
func (e *Envoy) tail() []byte {
	text, err := os.ReadFile(e.log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-logTail):])
}

// Get asks the admin interface, such as for "/clusters".
func (e *Envoy) Get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.admin.String()+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy for %s: %w", path, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy for %s: %w", path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking Envoy for %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking Envoy for %s: expected status 200, got %s", path, response.Status)
	}
	return text, nil
}
