package expect_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

const coveredRoutes = `
name: table
virtual_hosts:
- name: a
  domains: [a]
  routes:
  - {name: same, match: {path: /1}, route: {cluster: one}}
  - {name: same, match: {prefix: /2}, route: {weighted_clusters: {clusters: [{name: x, weight: 1}, {name: y, weight: 1}, {cluster_header: h, weight: 1}]}}}
  - {match: {prefix: /}, direct_response: {status: 404}}
- name: tree
  domains: [tree]
  matcher: {}
`

func TestCoverage(t *testing.T) {
	config, err := expect.ReadRouteConfiguration([]byte(coveredRoutes), "routes.yaml")
	if err != nil {
		t.Fatalf("got error %v; want a route configuration", err)
	}
	var c expect.Coverage
	if c.Percent() != 100 {
		t.Errorf("got %v%% of no routes; want 100", c.Percent())
	}
	c.Add("p", config)
	c.Add("p", config)
	hits := []trace.Outcome{
		{RouteConfig: "table", VirtualHost: "a", Route: "same", RouteIndex: 1, Cluster: "y"},
		{RouteConfig: "table", VirtualHost: "a", Route: "same", RouteIndex: 1, Cluster: "named by the header"},
		{RouteConfig: "table", VirtualHost: "a", Route: "#2", RouteIndex: 2},
		{RouteConfig: "table", VirtualHost: "tree", Route: "matcher", RouteIndex: -1, Cluster: "c"},
		{RouteConfig: "table", VirtualHost: "a", RouteIndex: 0, Cluster: "one"}, // no route
		{RouteConfig: "other", VirtualHost: "a", Route: "same"},
	}
	for i := range hits {
		c.Hit("p", &hits[i])
	}
	c.Hit("q", &trace.Outcome{RouteConfig: "table", VirtualHost: "a", Route: "same", Cluster: "one"})
	var got []string
	for _, r := range c.Routes() {
		got = append(got, fmt.Sprint(r.VirtualHost, "/", r.Route, " ", r.Cluster, " ", r.Tested))
	}
	want := "a/same  false; a/same x false; a/same y true; a/same h true; a/#2  true; tree/matcher  true"
	if text := strings.Join(got, "; "); text != want || c.Covered() != 4 {
		t.Errorf("got %d covered: %s\nwant 4: %s", c.Covered(), text, want)
	}
}

func TestCoverageOfProxy(t *testing.T) {
	capture, err := loader.Load([]string{filepath.Join(fixtures.Root(t), "fixtures", "bookinfo.tar.gz")}, nil, loader.Options{})
	if err != nil {
		t.Fatalf("loading: %v", err)
	}
	p, err := capture.FindProxy("productpage", "")
	if err != nil {
		t.Fatalf("finding the proxy: %v", err)
	}
	traced, err := trace.New(capture).Trace(p, request.Request{Authority: "reviews:9080"}, "", trace.Options{FirstHop: true})
	if err != nil {
		t.Fatalf("tracing: %v", err)
	}
	var c expect.Coverage
	for i := range traced.Paths {
		if err := c.Through(p, &traced.Paths[i].Hops[0].Outcome); err != nil {
			t.Fatalf("counting: %v", err)
		}
	}
	if c.Covered() != 2 || len(c.Routes()) != 6 {
		t.Errorf("got %d of %d routes; want both weighted clusters of the 6 in 9080", c.Covered(), len(c.Routes()))
	}
	unreached := c.Unreached()
	want := "InboundPassthroughCluster,inbound|9080||,15010,15014,80,istio-ingressgateway.istio-system.svc.cluster.local:15021"
	if len(unreached) != 1 || strings.Join(unreached[0].Names, ",") != want {
		t.Errorf("got %+v; want %s", unreached, want)
	}
}
