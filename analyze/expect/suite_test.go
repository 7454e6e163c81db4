package expect_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
)

func readSuite(t *testing.T) *expect.Suite {
	t.Helper()
	data, err := os.ReadFile("testdata/suite/all.yaml")
	if err != nil {
		t.Fatalf("reading the case: %v", err)
	}
	suite, err := expect.ReadSuite(data, "all.yaml")
	if err != nil {
		t.Fatalf("got error %v; want a suite", err)
	}
	return suite
}

func TestReadSuite(t *testing.T) {
	suite := readSuite(t)
	if suite.Capture != "bundle.tar.gz" || suite.Proxy != "productpage" || len(suite.Tests) != 4 {
		t.Fatalf("got %+v; want what the file says", suite)
	}
	want := []string{
		`{"id":"jason goes to v2","proxy":"productpage","request":{"authority":"reviews:9080","path":"/reviews/1?x=1","headers":{"end-user":"jason","x-multi":["a","b"]}}}`,
		`{"id":"GET Shop.Example.com/a//b/../c%2fd","proxy":"gateway.istio-system","direction":"gateway","request":{"protocol":"h2","scheme":"https","authority":"Shop.Example.com","path":"/a//b/../c%2fd","tls":{"sni":"shop.example.com","alpn":["h2","http/1.1"],"client_uri_san":"spiffe://td/ns/a/sa/b"},"random":7}}`,
		`{"id":"bytes","proxy":"productpage","request":{"to":"10.0.0.1:3306","from":"10.0.0.9","protocol":"tcp","authority":"10.0.0.1:3306"}}`,
		`{"id":"new","proxy":"productpage","request":{"to":"10.0.0.1:80","method":"POST","authority":"a.b","path":"/p"}}`,
	}
	for i, test := range suite.Tests {
		got, err := test.Input.Append(nil)
		if err != nil || string(got) != want[i]+"\n" {
			t.Errorf("test %d: got %serror %v; want %s", i, got, err, want[i])
		}
	}
	first, second := suite.Tests[0], suite.Tests[1]
	if first.Line != 5 || *first.Expect.Verdict != string(trace.Routed) || *first.Expect.Path != "/x" || *first.Expect.Authority != "y" || first.Expect.Status != nil {
		t.Errorf("got %+v; want what the first test expects", first)
	}
	if *second.Expect.Status != 0 || *second.Expect.Endpoints != 3 || *second.Expect.Denied != "ns/policy" || fmt.Sprint(second.Expect.Weights) != "[{a 80} {b 20}]" {
		t.Errorf("got %+v; want what the second test expects", second)
	}
	if flags := suite.Tests[2].Expect.Flags; flags == nil || *flags != "" {
		t.Errorf("got flags %v; want that none are expected", flags)
	}
}

func TestReadSuiteURLs(t *testing.T) {
	tests := []struct{ url, want string }{
		{"http://a.b", `{"authority":"a.b","path":"/"}`},
		{"http://a.b?x#y", `{"authority":"a.b","path":"/?x"}`},
		{"http://[::1]:80/p", `{"to":"[::1]:80","authority":"[::1]:80","path":"/p"}`},
		{"https://10.0.0.1:443/", `{"to":"10.0.0.1:443","scheme":"https","authority":"10.0.0.1:443","path":"/","tls":{}}`},
		{"grpc://cart:7070/p.S/M", `{"protocol":"grpc","method":"POST","authority":"cart:7070","path":"/p.S/M"}`},
	}
	for _, test := range tests {
		suite, err := expect.ReadSuite(fmt.Appendf(nil, "tests: [{name: n, request: {url: %q}}]", test.url), "f.yaml")
		if err != nil {
			t.Errorf("%s: got error %v; want a request", test.url, err)
			continue
		}
		got, err := (&request.Line{Request: suite.Tests[0].Input.Request}).Append(nil)
		if want := `{"request":` + test.want + "}\n"; err != nil || string(got) != want {
			t.Errorf("%s: got %serror %v; want %s", test.url, got, err, want)
		}
	}
}

func TestReadSuiteErrors(t *testing.T) {
	const ask = "tests:\n- request: {authority: a}\n  "
	tests := []struct{ name, text, want string }{
		{"empty", "", "f.yaml:1: reading tests: expected a list of tests"},
		{"no tests", "proxy: a", "expected at least one test"},
		{"no request", "tests:\n- name: a", "f.yaml:2: reading tests: expected the test to have a request"},
		{"nowhere", "tests:\n- request: {method: GET}", "expected the request to have a url, or an authority, or a destination in to"},
		{"url", "tests:\n- request: {url: reviews/1}", `url "reviews/1": expected one such as http://reviews:9080/path`},
		{"scheme", "tests:\n- request: {url: 'ftp://a/'}", "expected the scheme http, https, grpc or tcp"},
		{"to", "tests:\n- request: {to: reviews}", `f.yaml:2: reading tests: destination "reviews": expected ip:port`},
		{"protocol", "tests:\n- request: {authority: a, protocol: h3}", `protocol "h3": expected http/1.0`},
		{"direction", ask + "direction: up", `direction "up": expected outbound, inbound or gateway`},
		{"verdict", ask + "expect: {verdict: rooted}", `f.yaml:3: reading tests: verdict "rooted": expected one of routed, redirect`},
		{"field", ask + "expect:\n    clutser: a", `f.yaml:4: reading tests: unknown field "clutser" of expect: expected one of cluster, denied`},
		{"status", ask + "expect: {status: ok}", `expected status to be a whole number from 0, got "ok"`},
		{"big", ask + "expect: {endpoints: 4294967296}", "expected endpoints to be below 2147483648"},
		{"weight", ask + "expect: {weights: {a: 99999999999}}", "expected at most 1000 weights below 4294967296"},
		{"weights", ask + "expect: {weights: [a]}", "expected weights to be an object"},
		{"header", "tests:\n- request: {authority: a, headers: {b: {}}}", `expected header "b" to be a single value`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := expect.ReadSuite([]byte(test.text), "f.yaml")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v; want one with %q", err, test.want)
			}
		})
	}
}

// Recording what is there changes nothing; recording something else changes that
// value alone, and what was recorded is what is expected.
func TestRecord(t *testing.T) {
	suite := readSuite(t)
	before, err := suite.Bytes()
	if err != nil {
		t.Fatalf("writing: %v", err)
	}
	same := expect.Prediction{
		Verdict: trace.Routed, Cluster: "outbound|9080|v2|reviews.default.svc.cluster.local", UpstreamPath: "/x", UpstreamAuthority: "y",
	}
	suite.Record(0, same)
	if after, err := suite.Bytes(); err != nil || string(after) != string(before) {
		t.Errorf("got error %v and\n%s\nwant the file as it was", err, after)
	}
	today := []expect.Prediction{
		{Verdict: trace.Routed, Cluster: "v3", UpstreamPath: "/x", UpstreamAuthority: "z", Route: "not asked for"},
		{Verdict: trace.Denied, Status: 403, Policy: "other/one", Weights: []expect.Weight{{Cluster: "b", Weight: 1}, {Cluster: "a", Weight: 1}}},
		{Verdict: trace.Routed, Flags: "", Listener: "0.0.0.0_3306"},
		{Verdict: trace.Redirect, Status: 301, Location: "https://a.b/p", VirtualHost: "a"},
	}
	for i, p := range today {
		suite.Record(i, p)
	}
	after, err := suite.Bytes()
	if err != nil {
		t.Fatalf("writing: %v", err)
	}
	fixtures.Golden(t, "testdata/suite/recorded.golden", after)
	again, err := expect.ReadSuite(after, "recorded.yaml")
	if err != nil {
		t.Fatalf("reading what was recorded: %v", err)
	}
	for i, p := range today {
		if differences := expect.Compare(again.Tests[i].Expect, p); len(differences) > 0 {
			t.Errorf("test %d: got differences %v; want none after recording", i, differences)
		}
	}
}

// A value that others share through an anchor stays theirs.
func TestRecordLeavesAnchorsAlone(t *testing.T) {
	suite, err := expect.ReadSuite([]byte(`tests:
- {name: one, request: {authority: a}, expect: &e {cluster: c, rewrite: &r {path: /a}}}
- {name: two, request: {authority: a}, expect: *e}
- {name: three, request: {authority: a}, expect: {rewrite: *r, weights: {a: 1}}}
`), "f.yaml")
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	suite.Record(1, expect.Prediction{Cluster: "d", UpstreamPath: "/a"})
	suite.Record(2, expect.Prediction{Cluster: "a", UpstreamPath: "/b"})
	after, err := suite.Bytes()
	if err != nil {
		t.Fatalf("writing: %v", err)
	}
	again, err := expect.ReadSuite(after, "f.yaml")
	if err != nil {
		t.Fatalf("reading what was recorded: %v\n%s", err, after)
	}
	var got []string
	for _, test := range again.Tests {
		got = append(got, fmt.Sprint(text(test.Expect.Cluster), text(test.Expect.Path)))
	}
	if want := "[c/a d/a -/b]"; fmt.Sprint(got) != want {
		t.Errorf("got %v; want %s\n%s", got, want, after)
	}
}

func text(at *string) string {
	if at == nil {
		return "-"
	}
	return *at
}
