package expect_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
)

func routerFixture(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures.Root(t), "fixtures", "routercheck", name))
	if err != nil {
		t.Fatalf("reading the fixture: %v", err)
	}
	return data
}

func shopTable(t *testing.T) (*trace.RouteTable, *expect.Coverage) {
	t.Helper()
	config, err := expect.ReadRouteConfiguration(routerFixture(t, "routes.yaml"), "routes.yaml")
	if err != nil {
		t.Fatalf("got error %v; want a route configuration", err)
	}
	coverage := &expect.Coverage{}
	coverage.Add("", config)
	return trace.NewRouteTable(config), coverage
}

func shopTests(t *testing.T, name string) []expect.RouterTest {
	t.Helper()
	tests, err := expect.ReadRouterCheck(routerFixture(t, name), name)
	if err != nil {
		t.Fatalf("got error %v; want tests", err)
	}
	return tests
}

func TestCheck(t *testing.T) {
	table, coverage := shopTable(t)
	for _, test := range shopTests(t, "tests.yaml") {
		t.Run(test.Name, func(t *testing.T) {
			result := test.Check(table)
			if len(result.Differences) > 0 || len(result.Answer.Unknowns) > 0 {
				t.Errorf("got differences %v, unknowns %v; want none", result.Differences, result.Answer.Unknowns)
			}
			if result.Covers {
				coverage.Hit("", &result.Answer.Outcome)
			}
		})
	}
	if coverage.Percent() != 100 || coverage.Covered() != 10 {
		t.Errorf("got %v%%, %d routes; want all 10 covered", coverage.Percent(), coverage.Covered())
	}
}

func TestCheckDifferences(t *testing.T) {
	table, _ := shopTable(t)
	want := [][]string{
		nil,
		{
			"cluster_name: want carts, got orders",
			"virtual_cluster_name: want none, got other",
			"virtual_host_name: want cart, got shop",
			"path_rewrite: want /orders, got /api/orders",
			"host_rewrite: want none, got shop.example.com",
			"path_redirect: want http://elsewhere/, got none",
			"code_redirect: want 301, got 0",
			"request_header_matches x-canary: want prefix t, got no such header",
			"request_header_fields :method: want PUT, got GET",
			"response_header_matches x-shop: want absent, got yes",
			"response_header_fields x-shop: want none, got yes",
			"timeout: want 15s, got 3s",
			"route_metadata shop.team owner: want search, got checkout",
			"route_metadata a b: want c, got none",
		},
		{"cluster_name: want orders, got none", "timeout: want 1s, got none"},
	}
	for i, test := range shopTests(t, "failing.json") {
		result := test.Check(table)
		var got []string
		for _, d := range result.Differences {
			got = append(got, d.String())
		}
		if !slices.Equal(got, want[i]) {
			t.Errorf("%s: got  %q\nwant %q", test.Name, got, want[i])
		}
		if covers := i == 0; result.Covers != covers {
			t.Errorf("%s: got covers %v; want %v", test.Name, result.Covers, covers)
		}
	}
}

// What says nothing about the route itself covers none.
func TestCheckCovers(t *testing.T) {
	table, _ := shopTable(t)
	ping := expect.RouterInput{Authority: "shop.example.com", Path: "/ping", Method: "GET"}
	tests := []struct {
		name  string
		input expect.RouterInput
		want  expect.RouterAssert
		out   bool
	}{
		{"nothing", ping, expect.RouterAssert{}, false},
		{"the code", ping, expect.RouterAssert{CodeRedirect: ptr(200)}, true},
		{"another code", ping, expect.RouterAssert{CodeRedirect: ptr(201)}, false},
		{"no cluster of a direct response", ping, expect.RouterAssert{Cluster: ptr("")}, false},
		{"a header", ping, expect.RouterAssert{ResponseFields: shopTests(t, "tests.yaml")[0].Validate.ResponseFields}, false},
		{"no redirect of a route", expect.RouterInput{Authority: "shop.example.com", Path: "/tenant"}, expect.RouterAssert{PathRedirect: ptr("")}, false},
		{"the host of a route", expect.RouterInput{Authority: "shop.example.com", Path: "/tenant"}, expect.RouterAssert{VirtualHost: ptr("shop")}, true},
		{"no route", expect.RouterInput{Authority: "example.com", Path: "/"}, expect.RouterAssert{Cluster: ptr("")}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked := expect.RouterTest{Input: test.input, Validate: test.want}
			if got := asked.Check(table).Covers; got != test.out {
				t.Errorf("got covers %v; want %v", got, test.out)
			}
		})
	}
}
