package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

func verboseFlag(usage string) cli.Flag {
	return &cli.BoolFlag{Name: "verbose", Category: outputCategory, Value: true, Usage: usage}
}

func listenerView() configView {
	return configView{
		name: "listener", aliases: []string{"listeners", "l"}, usage: "listeners: where a proxy takes traffic, and what becomes of it",
		kind: mesh.Listener,
		filters: []cli.Flag{
			textFilter("address", "only listeners with `ADDRESS`"),
			portFilter("only listeners on `PORT`"),
			textFilter("type", "only listeners of `TYPE` HTTP, TCP, HTTP+TCP or UNKNOWN"),
		},
		options: []cli.Flag{
			verboseFlag("a row for every filter chain"),
			&cli.BoolFlag{Name: "waypoint", Category: outputCategory, Usage: "name the chains and the ways of a waypoint's matcher to them", DisableDefaultText: true},
		},
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  listenerAnswer,
	}
}

func listenerAnswer(q query) (*answer, error) {
	rows := proxyconfig.Listeners(q.proxy, proxyconfig.ListenerFilter{Address: q.String("address"), Port: q.Int("port"), Type: q.String("type")})
	captured := capturedOrder(q.proxy.Listeners, rows)
	if q.style.firstFilter {
		rows = slices.DeleteFunc(slices.Clone(captured), func(row proxyconfig.ListenerRow) bool { return row.Resource.Origin == mesh.Static })
	}
	table := listenerTable(q)
	for _, row := range rows {
		addListener(q, &table, row)
	}
	var resources []*mesh.Resource
	for _, row := range captured {
		resources = append(resources, row.Resource)
	}
	return &answer{
		tables: []configTable{table}, documents: resourceDocuments(resources),
		what: "listeners", shown: len(rows), total: len(q.proxy.Listeners),
	}, nil
}

// capturedOrder sorts listeners as the dump has them, which is how istioctl writes them as JSON.
func capturedOrder(resources []*mesh.Resource, rows []proxyconfig.ListenerRow) []proxyconfig.ListenerRow {
	place := make(map[*mesh.Resource]int, len(resources))
	for i, r := range resources {
		place[r] = i
	}
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b proxyconfig.ListenerRow) int { return cmp.Compare(place[a.Resource], place[b.Resource]) })
	return sorted
}

func (q query) everyChain() bool {
	return q.Bool("waypoint") || q.wide() || q.style.chains && q.Bool("verbose")
}

func listenerTable(q query) configTable {
	table := configTable{layout: q.style.listenerLayout(), header: []string{q.style.addresses, "PORT"}, states: q.wide()}
	switch {
	case q.Bool("waypoint"):
		table.layout, table.header = istioctlLayout(), []string{"LISTENER", "CHAIN", "MATCH", "DESTINATION"}
	case q.wide():
		table.header = append(table.header, "TYPE", "NAME", "CHAIN", "MATCH", "SOURCE", "TLS", "DESTINATION", "FILTERS", "HTTP FILTERS", "ORIGIN")
	case q.everyChain():
		table.header = append(table.header, "MATCH", "DESTINATION")
	default:
		table.header = append(table.header, "TYPE")
	}
	return table
}

func addListener(q query, table *configTable, row proxyconfig.ListenerRow) {
	place := []string{strings.Join(row.Addresses, ","), strconv.Itoa(row.Port)}
	if !q.everyChain() {
		kind := row.Type
		if q.style.firstFilter {
			kind = row.FirstType
		}
		table.add(row.Resource, append(place, kind)...)
		return
	}
	chains := row.Chains
	if len(chains) == 0 {
		chains = []proxyconfig.ChainRow{{Match: "-", Destination: "-"}}
		if row.Err != nil {
			chains[0].Destination = undecoded(row.Err)
		}
	}
	for _, chain := range chains {
		switch {
		case q.Bool("waypoint"):
			addWaypointChain(table, row, chain)
		case q.wide():
			table.add(row.Resource, slices.Concat(place, wideChain(row, chain))...)
		default:
			table.add(row.Resource, slices.Concat(place, []string{chain.Match, chain.Destination})...)
		}
	}
}

func wideChain(row proxyconfig.ListenerRow, chain proxyconfig.ChainRow) []string {
	match := strings.Join(append([]string{chain.Match}, chain.MatcherPaths...), "; ")
	if chain.Match == "ALL" && len(chain.MatcherPaths) > 0 {
		match = strings.Join(chain.MatcherPaths, "; ")
	}
	destination := chain.Destination
	if chain.BlackHole {
		destination = "BlackHoleCluster"
	}
	return []string{
		row.Type, dash(row.Resource.Name()), dash(chain.Name), match, dash(chain.Source), dash(chain.TLS), destination,
		dash(strings.Join(chain.Filters, ",")), dash(strings.Join(chain.HTTPFilters(), ",")), string(row.Resource.Origin),
	}
}

// addWaypointChain adds a row for every way through the listener's matcher to the chain.
func addWaypointChain(table *configTable, row proxyconfig.ListenerRow, chain proxyconfig.ChainRow) {
	matches := chain.MatcherPaths
	switch {
	case len(matches) > 0:
	case row.Matched:
		matches = []string{"UNMATCHED"}
	case chain.Match == "ALL":
		matches = []string{"NONE"}
	default:
		matches = []string{chain.Match}
	}
	for _, match := range matches {
		table.add(row.Resource, row.Resource.Name(), chain.Name, match, chain.Destination)
	}
}
