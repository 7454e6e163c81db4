package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/proxyconfig"
)

// configTable is a table of proxy-config with the resource behind every row.
type configTable struct {
	layout layout
	// title and note are lines before the table.
	title, note string
	header      []string
	rows        [][]string
	resources   []*mesh.Resource // parallel to rows; all nil for rows of something else
	// states is set to show the STATE of every row, else it shows if a row is not active.
	states bool
	// ownState is set where the rows tell the state themselves.
	ownState bool
}

func (t *configTable) add(r *mesh.Resource, cells ...string) {
	t.rows = append(t.rows, cells)
	t.resources = append(t.resources, r)
}

// nameRows makes every row begin with the kind and name of what it shows, cluster/xds-grpc, in a
// column of its own where the first one is no name.
func (t *configTable) nameRows(kind string) {
	named := strings.HasSuffix(t.header[0], "NAME")
	if !named {
		t.header = slices.Concat([]string{"NAME"}, t.header)
	}
	for i, row := range t.rows {
		if named {
			t.rows[i] = slices.Concat([]string{kind + "/" + row[0]}, row[1:])
			continue
		}
		t.rows[i] = slices.Concat([]string{kind + "/" + t.resources[i].Name()}, row)
	}
}

func (t configTable) write(w io.Writer, colored bool) error {
	for _, line := range []string{t.title, t.note} {
		if line != "" {
			fmt.Fprintln(w, line)
		}
	}
	rows := t.rows
	if t.header != nil {
		rows = slices.Concat([][]string{t.header}, rows)
	}
	if !t.ownState && (t.states || slices.ContainsFunc(t.resources, notServing)) {
		rows = t.withStates()
	}
	var paint painter
	if colored && t.header != nil {
		paint = paintConfig
	}
	return writeTable(w, t.layout, rows, paint)
}

func notServing(r *mesh.Resource) bool { return r != nil && r.State != mesh.Active }

// withStates returns header and rows with the columns STATE and, where one is known, REASON. The
// reason stands once, in the first row of its resource.
func (t configTable) withStates() [][]string {
	header := append(slices.Clone(t.header), "STATE")
	reasons := slices.ContainsFunc(t.resources, func(r *mesh.Resource) bool { return proxyconfig.Reason(r) != "" })
	if reasons {
		header = append(header, "REASON")
	}
	rows := [][]string{header}
	for i, row := range t.rows {
		r := t.resources[i]
		row = append(slices.Clone(row), string(r.State))
		switch {
		case reasons && (i == 0 || t.resources[i-1] != r):
			row = append(row, reasonText(r))
		case reasons:
			row = append(row, "")
		}
		rows = append(rows, row)
	}
	return rows
}

// reasonText names listeners, because their rows do not.
func reasonText(r *mesh.Resource) string {
	reason := proxyconfig.Reason(r)
	if reason != "" && r.Kind == mesh.Listener {
		return r.Name() + ": " + reason
	}
	return reason
}

func paintConfig(row, _ int, text string) style {
	switch {
	case row == 0:
		return bold
	case text == string(mesh.Rejected) || text == "UNHEALTHY" || text == "FAILED" || text == "TIMEOUT":
		return red
	case text == string(mesh.Warming) || text == string(mesh.Draining) || text == "DRAINING" || text == "DEGRADED":
		return yellow
	}
	return ""
}
