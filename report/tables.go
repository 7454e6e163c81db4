package report

import (
	"cmp"
	"crypto/sha256"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

// tabler makes the tables of all proxies within the limits.
type tabler struct {
	asOf       time.Time
	tableRows  int
	rows       int // that are left for all tables together
	firstOwner map[[sha256.Size]byte]Text
}

func newTabler(asOf time.Time, opts Options) *tabler {
	return &tabler{
		asOf:       asOf,
		tableRows:  cmp.Or(opts.TableRows, DefaultTableRows),
		rows:       cmp.Or(opts.TotalRows, DefaultTotalRows),
		firstOwner: map[[sha256.Size]byte]Text{},
	}
}

// fill gives rows their tables, in the given order while rows are left. The
// proxies are in the order of from.
func (t *tabler) fill(rows []Proxy, from []*mesh.Proxy, order []int) {
	for _, i := range order {
		for _, kind := range tableKinds() {
			if !kind.has(from[i]) {
				continue
			}
			table := Table{
				Title: kind.title, Total: -1,
				Command: Command("meshray proxy-config " + kind.verb + " " + shellWord(from[i].Key()) + " -f CAPTURE"),
			}
			if t.rows > 0 {
				kind.fill(t, from[i], &table)
				t.limit(&table, rows[i].Key)
			}
			rows[i].Tables = append(rows[i].Tables, table)
		}
	}
}

// limit cuts a table to what is left, and to a reference where another proxy
// has the very same one: replicas do.
func (t *tabler) limit(table *Table, owner Text) {
	table.Total = len(table.Rows)
	if table.Total > 0 {
		sum := table.sum()
		if first, known := t.firstOwner[sum]; known {
			table.SameAs, table.Columns, table.Rows = first, nil, nil
			return
		}
		t.firstOwner[sum] = owner
	}
	table.Rows = table.Rows[:min(len(table.Rows), t.tableRows, t.rows)]
	t.rows -= len(table.Rows)
}

func (t *Table) sum() [sha256.Size]byte {
	h := sha256.New()
	write := func(text string) {
		h.Write([]byte(strconv.Itoa(len(text)) + ":" + text))
	}
	write(t.Title)
	for _, column := range t.Columns {
		write(column)
	}
	for _, row := range t.Rows {
		for _, cell := range row {
			write(string(cell))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// tableKind is one of the tables of a proxy.
type tableKind struct {
	title, verb string
	has         func(*mesh.Proxy) bool
	fill        func(*tabler, *mesh.Proxy, *Table)
}

func tableKinds() []tableKind {
	has := func(kind mesh.ResourceKind) func(*mesh.Proxy) bool {
		return func(p *mesh.Proxy) bool { return p.Has(kind) || len(p.Resources(kind)) > 0 }
	}
	return []tableKind{
		{"Clusters", "cluster", has(mesh.Cluster), (*tabler).clusters},
		{"Listeners", "listener", has(mesh.Listener), (*tabler).listeners},
		{"Routes", "route", has(mesh.Route), (*tabler).routes},
		{"Endpoints", "endpoint", func(p *mesh.Proxy) bool { return p.Has(mesh.Endpoint) || p.ClusterStatus != nil }, (*tabler).endpoints},
		{"Secrets", "secret", has(mesh.Secret), (*tabler).secrets},
	}
}

func (t *tabler) clusters(p *mesh.Proxy, table *Table) {
	table.Columns = []string{"Service FQDN", "Port", "Subset", "Direction", "Type", "Destination rule", "State"}
	for _, row := range proxyconfig.Clusters(p, proxyconfig.ClusterFilter{}) {
		port := ""
		if row.Direction != "" {
			port = strconv.Itoa(row.Port)
		}
		table.add(row.FQDN, port, row.Subset, row.Direction, row.Type, row.DestinationRule, state(row.Resource))
	}
}

func (t *tabler) listeners(p *mesh.Proxy, table *Table) {
	table.Columns = []string{"Address", "Port", "Match", "Destination", "State"}
	for _, row := range proxyconfig.Listeners(p, proxyconfig.ListenerFilter{}) {
		address, port, status := strings.Join(row.Addresses, ", "), strconv.Itoa(row.Port), state(row.Resource)
		if len(row.Chains) == 0 {
			table.add(cmp.Or(address, row.Resource.Name()), port, "", undecodable(row.Err), status)
		}
		for _, chain := range row.Chains {
			destination := chain.Destination
			if chain.BlackHole {
				destination = "BlackHoleCluster"
			}
			table.add(address, port, chain.Match, destination, status)
		}
	}
}

func (t *tabler) routes(p *mesh.Proxy, table *Table) {
	table.Columns = []string{"Name", "Domains", "Match", "Leads to", "Virtual service", "State"}
	for _, config := range proxyconfig.Routes(p, proxyconfig.RouteFilter{}) {
		status := state(config.Resource)
		if len(config.Routes) == 0 {
			table.add(config.Name, "", "", undecodable(config.Err), "", status)
		}
		for _, route := range config.Routes {
			match, leadsTo := route.Match, route.Action
			if len(route.Conditions) > 0 {
				match += ", " + strings.Join(route.Conditions, ", ")
			}
			if route.NoRoutes {
				leadsTo = "response 404 (no routes)"
			}
			table.add(config.Name, proxyconfig.DomainSummary(route.Domains), match, leadsTo, route.VirtualService, status)
		}
	}
}

func (t *tabler) endpoints(p *mesh.Proxy, table *Table) {
	table.Columns = []string{"Endpoint", "Status", "Envoy's own view", "Cluster"}
	rows, err := proxyconfig.Endpoints(p, proxyconfig.EndpointFilter{}, false)
	for _, row := range rows {
		table.add(row.Address.String(), row.Status, strings.Join(row.Health, ", "), row.Cluster)
	}
	if err != nil {
		table.add("", "", undecodable(err), "")
	}
}

func (t *tabler) secrets(p *mesh.Proxy, table *Table) {
	table.Columns = []string{"Name", "Type", "Valid", "Not before", "Not after", "Serial number", "State"}
	for _, row := range proxyconfig.Secrets(p) {
		if row.Certificate == nil {
			table.add(row.Name, row.Type, undecodable(row.Err), "", "", "", state(row.Resource))
			continue
		}
		table.add(row.Name, row.Type, t.validity(row), stamp(row.Certificate.NotBefore), stamp(row.Certificate.NotAfter), row.Serial(), state(row.Resource))
	}
}

// validity is judged at the time of the capture.
func (t *tabler) validity(row proxyconfig.SecretRow) string {
	switch {
	case t.asOf.IsZero():
		return "not known: the capture has no time"
	case row.ValidAt(t.asOf):
		return "yes"
	case t.asOf.Before(row.Certificate.NotBefore):
		return "NOT YET"
	}
	return "EXPIRED"
}

func undecodable(err error) string {
	if err == nil {
		return ""
	}
	return "cannot be decoded: " + err.Error()
}

// state is the resource's state, with the reason where it does not serve.
func state(r *mesh.Resource) string {
	if reason := proxyconfig.Reason(r); reason != "" {
		return string(r.State) + ": " + reason
	}
	return string(r.State)
}

func (t *Table) add(cells ...string) {
	row := make([]Text, len(cells))
	for i, cell := range cells {
		row[i] = Text(cell)
	}
	t.Rows = append(t.Rows, row)
}

// shellWord makes one word of the shell out of text.
func shellWord(text string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./_-"
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
