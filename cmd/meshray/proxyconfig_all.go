package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
)

// allPart is one part of `proxy-config all`, in istioctl's order.
type allPart struct {
	view configView
	kind mesh.ResourceKind
	// title is istioctl's name of the part, prefix what its rows are named by, key the JSON field.
	title, prefix, key string
}

func allParts() []allPart {
	return []allPart{
		{bootstrapView(), mesh.Bootstrap, "BOOTSTRAP", "", "bootstrap"},
		{clusterView(), mesh.Cluster, "CLUSTER", "cluster", "clusters"},
		{listenerView(), mesh.Listener, "LISTENER", "listener", "listeners"},
		{routeView(), mesh.Route, "ROUTE", "route", "routes"},
		{secretView(), mesh.Secret, "SECRET", "secret", "secrets"},
		{edsView(), mesh.Endpoint, "ENDPOINT", "endpoint", "endpoints"},
		{extensionView(), mesh.Extension, "ECDS", "ecds", "ecds"},
	}
}

func allView() configView {
	return configView{
		name: "all", aliases: []string{"a"}, usage: "everything that the config_dump has of a proxy",
		filters: append(clusterFilters(),
			textFilter("address", "only listeners and endpoints at `ADDRESS`"),
			textFilter("type", "only listeners of `TYPE`"),
			textFilter("name", "only the route configuration called `NAME`"),
			textFilter("cluster", "only endpoints of the cluster called `NAME`"),
			textFilter("status", "only endpoints with health `STATUS`"),
		),
		options: []cli.Flag{
			verboseFlag("a row for every filter chain and route"),
			&cli.BoolFlag{Name: "with-headers", Category: outputCategory, Usage: "a line with the name of each part", DisableDefaultText: true},
		},
		formats: []string{tableFormat, wideFormat, shortFormat, jsonFormat, yamlFormat, nameFormat},
		answer:  allAnswer,
	}
}

func allAnswer(q query) (*answer, error) {
	if len(q.proxy.Sections) == 0 {
		return nil, configView{name: "all", kind: mesh.Cluster}.answerable(q.proxy)
	}
	if q.format == jsonFormat || q.format == yamlFormat {
		return wholeDump(q)
	}
	whole := &answer{}
	for _, part := range allParts() {
		if !q.proxy.Has(part.kind) {
			continue
		}
		if err := part.view.answerable(q.proxy); err != nil {
			whole.notes = append(whole.notes, err.Error())
			continue
		}
		found, err := part.view.answer(q)
		if err != nil {
			return nil, err
		}
		for _, table := range found.tables {
			if q.Bool("with-headers") {
				table.title = "------ " + part.title + " INFO ------\n"
			}
			if part.prefix != "" {
				table.nameRows(part.prefix)
			}
			whole.tables = append(whole.tables, table)
		}
		whole.documents.list = append(whole.documents.list, found.documents.list...)
	}
	return whole, nil
}

// wholeDump is one JSON object of all that the dump has, whatever the filters, as istioctl prints the
// dump itself: every resource by kind, and the sections of unknown type.
func wholeDump(q query) (*answer, error) {
	p := q.proxy
	fields := map[string][]configDocument{"scopedRoutes": resourceDocuments(p.ScopedRoutes).list}
	for _, part := range allParts() {
		fields[part.key] = resourceDocuments(p.Resources(part.kind)).list
	}
	for _, section := range p.Sections {
		if section.Kind == "" {
			fields["unknown"] = append(fields["unknown"], configDocument{
				name: section.TypeURL, raw: section.Raw, v3: func() ([]byte, error) { return section.Raw, nil },
			})
		}
	}
	a := &answer{}
	object := map[string]any{"proxy": p.Key()}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		texts := []json.RawMessage{}
		for _, doc := range fields[key] {
			text, err := doc.text(q.String("api") == apiV3)
			if err != nil {
				a.notes = append(a.notes, fmt.Sprintf("%s is left out: %v", doc.name, err))
				continue
			}
			texts = append(texts, text)
		}
		object[key] = texts
	}
	raw, err := document(object)
	if err != nil {
		return nil, err
	}
	a.documents = documents{single: true, list: []configDocument{{name: "all", raw: raw, v3: func() ([]byte, error) { return raw, nil }}}}
	return a, nil
}
