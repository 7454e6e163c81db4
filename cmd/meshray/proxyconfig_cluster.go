package main

import (
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

// filterCategory is the heading of the flags that narrow a result.
const filterCategory = "Filters"

func textFilter(name, usage string) cli.Flag {
	return &cli.StringFlag{Name: name, Category: filterCategory, Usage: usage}
}

func portFilter(usage string) cli.Flag {
	return &cli.IntFlag{Name: "port", Category: filterCategory, Usage: usage, DefaultText: "any"}
}

func clusterFilters() []cli.Flag {
	return []cli.Flag{
		textFilter("fqdn", "only clusters with `TEXT` in their name"),
		textFilter("direction", "only clusters with `TEXT` in their name, inbound or outbound"),
		textFilter("subset", "only clusters with `TEXT` in their name, a subset"),
		portFilter("only clusters of service `PORT`"),
	}
}

func clusterView() configView {
	return configView{
		name: "cluster", aliases: []string{"clusters", "c"}, usage: "clusters: where a proxy may send traffic",
		kind: mesh.Cluster, filters: clusterFilters(), formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer: clusterAnswer,
	}
}

func clusterAnswer(q query) (*answer, error) {
	rows := proxyconfig.Clusters(q.proxy, proxyconfig.ClusterFilter{
		FQDN: q.String("fqdn"), Direction: q.String("direction"), Subset: q.String("subset"), Port: q.Int("port"),
	})
	table := configTable{layout: istioctlLayout(), header: []string{"SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE"}, states: q.wide()}
	if q.style.destinationRule {
		table.header = append(table.header, "DESTINATION RULE")
	}
	if q.wide() {
		table.header = append(table.header, "NAME", "LB POLICY", "TLS", "CONNECT TIMEOUT", "CHECKS", "EDS NAME", "ORIGIN")
	}
	for _, row := range rows {
		cells := append(clusterCells(row.ClusterName), row.Type)
		if q.style.destinationRule {
			cells = append(cells, row.DestinationRule)
		}
		if q.wide() {
			cells = append(cells, clusterDetail(row)...)
		}
		table.add(row.Resource, cells...)
	}
	return &answer{
		tables: []configTable{table}, documents: resourceDocuments(table.resources),
		what: "clusters", shown: len(rows), total: len(q.proxy.Clusters),
	}, nil
}

// clusterCells are the parts of a cluster's name; a name that is not Istio's has none.
func clusterCells(n proxyconfig.ClusterName) []string {
	if n.Direction == "" {
		return []string{n.FQDN, "-", "-", "-"}
	}
	return []string{n.FQDN, strconv.Itoa(n.Port), dash(n.Subset), n.Direction}
}

func clusterDetail(row proxyconfig.ClusterRow) []string {
	name, origin := row.Resource.Name(), string(row.Resource.Origin)
	d, err := row.Detail()
	if err != nil {
		return []string{name, "-", undecoded(err), "-", "-", "-", origin}
	}
	var checks []string
	if d.HealthChecks {
		checks = append(checks, "active")
	}
	if d.OutlierDetection {
		checks = append(checks, "outlier")
	}
	eds := d.EDSName
	if eds == name {
		eds = ""
	}
	return []string{name, d.LBPolicy, d.TLS, d.ConnectTimeout.String(), dash(strings.Join(checks, ",")), dash(eds), origin}
}
