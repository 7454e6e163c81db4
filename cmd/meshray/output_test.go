package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	tests := []struct {
		name   string
		layout layout
		rows   [][]string
		want   string
	}{
		{"no rows", istioctlLayout(), nil, ""},
		{
			"istioctl's clusters", istioctlLayout(),
			[][]string{{"SERVICE FQDN", "PORT", "SUBSET"}, {"reviews.default", "9080", "-"}, {"BlackHoleCluster", "-", "v1"}},
			"SERVICE FQDN         PORT     SUBSET\n" +
				"reviews.default      9080     -\n" +
				"BlackHoleCluster     -        v1\n",
		},
		{
			"least width", layout{minWidth: 8, padding: 1},
			[][]string{{"A", "B", "C"}, {"1", "22", "3"}},
			"A       B       C\n1       22      3\n",
		},
		{
			"empty cells", layout{padding: 2},
			[][]string{{"A", "B", ""}, {"", "", "c"}},
			"A  B  \n      c\n",
		},
		{
			"rows of different length", layout{padding: 2},
			[][]string{{"A", "B"}, {"one"}, {"two", "b", "c"}},
			"A  B\none\ntwo  b  c\n",
		},
		{
			"cells that would break the table", layout{padding: 2},
			[][]string{{"A", "B"}, {"a\tb\nc", "\x1b[31m\xff"}},
			"A        B\na\\tb\\nc  \\x1b[31m\\xff\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var plain, painted bytes.Buffer
			if err := writeTable(&plain, test.layout, test.rows, nil); err != nil {
				t.Fatal(err)
			}
			if got := plain.String(); got != test.want {
				t.Errorf("got\n%q\nwant\n%q", got, test.want)
			}
			unstyled := func(int, int, string) style { return "" }
			if err := writeTable(&painted, test.layout, test.rows, unstyled); err != nil {
				t.Fatal(err)
			}
			if got := painted.String(); got != test.want {
				t.Errorf("with a painter that paints nothing: got\n%q\nwant\n%q", got, test.want)
			}
		})
	}
}

func TestWriteTablePaintsWithoutMovingColumns(t *testing.T) {
	rows := [][]string{{"NAME", "STATUS"}, {"a", "STALE"}, {"aa", "SYNCED"}, {"", "STALE"}}
	paint := func(row, column int, text string) style {
		switch {
		case row == 0:
			return bold
		case column == 1 && text == "STALE":
			return red
		}
		return ""
	}
	var b bytes.Buffer
	if err := writeTable(&b, layout{padding: 2}, rows, paint); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1mNAME\x1b[0m  \x1b[1mSTATUS\x1b[0m\n" +
		"a     \x1b[31mSTALE\x1b[0m\n" +
		"aa    SYNCED\n" +
		"      \x1b[31mSTALE\x1b[0m\n"
	if got := b.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if got := strings.Count(b.String(), "\n"); got != len(rows) {
		t.Errorf("got %d lines, want %d", got, len(rows))
	}
}
