package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

func endpointFilters() []cli.Flag {
	return []cli.Flag{
		textFilter("address", "only endpoints at `ADDRESS`, with or without its port"),
		portFilter("only endpoints on `PORT`"),
		textFilter("cluster", "only endpoints of the cluster called `NAME`"),
		textFilter("status", "only endpoints with health `STATUS` HEALTHY, UNHEALTHY, DRAINING, ..."),
	}
}

func endpointFilter(q query) proxyconfig.EndpointFilter {
	return proxyconfig.EndpointFilter{
		Address: q.String("address"), Port: q.Int("port"), Cluster: q.String("cluster"), Status: q.String("status"),
	}
}

func endpointView() configView {
	return configView{
		name: "endpoint", aliases: []string{"endpoints", "ep"}, usage: "endpoints: the hosts behind the clusters, from /clusters or the config_dump",
		filters: endpointFilters(),
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  endpointAnswer,
	}
}

func endpointAnswer(q query) (*answer, error) {
	p := q.proxy
	if p.ClusterStatus == nil && !p.Has(mesh.Endpoint) && !p.Has(mesh.Cluster) {
		return nil, fmt.Errorf("the capture has no endpoints of %s, neither /clusters nor a config_dump; this captures them: %s", p.Key(), mesh.DumpCommand(p))
	}
	rows, err := proxyconfig.Endpoints(p, endpointFilter(q), q.wide())
	a := &answer{tables: []configTable{endpointTable(q, rows)}, what: "endpoints", shown: len(rows), total: len(rows), notes: unread(err)}
	if len(rows) == 0 {
		all, _ := proxyconfig.Endpoints(p, proxyconfig.EndpointFilter{}, q.wide())
		a.total = len(all)
	}
	if err != nil && a.total == 0 {
		return nil, err
	}
	a.documents = endpointDocuments(p, rows)
	if p.ClusterStatus == nil && !p.Has(mesh.Endpoint) {
		a.notes = append(a.notes, fmt.Sprintf("the endpoints of EDS clusters are missing: the dump was made without ?include_eds, and there is no /clusters; this captures them: %s", mesh.DumpCommand(p)))
	}
	return a, nil
}

// unread is the note on what of the endpoints could not be read.
func unread(err error) []string {
	if err == nil {
		return nil
	}
	return []string{fmt.Sprintf("endpoints are missing, what could not be read is left out: %v", err)}
}

// endpointTable shows the column HEALTH where Envoy finds something wrong that STATUS, which is what
// the control plane said, does not tell.
func endpointTable(q query, rows []proxyconfig.EndpointRow) configTable {
	table := configTable{layout: istioctlLayout(), header: []string{"ENDPOINT", "STATUS"}}
	if q.style.outlierCheck {
		table.header = append(table.header, "OUTLIER CHECK")
	}
	table.header = append(table.header, "CLUSTER")
	health := q.wide() || slices.ContainsFunc(rows, func(row proxyconfig.EndpointRow) bool { return failing(row) != "" })
	if health {
		table.header = append(table.header, "HEALTH")
	}
	if q.wide() {
		table.header = append(table.header, "PRIORITY", "WEIGHT", "LOCALITY", "HOSTNAME", "ORIGIN")
	}
	for _, row := range rows {
		cells := []string{row.Address.String(), row.Status}
		if q.style.outlierCheck {
			cells = append(cells, outlierText(row.Outlier))
		}
		cells = append(cells, row.Cluster)
		if health {
			cells = append(cells, dash(failing(row)))
		}
		if q.wide() {
			cells = append(cells, strconv.Itoa(int(row.Priority)), strconv.Itoa(int(row.Weight)), dash(row.Locality), dash(row.Hostname), string(row.Origin))
		}
		table.add(nil, cells...)
	}
	return table
}

// failing are the health flags that have no column of their own.
func failing(row proxyconfig.EndpointRow) string {
	flags := slices.DeleteFunc(slices.Clone(row.Health), func(flag string) bool { return flag == "failed_outlier_check" })
	return strings.Join(flags, ",")
}

func outlierText(failed bool) string {
	if failed {
		return "FAILED"
	}
	return "OK"
}

// endpointDocuments are what the rows were made from: the clusters of /clusters, or resources.
func endpointDocuments(p *mesh.Proxy, rows []proxyconfig.EndpointRow) documents {
	fromStatus := map[string]bool{}
	var resources []*mesh.Resource
	for _, row := range rows {
		if row.Origin == proxyconfig.FromStatus || row.Origin == proxyconfig.FromBoth {
			fromStatus[row.Cluster] = true
		} else {
			resources = append(resources, row.Resource)
		}
	}
	docs := clusterStatusDocuments(p, fromStatus)
	docs.list = append(docs.list, resourceDocuments(resources).list...)
	return docs
}

// clusterStatusDocuments are the named clusters of /clusters: as captured if that is JSON, in the
// form of its JSON if it is text.
func clusterStatusDocuments(p *mesh.Proxy, names map[string]bool) documents {
	var docs documents
	if len(names) == 0 {
		return docs
	}
	raw := map[string][]byte{}
	list := rawjson.Get(p.ClusterStatus.Raw, "cluster_statuses")
	if list == nil {
		list = p.ClusterStatus.Raw // an array, as istioctl proxy-config endpoints writes it
	}
	for _, element := range rawjson.Elements(list) {
		raw[rawjson.GetText(element, "name")] = element
	}
	status, _ := p.ClusterStatus.Get()
	for _, c := range status.GetClusterStatuses() {
		if !names[c.GetName()] {
			continue
		}
		doc := configDocument{name: "endpoint/" + c.GetName(), raw: raw[c.GetName()], v3: func() ([]byte, error) { return v3JSON(c, nil) }}
		if doc.raw == nil {
			doc.raw, _ = doc.v3()
		}
		docs.list = append(docs.list, doc)
	}
	return docs
}

func edsView() configView {
	return configView{
		name: "eds", usage: "endpoints as the config_dump has them",
		kind: mesh.Endpoint, filters: endpointFilters(),
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  edsAnswer,
	}
}

func edsAnswer(q query) (*answer, error) {
	rows, err := proxyconfig.AssignedEndpoints(q.proxy, endpointFilter(q))
	total := len(rows)
	if len(rows) == 0 {
		all, _ := proxyconfig.AssignedEndpoints(q.proxy, proxyconfig.EndpointFilter{})
		total = len(all)
	}
	if err != nil && total == 0 {
		return nil, err
	}
	table := configTable{layout: istioctlLayout(), header: []string{"NAME", "STATUS", "LOCALITY", "CLUSTER"}, states: q.wide()}
	if q.wide() {
		table.header = append(table.header, "PRIORITY", "WEIGHT", "HOSTNAME")
	}
	for _, row := range rows {
		cells := []string{strings.Join(row.Addresses, ","), row.Status, row.Locality, row.Cluster}
		if q.wide() {
			cells = append(cells, strconv.Itoa(int(row.Priority)), strconv.Itoa(int(row.Weight)), dash(row.Hostname))
		}
		table.add(row.Resource, cells...)
	}
	return &answer{tables: []configTable{table}, documents: resourceDocuments(table.resources), what: "endpoints", shown: len(rows), total: total, notes: unread(err)}, nil
}
