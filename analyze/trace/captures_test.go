package trace_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

func load(t testing.TB, parts ...string) *mesh.Capture {
	t.Helper()
	capture, err := loader.Load([]string{filepath.Join(append([]string{fixtures.Shared(t)}, parts...)...)}, nil, loader.Options{})
	if err != nil {
		t.Fatalf("loading the capture: %v", err)
	}
	return capture
}

// question is a request and how it has to end.
type question struct {
	// why is the object of the capture that argues for the answer.
	why    string
	proxy  string
	target string
	// more are the request's method ("POST"), headers ("name: value"), and settings
	// ("from=IP", "to=IP:PORT", "principal=SPIFFE", "inbound").
	more []string
	// want is the ways that the request can go, the likeliest first, with the verdict
	// of the last proxy, and for the first one the route, cluster, status, flags,
	// location or path where they say something.
	want []string
}

func (q question) trace(t *testing.T, capture *mesh.Capture, engine *trace.Engine) *trace.Trace {
	t.Helper()
	p, err := capture.FindProxy(q.proxy, "")
	if err != nil {
		t.Fatalf("finding the proxy: %v", err)
	}
	req, err := request.Parse(q.target)
	if err != nil {
		t.Fatalf("reading the target: %v", err)
	}
	var direction request.Direction
	for _, setting := range q.more {
		name, value, isHeader := strings.Cut(setting, ": ")
		switch {
		case isHeader:
			req.Headers = append(req.Headers, request.Header{Name: name, Value: value})
		case strings.HasPrefix(setting, "to="):
			req.To = setting[len("to="):]
		case strings.HasPrefix(setting, "from="):
			req.From = setting[len("from="):]
		case strings.HasPrefix(setting, "principal="):
			if req.TLS == nil {
				req.TLS = &request.TLS{ALPN: trace.SidecarALPN(&req)}
			}
			req.TLS.ClientURISAN = setting[len("principal="):]
		case setting == "inbound":
			direction = request.Inbound
		default:
			req.Method = setting
		}
	}
	answer, err := engine.Trace(p, req, direction, trace.Options{Why: true})
	if err != nil {
		t.Fatalf("tracing: %v", err)
	}
	return answer
}

// summary is a way in the form of question.want.
func summary(p trace.Path) string {
	first, last := p.Hops[0].Outcome, p.Hops[len(p.Hops)-1].Outcome
	parts := []string{string(last.Verdict)}
	for _, part := range []struct{ name, value string }{
		{"route", first.Route}, {"cluster", first.Cluster}, {"location", first.Location}, {"path", first.UpstreamPath},
		{"details", last.Details}, {"policy", last.Policy},
	} {
		if part.value != "" {
			parts = append(parts, part.name+"="+part.value)
		}
	}
	return strings.Join(parts, " ")
}

// ask holds the answers to all questions about one capture.
func ask(t *testing.T, capture *mesh.Capture, questions []question) {
	t.Helper()
	engine := trace.New(capture)
	for _, q := range questions {
		t.Run(strings.Join(append([]string{q.proxy, q.target}, q.more...), " "), func(t *testing.T) {
			answer := q.trace(t, capture, engine)
			for i, p := range answer.Paths {
				got := summary(p)
				if i >= len(q.want) {
					t.Errorf("got a further way %q", got)
					continue
				}
				missing := false
				for _, part := range strings.Fields(q.want[i]) {
					missing = missing || !strings.Contains(" "+got+" ", " "+part+" ")
				}
				if missing {
					t.Errorf("got way %d %q; want %q: %s", i, got, q.want[i], q.why)
				}
			}
			if len(answer.Paths) < len(q.want) {
				t.Errorf("got %d ways, want %d", len(answer.Paths), len(q.want))
			}
		})
	}
}

// TestSeveralMeshes: a request of one mesh is answered as if the other, whose pods have
// the same addresses, had not been opened.
func TestSeveralMeshes(t *testing.T) {
	captures := filepath.Join(fixtures.Shared(t), "captures")
	open := func(names ...string) *mesh.Capture {
		var paths []string
		for _, name := range names {
			paths = append(paths, filepath.Join(captures, name))
		}
		c, err := loader.Load(paths, nil, loader.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alone, both := open("broken"), open("broken", "shop.tar.gz")
	for _, url := range []string{"http://reviews:9080/", "http://catalog.shop:8080/", "http://ratings:9080/x"} {
		var answers []string
		for _, c := range []*mesh.Capture{alone, both} {
			p, err := c.FindProxy("productpage-v1-lzlq8s55k-c7p7m", "")
			if err != nil {
				t.Fatal(err)
			}
			req, err := request.Parse(url)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := trace.New(c).Trace(p, req, request.Outbound, trace.Options{})
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, path := range answer.Paths {
				for _, hop := range path.Hops {
					text += fmt.Sprintf("%s %+v\n", hop.Proxy, hop.Outcome)
				}
			}
			answers = append(answers, text)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s:\n%s", url, fixtures.Diff("alone", answers[0], answers[1]))
		}
	}
}
