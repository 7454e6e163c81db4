package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

func secretView() configView {
	return configView{
		name: "secret", aliases: []string{"secrets", "s"}, usage: "secrets: certificates and what they are valid for",
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  secretAnswer,
	}
}

func secretAnswer(q query) (*answer, error) {
	if len(q.proxy.Sections) == 0 {
		return nil, configView{name: "secret", kind: mesh.Secret}.answerable(q.proxy)
	}
	rows := proxyconfig.Secrets(q.proxy)
	table := configTable{
		layout: istioctlLayout(), ownState: true,
		header: []string{"RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"},
	}
	domains := len(rows) > 0 && !slices.ContainsFunc(rows, func(row proxyconfig.SecretRow) bool { return row.TrustDomain == "" })
	if domains {
		table.header = append(table.header, "TRUST DOMAIN")
	}
	if q.wide() {
		table.header = append(table.header, "SUBJECT", "NAMES", "ISSUER", "ORIGIN", "NOTE")
	}
	for _, row := range rows {
		cells := secretCells(row, q.capture.AsOf)
		if domains {
			cells = append(cells, row.TrustDomain)
		}
		if q.wide() {
			cells = append(cells, wideSecret(row)...)
		}
		table.add(row.Resource, cells...)
	}
	a := &answer{documents: resourceDocuments(table.resources), what: "secrets", shown: len(rows), total: len(q.proxy.Secrets)}
	if !q.proxy.Has(mesh.Secret) {
		a.what, a.notes = "", []string{fmt.Sprintf("the config_dump of %s has no secret section: its certificates are not known", q.proxy.Key())}
	}
	a.tables = []configTable{table}
	return a, nil
}

func secretCells(row proxyconfig.SecretRow, asOf time.Time) []string {
	after, before := "", ""
	if c := row.Certificate; c != nil {
		after, before = c.NotAfter.Format(time.RFC3339), c.NotBefore.Format(time.RFC3339)
	}
	state := strings.ToUpper(string(row.Resource.State))
	return []string{row.Name, row.Type, state, strconv.FormatBool(row.ValidAt(asOf)), row.Serial(), after, before}
}

func wideSecret(row proxyconfig.SecretRow) []string {
	note := proxyconfig.Reason(row.Resource)
	if row.Err != nil {
		note = row.Err.Error()
	}
	origin := string(row.Resource.Origin)
	c := row.Certificate
	if c == nil {
		return []string{"-", "-", "-", origin, note}
	}
	names := slices.Clone(c.DNSNames)
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return []string{dash(c.Subject.String()), dash(strings.Join(names, ",")), dash(c.Issuer.String()), origin, note}
}

func extensionView() configView {
	return configView{
		name: "ecds", aliases: []string{"ec"}, usage: "extension configurations that ECDS delivered",
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  extensionAnswer,
	}
}

func extensionAnswer(q query) (*answer, error) {
	if len(q.proxy.Sections) == 0 {
		return nil, configView{name: "ecds", kind: mesh.Extension}.answerable(q.proxy)
	}
	rows := proxyconfig.Extensions(q.proxy)
	table := configTable{layout: istioctlLayout(), header: []string{"ECDS NAME", "TYPE"}, states: q.wide()}
	if q.wide() {
		table.header = append(table.header, "TYPE OF THE STRUCT", "VERSION")
	}
	for _, row := range rows {
		cells := []string{row.Name, row.Type}
		if q.wide() {
			cells = append(cells, dash(row.Inner), dash(row.Resource.Version))
		}
		table.add(row.Resource, cells...)
	}
	return &answer{tables: []configTable{table}, documents: resourceDocuments(table.resources), what: "ECDS configurations", shown: len(rows), total: len(rows)}, nil
}
