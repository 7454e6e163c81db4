package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

// oldRoutesNote is what istioctl printed above routes up to 1.7.
const oldRoutesNote = "NOTE: This output only contains routes loaded via RDS."

func routeView() configView {
	return configView{
		name: "route", aliases: []string{"routes", "r"}, usage: "routes: which requests go where",
		kind:    mesh.Route,
		filters: []cli.Flag{textFilter("name", "only the route configuration called `NAME`")},
		options: []cli.Flag{verboseFlag("a row for every route")},
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  routeAnswer,
	}
}

func routeAnswer(q query) (*answer, error) {
	rows := proxyconfig.Routes(q.proxy, proxyconfig.RouteFilter{Name: q.String("name")})
	if !q.wide() {
		rows = proxyconfig.IstioctlOrder(q.proxy, rows)
	}
	table := routeTable(q)
	for _, row := range rows {
		addRoutes(q, &table, row)
	}
	var resources []*mesh.Resource
	for _, row := range rows {
		resources = append(resources, row.Resource)
	}
	return &answer{
		tables: []configTable{table}, documents: resourceDocuments(resources),
		what: "routes", shown: len(rows), total: len(q.proxy.Routes),
	}, nil
}

func (q query) everyRoute() bool { return q.wide() || q.style.routes && q.Bool("verbose") }

func routeTable(q query) configTable {
	table := configTable{layout: istioctlLayout(), header: []string{"NAME"}, states: q.wide()}
	if q.style.note {
		table.note = oldRoutesNote
	}
	if !q.everyRoute() {
		table.header = append(table.header, "VIRTUAL HOSTS")
		return table
	}
	if q.style.hostNames {
		table.header = append(table.header, "VHOST NAME")
	}
	table.header = append(table.header, "DOMAINS", "MATCH", "VIRTUAL SERVICE")
	if q.wide() {
		table.header = append(table.header, "CONDITIONS", "ACTION", "REWRITES", "TIMEOUT", "RETRIES", "MIRRORS", "ROUTE NAME", "ORIGIN")
	}
	return table
}

// undecoded is the cell of what could not be decoded. Of a refused update there may be nothing to decode.
func undecoded(err error) string {
	if errors.Is(err, mesh.ErrNotCaptured) {
		return "not in the capture"
	}
	return "cannot be decoded: " + err.Error()
}

func addRoutes(q query, table *configTable, row proxyconfig.RouteConfigRow) {
	if !q.everyRoute() {
		hosts := strconv.Itoa(row.VirtualHosts)
		if row.Err != nil {
			hosts = undecoded(row.Err)
		}
		table.add(row.Resource, row.Name, hosts)
		return
	}
	if row.Err != nil {
		table.add(row.Resource, routeCells(q, row, proxyconfig.RouteRow{Match: undecoded(row.Err)})...)
		return
	}
	for _, route := range row.Routes {
		if !route.Passthrough || q.wide() {
			table.add(row.Resource, routeCells(q, row, route)...)
		}
	}
}

func routeCells(q query, row proxyconfig.RouteConfigRow, route proxyconfig.RouteRow) []string {
	cells := []string{row.Name}
	if q.style.hostNames {
		cells = append(cells, route.Host)
	}
	match, service := route.Match, route.VirtualService
	if route.NoRoutes {
		match, service = "/*", "404"
	}
	cells = append(cells, proxyconfig.DomainSummary(route.Domains), match, service)
	if q.wide() {
		cells = append(cells, wideRoute(row, route)...)
	}
	return cells
}

func wideRoute(row proxyconfig.RouteConfigRow, route proxyconfig.RouteRow) []string {
	origin, action := "RDS", route.Action
	if row.Inline {
		origin = "inline"
	}
	if route.NoRoutes {
		action = "response 404"
	}
	timeout, retries := "-", "-"
	switch {
	case route.Timeout == 0:
		timeout = "none"
	case route.Timeout > 0:
		timeout = route.Timeout.String()
	}
	if route.Retries > 0 {
		retries = strconv.Itoa(int(route.Retries))
	}
	return []string{
		dash(strings.Join(route.Conditions, "; ")), dash(action), dash(route.Rewrites), timeout, retries,
		dash(strings.Join(route.Mirrors, ",")), dash(route.Name), origin,
	}
}
