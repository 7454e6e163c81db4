package expect_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/trace"
)

// What a format reads is a request that can be written.
func FuzzParseLine(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	f.Add(`{"log":"{\"log\":1}","stream":"stdout"}`)
	f.Add(`[2024-03-05T10:20:30.123Z] "- - -" 0 NR filter_chain_not_found - "-" 0 0 0 - "-" "-" "-" "-" "-" - - [::1]:80 /pipe a "b" -`)
	formats := expect.Builtin()
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range formats {
			line, err := format.Parse(text)
			if err != nil {
				continue
			}
			if err := line.Request.Check(); err != nil {
				t.Errorf("%s: got a request that is none: %v", format.Name, err)
			}
			if _, err := line.Append(nil); err != nil {
				t.Errorf("%s: writing the request: %v", format.Name, err)
			}
		}
		if _, err := expect.ReadLog(strings.NewReader(text), nil, func(expect.Entry) error { return nil }); err != nil {
			t.Errorf("reading it as a log: got error %v; want none", err)
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add(`[%START_TIME(%s.%3f)%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):5%" %PROTOCOL%%DURATION% 100%%`, lines["Istio 1.1"])
	f.Add(`{"a": {"b": "%REQ(:PATH)%", "c": 1}, "d": "x%RESPONSE_CODE%"}`, `{"a": {"b": "/"}, "d": "x200"}`)
	f.Add(`%CEL(a(b)c):3%`, "abc")
	f.Fuzz(func(t *testing.T, text, line string) {
		if format, err := expect.CompileFormat(text); err == nil {
			parse(t, format, line)
		}
		var dictionary structpb.Struct
		if protojson.Unmarshal([]byte(text), &dictionary) != nil {
			return
		}
		if format, err := expect.CompileJSONFormat(&dictionary); err == nil {
			parse(t, format, line)
		}
	})
}

func parse(t *testing.T, format *expect.Format, line string) {
	t.Helper()
	got, err := format.Parse(line)
	if err != nil {
		return
	}
	if err := got.Request.Check(); err != nil {
		t.Errorf("got a request that is none: %v", err)
	}
}

func FuzzRouterCheck(f *testing.F) {
	f.Add([]byte("tests:\n- test_name: a\n  input: {authority: a, path: /, method: GET, dynamic_metadata: [{value: {a: [1]}}]}\n  validate: {timeout: 1s, request_header_matches: [{name: a}]}\n"))
	f.Add([]byte("{\n\t\"tests\": [{\"test_name\": \"a\", \"input\": {\"authority\": \"a\"}}]}"))
	f.Add([]byte("tests: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tests, err := expect.ReadRouterCheck(data, "f")
		mustBeFileError(t, err)
		for _, test := range tests {
			q := test.Input.Request()
			if q.Path == "" || q.Authority == "" {
				t.Errorf("got a test without a request: %+v", test)
			}
		}
	})
}

func mustBeFileError(t *testing.T, err error) {
	t.Helper()
	if file := new(expect.FileError); err != nil && !errors.As(err, &file) {
		t.Errorf("got a %T; want a FileError", err)
	}
}

// What is recorded can be read again and is what is expected.
func FuzzSuite(f *testing.F) {
	f.Add([]byte("tests:\n- name: a\n  request: {url: http://a:1/b}\n  expect: &e {cluster: c, rewrite: {path: /}}\n- request: {authority: a}\n  expect: *e\n"), "c|d", 7)
	f.Add([]byte("{\"tests\": [{\"request\": {\"authority\": \"a\"}, \"expect\": {\"status\": 1, \"weights\": {\"a\": 1}}}]}"), "", 1)
	f.Add([]byte("tests:\n- &t {request: {authority: a}}\n- *t\n"), "x", 0)
	f.Fuzz(func(t *testing.T, data []byte, cluster string, number int) {
		suite, err := expect.ReadSuite(data, "f")
		mustBeFileError(t, err)
		if err != nil || !utf8.ValidString(cluster) || number < 0 || number > 1<<31-1 {
			return
		}
		got := expect.Prediction{Verdict: trace.Routed, Cluster: cluster, Status: number, Endpoints: number, UpstreamPath: cluster}
		for i := range suite.Tests {
			suite.Record(i, got)
		}
		written, err := suite.Bytes()
		if err != nil {
			t.Fatalf("writing what was recorded: %v", err)
		}
		again, err := expect.ReadSuite(written, "f")
		if err != nil || len(again.Tests) != len(suite.Tests) {
			t.Fatalf("reading what was recorded: got error %v; want the same tests\n%s", err, written)
		}
		for i := range again.Tests {
			if differences := expect.Compare(again.Tests[i].Expect, got); len(differences) > 0 {
				t.Errorf("test %d: got differences %v; want none after recording\n%s", i, differences, written)
			}
		}
	})
}
