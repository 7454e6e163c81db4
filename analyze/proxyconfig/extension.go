package proxyconfig

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// ExtensionRow is one extension configuration that ECDS delivered.
type ExtensionRow struct {
	Resource *mesh.Resource
	Name     string
	// Type is the type of the configuration without "type.googleapis.com/"; Inner that of the
	// configuration within a TypedStruct.
	Type, Inner string
}

// Extensions returns the ECDS configurations, by type and name. They are not decoded, so that
// types nobody here knows are listed, too.
func Extensions(p *mesh.Proxy) []ExtensionRow {
	var rows []ExtensionRow
	for _, r := range p.Extensions {
		row := ExtensionRow{Resource: r, Name: r.Name(), Type: strings.TrimPrefix(r.Peek("typed_config", "@type"), typePrefix)}
		if strings.HasSuffix(row.Type, ".TypedStruct") {
			row.Inner = strings.TrimPrefix(r.Peek("typed_config", "type_url"), typePrefix)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b ExtensionRow) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), stateOrder(a.Resource)-stateOrder(b.Resource))
	})
	return rows
}
