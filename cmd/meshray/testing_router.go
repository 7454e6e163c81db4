package main

import (
	"fmt"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/trace"
)

// testedTable is the route configuration that tests of router_check_tool ask.
type testedTable struct {
	table *trace.RouteTable
	proxy string // its Key; empty for a route configuration from a file
}

// routerFile runs a file of router_check_tool.
func (r *testRun) routerFile(data []byte, name string) error {
	tests, err := expect.ReadRouterCheck(data, name)
	if err != nil {
		return err
	}
	if r.context.Bool("update") {
		return usageError{message: fmt.Sprintf("--update does not write files of router_check_tool such as %s", name), hint: "it writes files whose tests have a request and an expect"}
	}
	asked, err := r.routeTable()
	if err != nil {
		return err
	}
	for i := range tests {
		test := &tests[i]
		result := test.Check(asked.table)
		if result.Covers {
			r.coverage.Hit(asked.proxy, &result.Answer.Outcome)
		}
		found := testResult{file: name, line: test.Line, name: test.Name, proxy: asked.proxy, differences: result.Differences}
		if len(result.Differences) > 0 {
			for _, u := range result.Answer.Unknowns {
				found.unknowns = append(found.unknowns, u.What)
			}
		}
		r.results = append(r.results, found)
	}
	return nil
}

// routeTable reads the route configuration of the flags once.
func (r *testRun) routeTable() (*testedTable, error) {
	if r.table != nil {
		return r.table, nil
	}
	read := r.capturedRoutes
	if r.context.IsSet("routes") {
		read = r.routesOfFile
	}
	config, proxy, err := read()
	if err != nil {
		return nil, err
	}
	r.coverage.Add(proxy, config)
	r.table = &testedTable{table: trace.NewRouteTable(config), proxy: proxy}
	return r.table, nil
}

func (r *testRun) routesOfFile() (config *routev3.RouteConfiguration, proxy string, err error) {
	data, name, err := r.read(r.context.String("routes"), "routes")
	if err != nil {
		return nil, "", err
	}
	config, err = expect.ReadRouteConfiguration(data, name)
	return config, "", err
}

// capturedRoutes finds the route configuration of a capture's proxy.
func (r *testRun) capturedRoutes() (config *routev3.RouteConfiguration, proxy string, err error) {
	if len(r.context.StringSlice("file")) == 0 && !r.context.IsSet("route-config") {
		return nil, "", usageError{
			message: "tests of router_check_tool need a route configuration",
			hint:    "--routes FILE reads one, -f CAPTURE --route-config NAME takes one of a capture",
		}
	}
	asked, err := r.captureOf("", "")
	if err != nil {
		return nil, "", err
	}
	p, err := findProxy(r.context, asked.capture, r.context.String("proxy"))
	if err != nil {
		return nil, "", err
	}
	resource, err := routeConfigOf(p, r.context.String("route-config"))
	if err != nil {
		return nil, "", err
	}
	config, err = resource.RouteConfiguration()
	return config, p.Key(), err
}

// routeConfigOf is the proxy's route configuration of a name; without a name, the
// only one that it has.
func routeConfigOf(p *mesh.Proxy, name string) (*mesh.Resource, error) {
	var names []string
	for _, resource := range p.Routes {
		if resource.State != mesh.Active {
			continue
		}
		if resource.Name() == name && name != "" {
			return resource, nil
		}
		if resource.Name() != "" { // Envoy's own listeners have routes without one
			names = append(names, resource.Name())
		}
	}
	if name == "" && len(names) == 1 {
		return p.Active(mesh.Route, names[0]), nil
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the capture has no route configuration of %s; this captures it: %s", p.Key(), mesh.DumpCommand(p))
	}
	e := usageError{message: fmt.Sprintf("%s has several route configurations: want --route-config NAME", p.Key())}
	if name != "" {
		e.message = fmt.Sprintf("%s has no route configuration %q", p.Key(), name)
	}
	const most = 10
	e.hint = "it has " + strings.Join(names[:min(len(names), most)], ", ")
	if len(names) > most {
		e.hint += fmt.Sprintf(" and %d more: 'meshray pc route'", len(names)-most)
	}
	return nil, e
}
