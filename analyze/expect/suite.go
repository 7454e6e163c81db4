package expect

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze/request"
)

// Suite is a file of expectations, in YAML or JSON:
//
//	capture: bundle.tar.gz   # optional, relative to the file
//	proxy: productpage       # for the tests that name none
//	tests:
//	- name: jason goes to v2
//	  request:
//	    url: http://reviews:9080/reviews/1
//	    headers: {end-user: jason}
//	  expect:
//	    cluster: outbound|9080|v2|reviews.default.svc.cluster.local
//	- name: the others are split
//	  request: {url: "http://reviews:9080/reviews/1"}
//	  expect:
//	    verdict: routed
//	    weights: {"outbound|9080|v1|reviews": 80, "outbound|9080|v2|reviews": 20}
//
// A test may name its own proxy and, for a sidecar, the direction. A request has a
// url or the fields of a [request.Request] by their names there, or both: fields
// beat the url. The fields of expect are those of an [Expectation]: verdict,
// listener, filter_chain, virtual_host, route, cluster, weights, endpoints, status,
// flags, details, redirect, rewrite {path, authority}, denied. Those that are left
// out are not compared.
type Suite struct {
	// Capture is as written, relative to the folder of the file; "" for none.
	Capture string
	Proxy   string
	Tests   []Test

	data    []byte
	root    *yaml.Node
	changed bool
}

// Test is one request of a suite and what is expected of it.
type Test struct {
	Name   string
	Line   int // in the file, from 1
	Input  request.Line
	Expect Expectation

	node *yaml.Node // the test's
}

// ReadSuite reads a file of expectations; file names it in errors, which are
// [FileError]s. A field that is not known is one.
func ReadSuite(data []byte, file string) (*Suite, error) {
	root, err := parseNodes(data, file)
	if err != nil {
		return nil, err
	}
	r := &reader{file: file}
	if root == nil {
		return nil, r.fail(&yaml.Node{Line: 1}, "expected a list of tests")
	}
	s := &Suite{data: data, root: root}
	err = r.object(root, "the file", fields{
		"capture": r.text(&s.Capture, "capture"),
		"proxy":   r.text(&s.Proxy, "proxy"),
		"tests": func(n *yaml.Node) error {
			return r.list(n, "tests", func(n *yaml.Node) error {
				test, err := r.test(n)
				s.Tests = append(s.Tests, test)
				return err
			})
		},
	})
	if err != nil {
		return nil, err
	}
	if len(s.Tests) == 0 {
		return nil, r.fail(root, "expected at least one test in tests")
	}
	s.inheritProxy()
	return s, nil
}

func (s *Suite) inheritProxy() {
	for i := range s.Tests {
		if s.Tests[i].Input.Proxy == "" {
			s.Tests[i].Input.Proxy = s.Proxy
		}
	}
}

func (r *reader) test(n *yaml.Node) (Test, error) {
	test := Test{Line: n.Line}
	var direction string
	var asked bool
	err := r.object(n, "the test", fields{
		"name":      r.text(&test.Name, "name"),
		"proxy":     r.text(&test.Input.Proxy, "proxy"),
		"direction": r.text(&direction, "direction"),
		"request": func(n *yaml.Node) error {
			asked = true
			return r.request(n, &test.Input.Request)
		},
		"expect": func(n *yaml.Node) error {
			if isNull(n) {
				return nil // to be recorded
			}
			return r.expectation(n, &test.Expect)
		},
	})
	if err != nil {
		return test, err
	}
	test.node, err = r.resolve(n)
	if err != nil {
		return test, err
	}
	test.Input.Direction = request.Direction(direction)
	switch test.Input.Direction {
	case "", request.Outbound, request.Inbound, request.AtGateway:
	default:
		return test, r.fail(n, "direction %q: expected outbound, inbound or gateway", direction)
	}
	if !asked {
		return test, r.fail(n, "expected the test to have a request")
	}
	if test.Name == "" {
		test.Name = caption(&test.Input.Request)
	}
	test.Input.ID = test.Name
	return test, nil
}

// caption names a test without a name: "GET reviews:9080/reviews/1".
func caption(q *request.Request) string {
	if q.IsTCP() {
		return "tcp " + cmp.Or(q.Authority, q.To)
	}
	return cmp.Or(q.Method, "GET") + " " + cmp.Or(q.Authority, q.To) + cmp.Or(q.Path, "/")
}

func (r *reader) expectation(n *yaml.Node, e *Expectation) error {
	known := fields{
		"weights": func(n *yaml.Node) error { return r.weights(n, e) },
		"rewrite": func(n *yaml.Node) error {
			return r.object(n, "rewrite", fields{
				"path":      r.optionalText(&e.Path, "path"),
				"authority": r.optionalText(&e.Authority, "authority"),
			})
		},
	}
	for _, m := range e.members() {
		switch {
		case m.inner():
		case m.num != nil:
			known[m.name] = r.optionalInt(m.num, m.name)
		default:
			known[m.name] = r.optionalText(m.text, m.name)
		}
	}
	if err := r.object(n, "expect", known); err != nil {
		return err
	}
	if e.Verdict != nil && !slices.Contains(verdictNames(), *e.Verdict) {
		return r.fail(n, "verdict %q: expected one of %s", *e.Verdict, strings.Join(verdictNames(), ", "))
	}
	return nil
}

// maxWeights bounds the clusters of one expectation.
const maxWeights = 1000

func (r *reader) weights(n *yaml.Node, e *Expectation) error {
	e.Weights = []Weight{}
	return r.members(n, "weights", func(key, value *yaml.Node) error {
		var weight uint64
		if err := r.unsigned(&weight, "the weight of "+key.Value)(value); err != nil {
			return err
		}
		if weight > 1<<32-1 || len(e.Weights) == maxWeights {
			return r.fail(key, "expected at most %d weights below 4294967296", maxWeights)
		}
		e.Weights = append(e.Weights, Weight{Cluster: key.Value, Weight: uint32(weight)})
		return nil
	})
}
