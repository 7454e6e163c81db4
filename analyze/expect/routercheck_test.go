package expect_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/request"
)

func readRouterCheck(t *testing.T, path string) []expect.RouterTest {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the case: %v", err)
	}
	tests, err := expect.ReadRouterCheck(data, path)
	if err != nil {
		t.Fatalf("got error %v; want tests", err)
	}
	return tests
}

func TestReadRouterCheck(t *testing.T) {
	tests := readRouterCheck(t, "testdata/routercheck/all.yaml")
	if len(tests) != 2 || tests[0].Line != 3 || tests[1].Line != 40 || tests[1].Name != "second" {
		t.Fatalf("got %+v; want two tests in lines 3 and 40", tests)
	}
	in, want := tests[0].Input, tests[0].Validate
	q := in.Request()
	wantHeaders := request.Headers{
		{Name: "x-forwarded-proto", Value: "https"}, {Name: "x-envoy-internal", Value: "true"},
		{Name: "x-tenant", Value: "1"}, {Name: "x-tenant", Value: "two"},
	}
	if q.Scheme != "https" || *q.Random != 1<<64-1 || q.Path != "/new?x=1" || q.Method != "POST" || fmt.Sprint(q.Headers) != fmt.Sprint(wantHeaders) {
		t.Errorf("got request %+v; want that of the file with headers %v", q, wantHeaders)
	}
	metadata := in.Metadata["lb"].AsMap()
	if got := fmt.Sprint(metadata); got != "map[n:map[deep:[1 true <nil>]] rack:7 zone:a]" {
		t.Errorf("got metadata %s; want the first value, and the one that may overwrite", got)
	}
	if *want.Cluster != "canary" || *want.VirtualCluster != "" || *want.PathRedirect != "" || *want.Timeout != 1500*time.Millisecond {
		t.Errorf("got %+v; want the values of the file", want)
	}
	if len(want.RequestMatches) != 1 || want.RequestMatches[0].GetStringMatch().GetExact() != "1,two" || !want.ResponseMatches[0].GetInvertMatch() {
		t.Errorf("got matches %v, %v; want those of the file", want.RequestMatches, want.ResponseMatches)
	}
	if want.ResponseFields[0] != (request.Header{Name: "x-a"}) || want.RouteMetadata[0] != (expect.RouteMetadata{Namespace: "a.b", Key: "id", Value: "v"}) {
		t.Errorf("got %+v; want the header and the metadata of the file", want)
	}
}

func TestReadRouterCheckJSONWithTabs(t *testing.T) {
	tests := readRouterCheck(t, "testdata/routercheck/tabs.json")
	test := tests[0]
	if test.Line != 3 || test.Validate.Cluster != nil || *test.Validate.PathRedirect != "https://a/" || !test.Input.RequestHeaders.Has("k") {
		t.Errorf("got %+v; want the test of line 3, its null not compared", test)
	}
	if q := test.Input.Request(); *q.Random != 0 || q.Scheme != "http" {
		t.Errorf("got %+v; want the tool's defaults", q)
	}
}

func TestReadRouterCheckErrors(t *testing.T) {
	const input = "input: {authority: a, path: /, method: GET}"
	tests := []struct{ name, text, want string }{
		{"empty", "", "f.yaml:1: reading tests: expected a list of tests"},
		{"comment", "# nothing\n", "expected a list of tests"},
		{"text", "hello", "f.yaml:1: reading tests: expected the file to be an object"},
		{"other file", "static_resources: {}", `f.yaml:1: reading tests: unknown field "static_resources" of the file: expected one of tests`},
		{"no tests", "tests: []", "expected at least one test"},
		{"not a list", "tests: {a: b}", "f.yaml:1: reading tests: expected tests to be a list"},
		{"no name", "tests:\n- " + input, "f.yaml:2: reading tests: expected the test to have a test_name"},
		{"no input", "tests:\n- test_name: a", `test "a": expected an input with authority and path`},
		{"no validate", "tests:\n- test_name: a\n  " + input, `f.yaml:2: reading tests: test "a": expected validate`},
		{"field", "tests:\n- test_name: a\n  " + input + "\n  validate:\n    cluster: b", `f.yaml:5: reading tests: unknown field "cluster" of validate: expected one of cluster_name, code_redirect`},
		{"twice", "tests:\n- test_name: a\n  test_name: b", `f.yaml:3: reading tests: field "test_name" of the test stands twice`},
		{"boolean", "tests:\n- input: {ssl: 'yes'}", `expected ssl to be true or false, got "yes"`},
		{"number", "tests:\n- input: {random_value: -1}", `expected random_value to be a whole number from 0, got "-1"`},
		{"object", "tests:\n- input: {path: {}}", "expected path to be a single value"},
		{"matcher", "tests:\n- validate:\n    request_header_matches:\n    - {name: a, exakt_match: b}", `f.yaml:4: reading tests: request_header_matches: expected an envoy.config.route.v3.HeaderMatcher: (line 1:2): unknown field "exakt_match"`},
		{"timeout", "tests:\n- validate: {timeout: 3}", `expected timeout to be seconds such as "1.5s", got 3`},
		{"header", "tests:\n- input:\n    additional_request_headers: [{value: a}]", "f.yaml:3: reading tests: expected a header to have a key"},
		{"syntax", "tests:\n- a: [", "f.yaml:2: reading tests: did not find expected node content"},
		{"JSON syntax", "{\n\t\"tests\": [\n\t\t{]\n}", "f.yaml:3: reading tests: invalid character"},
		{"documents", "tests: []\n---\ntests: []", "expected one YAML document"},
		{"deep", "tests:\n- input: {dynamic_metadata: [{value: " + strings.Repeat("{a: ", 200) + "1" + strings.Repeat("}", 200) + "}]}", "expected at most 64 values in each other"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := expect.ReadRouterCheck([]byte(test.text), "f.yaml")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v; want one with %q", err, test.want)
			}
			if file := new(expect.FileError); !errors.As(err, &file) {
				t.Errorf("got a %T; want a FileError", err)
			}
		})
	}
}

// Aliases of aliases stand for more values than memory holds.
func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("tests:\n- input:\n    dynamic_metadata:\n    - value:\n        a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "        a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	_, err := expect.ReadRouterCheck([]byte(b.String()), "f.yaml")
	if err == nil || !strings.Contains(err.Error(), "aliases counted each time") {
		t.Errorf("got error %v; want that there are too many values", err)
	}
}
