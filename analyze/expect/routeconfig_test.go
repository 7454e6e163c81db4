package expect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/trace"
)

func TestReadRouteConfiguration(t *testing.T) {
	tests := []struct{ name, text string }{
		{"v3", "name: n\nvirtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, host_rewrite_literal: h}}]}]"},
		{"v2", "name: n\nvirtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, host_rewrite: h}}]}]"},
		{"camel case with tabs", "{\n\t\"virtualHosts\": [{\"name\": \"v\", \"domains\": [\"*\"], \"routes\": [{\"match\": {\"prefix\": \"/\"}, \"route\": {\"cluster\": \"c\", \"hostRewriteLiteral\": \"h\"}}]}]}"},
		{"with its type", "'@type': type.googleapis.com/envoy.api.v2.RouteConfiguration\nvirtual_hosts: [{name: v, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: c, host_rewrite: h}}]}]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := expect.ReadRouteConfiguration([]byte(test.text), "f.yaml")
			if err != nil {
				t.Fatalf("got error %v; want a route configuration", err)
			}
			action := config.GetVirtualHosts()[0].GetRoutes()[0].GetRoute()
			if action.GetCluster() != "c" || action.GetHostRewriteLiteral() != "h" {
				t.Errorf("got %v; want cluster c and host h", action)
			}
		})
	}
}

func TestReadRouteConfigurationErrors(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "f.yaml:1: reading routes: expected a route configuration, an object with virtual_hosts"},
		{"list", "- a", "expected a route configuration, an object with virtual_hosts"},
		{"dump", `{"configs": []}`, "one inside a dump is named by the dump and its name"},
		{"other type", `{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "a"}`, "expected a route configuration"},
		{"wrong value", "virtual_hosts: [{name: [a]}]", "virtual_hosts[0].name"},
		{"syntax", "virtual_hosts: [", "f.yaml:1: reading routes: did not find"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := expect.ReadRouteConfiguration([]byte(test.text), "f.yaml")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v; want one with %q", err, test.want)
			}
			if file := new(expect.FileError); !errors.As(err, &file) {
				t.Errorf("got a %T; want a FileError", err)
			}
		})
	}
}

func TestIsRouterCheck(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{"tests: [{test_name: a}]", true},
		{`{"tests": [{"input": {}}]}`, true},
		{"tests: [{validate: {}}]", true},
		{"tests: [{name: a, request: {}}]", false},
		{"tests: []", false},
		{"tests: [input]", false},
		{"input: {}", false},
		{"- tests", false},
		{"", false},
		{"tests: [", false},
	}
	for _, test := range tests {
		if got := expect.IsRouterCheck([]byte(test.text)); got != test.want {
			t.Errorf("%q: got %v; want %v", test.text, got, test.want)
		}
	}
}

// Whatever can be read as routes can be asked, and covered.
func FuzzRouteTable(f *testing.F) {
	f.Add(coveredRoutes, "a", "/2")
	f.Add("virtual_hosts: [{name: v, domains: ['*'], require_tls: ALL, virtual_clusters: [{}], routes: [{}]}]", "b", "*")
	f.Add("virtual_hosts: [{routes: [{redirect: {regex_rewrite: {}}}, {non_forwarding_action: {}}, {filter_action: {}}]}, {domains: ['*'], matcher: {matcher_list: {}}}]", "", "")
	f.Fuzz(func(t *testing.T, routes, authority, path string) {
		config, err := expect.ReadRouteConfiguration([]byte(routes), "f.yaml")
		if err != nil {
			return
		}
		var coverage expect.Coverage
		coverage.Add("", config)
		test := expect.RouterTest{Input: expect.RouterInput{Authority: authority, Path: path, Method: "GET"}}
		result := test.Check(trace.NewRouteTable(config))
		coverage.Hit("", &result.Answer.Outcome)
		if result.Answer.Outcome.Verdict == "" {
			t.Error("got no verdict; want one")
		}
		if coverage.Covered() > 1 {
			t.Errorf("got %d routes covered by one request; want one at most", coverage.Covered())
		}
	})
}
