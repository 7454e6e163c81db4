package main

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"text/tabwriter"
)

// layout is how a table's columns are set, as the parameters of text/tabwriter: cells are filled
// with spaces to at least minWidth, and padding is added to the widest cell of a column. There is
// no tab width: it counts only where cells are filled with tabs.
type layout struct {
	minWidth, padding int
}

// istioctlLayout is what most of istioctl's tables use.
func istioctlLayout() layout { return layout{padding: 5} }

// painter chooses the style of a cell; row 0 is the first row given to writeTable.
type painter func(row, column int, text string) style

// writeTable writes rows as aligned columns, to the letter as text/tabwriter does with the last
// cell of a row left unpadded. Cells are sanitized. With a painter, cells are painted after the
// columns are set, so that colours do not change the widths.
func writeTable(w io.Writer, l layout, rows [][]string, paint painter) error {
	clean := make([][]string, len(rows))
	for i, row := range rows {
		clean[i] = make([]string, len(row))
		for j, text := range row {
			clean[i][j] = sanitize(text)
		}
	}
	if paint == nil {
		return alignColumns(w, l, clean)
	}
	var plain bytes.Buffer
	if err := alignColumns(&plain, l, clean); err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for i, row := range clean {
		line, err := plain.ReadString('\n')
		if err != nil {
			return err
		}
		out.WriteString(paintRow(line, row, func(column int, text string) style { return paint(i, column, text) }))
	}
	return out.Flush()
}

func alignColumns(w io.Writer, l layout, rows [][]string) error {
	tabs := tabwriter.NewWriter(w, l.minWidth, 0, l.padding, ' ', 0)
	for _, row := range rows {
		if _, err := io.WriteString(tabs, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return tabs.Flush()
}

// paintRow paints the cells of one aligned line; they stand in it in order.
func paintRow(line string, row []string, paint func(column int, text string) style) string {
	var b strings.Builder
	for column, text := range row {
		before, after, found := strings.Cut(line, text)
		if !found {
			break
		}
		b.WriteString(before)
		b.WriteString(paint(column, text).paint(text))
		line = after
	}
	b.WriteString(line)
	return b.String()
}
