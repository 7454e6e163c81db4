package live

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/meshray/meshray/analyze/replay"
	"github.com/meshray/meshray/analyze/request"
)

// Options say how a folder is run.
type Options struct {
	// Dir is where the folder's files are, or are to be written: [Write].
	Dir string
	// Envoy is the program; empty means "envoy" from PATH.
	Envoy string
	// Workers is the number of requests under way at once; 0 means eight.
	Workers int
}

// Session is a running folder: stubs, an Envoy, and a client for it.
type Session struct {
	*Envoy
	// Rejected are the listeners that this Envoy refused.
	Rejected []Rejection

	stubs    *Stubs
	client   *Client
	log      *accessLog
	workers  int
	captured map[string]string // the captured address of a stub, by its own
	sending  sync.Mutex        // one batch at a time reads the log
	sent     atomic.Uint64
}

// Start runs a folder whose files were written to opts.Dir. It returns when Envoy
// is ready. Close stops everything, as the end of ctx does.
func Start(ctx context.Context, folder *replay.Folder, opts Options) (*Session, error) {
	authority, err := replay.NewAuthority()
	if err != nil {
		return nil, err
	}
	stubs, err := StartStubs(ctx, folder.Backends)
	if err != nil {
		return nil, err
	}
	envoy, err := StartEnvoy(ctx, EnvoyOptions{Path: opts.Envoy, Dir: opts.Dir, Config: replay.BootstrapPath, Admin: folder.Admin})
	if err != nil {
		stubs.Close()
		return nil, err
	}
	s := NewSession(envoy, &Client{Authority: authority, Listeners: folder.Listeners, Own: folder.Addresses},
		filepath.Join(opts.Dir, replay.AccessLogPath), folder.Backends)
	s.stubs = stubs
	if opts.Workers > 0 {
		s.workers = opts.Workers
	}
	if s.Rejected, err = envoy.Rejections(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// NewSession puts a session together from parts: an Envoy that writes the access
// log of replay.AccessLogConfig to a file, and a client for it. Backends tell
// which endpoint an address stands for.
func NewSession(envoy *Envoy, client *Client, accessLog string, backends []replay.Backend) *Session {
	s := &Session{Envoy: envoy, client: client, log: newAccessLog(accessLog), workers: 8, captured: map[string]string{}}
	for i := range backends {
		s.captured[backends[i].Address.String()] = backends[i].Endpoint
	}
	return s
}

// Close stops Envoy and the stubs.
func (s *Session) Close() {
	s.Envoy.Close()
	if s.stubs != nil {
		s.stubs.Close()
	}
}

// Send sends one request and tells what became of it.
func (s *Session) Send(ctx context.Context, line request.Line) (request.Observed, error) {
	observed, err := s.SendAll(ctx, []request.Line{line})
	if err != nil {
		return request.Observed{}, err
	}
	return observed[0], nil
}

// SendAll sends requests, several at once and each over a connection of its own,
// and tells what became of each, in the same order. A request that cannot be sent,
// because no listener fits it, is an error; one that fails is observed.
func (s *Session) SendAll(ctx context.Context, lines []request.Line) ([]request.Observed, error) {
	s.sending.Lock()
	defer s.sending.Unlock()
	var exchanges = make([]*exchange, len(lines))
	var errs = make([]error, len(lines))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range s.workers {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(lines)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				exchanges[i], errs[i] = s.client.exchange(ctx, &lines[i], strconv.FormatUint(s.sent.Add(1), 10))
			}
		})
	}
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sending requests: %w", err)
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("sending request %s: %w", name(&lines[i], i), err)
		}
	}
	return s.observe(ctx, exchanges)
}

// name is how an error calls a line.
func name(line *request.Line, i int) string {
	if line.ID != "" {
		return strconv.Quote(line.ID)
	}
	return "#" + strconv.Itoa(i+1)
}

const (
	logInterval = 10 * time.Millisecond
	// logPatience is how long the log may stand still before what is missing in it
	// is taken to never come.
	logPatience = 2 * time.Second
)

// observe waits for the access log of all exchanges and joins them.
func (s *Session) observe(ctx context.Context, exchanges []*exchange) ([]request.Observed, error) {
	out := make([]request.Observed, len(exchanges))
	missing := map[int]bool{}
	for i, x := range exchanges {
		if x.answer.failure == ErrorRefused {
			out[i] = s.observed(x, entry{})
			continue
		}
		missing[i] = true
	}
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	for waited := time.Duration(0); len(missing) > 0 && waited < logPatience; waited += logInterval {
		more, err := s.log.read()
		if err != nil {
			return nil, err
		}
		if more {
			waited = 0
		}
		for i := range missing {
			if found, ok := s.log.find(exchanges[i]); ok {
				out[i] = s.observed(exchanges[i], found)
				delete(missing, i)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the access log: %w", ctx.Err())
		}
	}
	for i := range missing {
		out[i] = s.observed(exchanges[i], entry{})
	}
	return out, nil
}

// observed joins what the client got and what Envoy logged.
func (s *Session) observed(x *exchange, e entry) request.Observed {
	a := &x.answer
	o := request.Observed{
		Error: a.failure, Flags: e.Flags, Details: e.Details, FilterChain: e.FilterChain,
		VirtualHost: e.VirtualHost, Route: e.Route, Cluster: e.Cluster, Upstream: s.upstream(e.Upstream),
		Received: strings.ToValidUTF8(strings.TrimSuffix(string(a.received), "\n"), "\uFFFD"),
	}
	if o.Details == "" {
		o.Details = e.Termination
	}
	if e.TLSFailure != "" && o.Error != "" && x.request.TLS != nil {
		o.Error = ErrorTLS // the alert may be lost when the connection is reset
	}
	if a.echo != nil {
		o.Backend = a.echo.Stub
	}
	if e.Kind == "tcp" {
		o.Protocol = request.TCP
		return o
	}
	o.Status, o.Location = cmp.Or(a.status, e.Status), a.location
	if a.echo != nil {
		o.UpstreamPath, o.UpstreamAuthority = a.echo.Path, a.echo.Authority
		return o
	}
	o.Body = strings.ToValidUTF8(string(a.body[:min(len(a.body), maxBody)]), "\uFFFD")
	return o
}

// maxBody is how much of a body an observation keeps, in bytes.
const maxBody = 200

// upstream is the captured address that a stub stands for.
func (s *Session) upstream(address string) string {
	captured, ok := s.captured[address]
	if !ok {
		return address
	}
	return captured
}

// Admin is the address of Envoy's admin interface.
func (s *Session) Admin() netip.AddrPort { return s.admin }
