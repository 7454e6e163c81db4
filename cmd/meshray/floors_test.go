package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/fixtures"
)

const module = "github.com/meshray/meshray"

// floors is the architecture: every package of the module and the packages of the module it may
// import. Lower floors come first; a package imports only what stands above it in this table.
// Test files are free to import more: the tests of any package may load a fixture.
func floors() []floor {
	return []floor{
		// Floor 0: the nouns, and Envoy's messages behind them.
		{"analyze/mesh/rawjson", nil},
		{"analyze/mesh/xds", nil},
		{"analyze/mesh", allow("analyze/mesh/rawjson", "analyze/mesh/xds")},

		// Floor 1: reading captures, and answers about one proxy or one capture.
		{"loader/archive", nil},
		{"loader", allow("analyze/mesh", "analyze/mesh/rawjson", "loader/archive", "analyze/mesh/xds")},
		{"analyze", allow("analyze/mesh", "analyze/mesh/rawjson")},
		{"analyze/proxyconfig", allow("analyze/mesh", "analyze/mesh/rawjson")},
		{"analyze/proxystatus", allow("analyze/mesh")},

		{"analyze/request", nil},
		{"analyze/trace/match", allow("analyze/mesh", "analyze/request")},
		{"analyze/trace/rbac", allow("analyze/mesh", "analyze/request", "analyze/trace/match")},
		{"analyze/trace", allow("analyze/mesh", "analyze/request", "analyze/trace/match", "analyze/trace/rbac")},
		{"analyze/authz", allow("analyze/mesh", "analyze/trace/match", "analyze/trace/rbac")},

		{"analyze/replay", allow("analyze/mesh", "analyze/mesh/xds")},

		// Floor 2: answers about two things at once.
		{"analyze/expect", allow("analyze/mesh", "analyze/mesh/xds", "analyze/request", "analyze/trace", "analyze/trace/match")},
		{"analyze/lintfile", allow("analyze", "analyze/mesh")},
		{"analyze/replay/live", allow("analyze/replay", "analyze/request")},
		{"analyze/drift", allow("analyze/mesh", "analyze/mesh/xds")},

		// Floor 3: the rules, and the report.
		{"rules", allow("analyze", "analyze/mesh", "analyze/mesh/rawjson", "analyze/request", "analyze/trace", "analyze/trace/match", "analyze/trace/rbac")},
		{"report", allow("analyze", "analyze/mesh", "analyze/proxyconfig", "analyze/proxystatus")},

		// Tests' data and helpers, and the demo capture.
		{"fixtures", nil},
		{"fixtures/demo", nil},
		{"fixtures/capture", allow("analyze/replay", "analyze/replay/live", "analyze/request")},
		{"fixtures/conformance", nil},
		{"fixtures/bench", allow("analyze/mesh", "loader")},

		// Floor 4: the command.
		{"cmd/meshray", allow("analyze", "analyze/authz", "analyze/drift", "analyze/mesh", "analyze/mesh/rawjson", "analyze/proxyconfig", "analyze/proxystatus", "fixtures/demo", "loader", "loader/archive", "analyze/mesh/xds", "analyze/request", "analyze/trace/match", "analyze/trace", "analyze/expect", "analyze/lintfile", "analyze/replay", "analyze/replay/live", "report", "rules")},
	}
}

// floor is one row: a package and what it may import, as paths below the module's.
type floor struct {
	path    string
	imports []string
}

func allow(paths ...string) []string { return paths }

// goPackage is what go list says about a package.
type goPackage struct {
	ImportPath     string
	Dir            string
	Imports        []string
	GoFiles        []string
	IgnoredGoFiles []string
}

// local is an import path below the module's, empty for other modules' packages.
func local(importPath string) string {
	path, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return path
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,IgnoredGoFiles", "./...")
	list.Dir = fixtures.Root(t)
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing the packages: %v\n%s", err, stderr.String())
	}
	var packages []goPackage
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("reading the list of packages: %v", err)
		}
		packages = append(packages, p)
	}
}

func TestFloors(t *testing.T) {
	for _, problem := range checkFloors(floors(), listPackages(t)) {
		t.Error(problem)
	}
}

// checkFloors returns a line for every edge that the table does not allow, every package without
// a row, every row without a package, and every row that allows what does not stand above it.
func checkFloors(table []floor, packages []goPackage) []string {
	var problems []string
	rows := map[string]floor{}
	for _, row := range table {
		for _, lower := range row.imports {
			if _, ok := rows[lower]; !ok {
				problems = append(problems, row.path+" may import "+lower+", which does not stand above it in the table")
			}
		}
		rows[row.path] = row
	}
	found := map[string]bool{}
	for _, p := range packages {
		path := local(p.ImportPath)
		found[path] = true
		row, ok := rows[path]
		if !ok {
			problems = append(problems, "package "+path+" has no row: say which floor it is on")
			continue
		}
		for _, imported := range p.Imports {
			if lower := local(imported); lower != "" && !slices.Contains(row.imports, lower) {
				problems = append(problems, path+" imports "+lower+", which its row does not allow")
			}
		}
	}
	for _, row := range table {
		if !found[row.path] {
			problems = append(problems, "row "+row.path+" has no package")
		}
	}
	return problems
}

func TestCheckFloors(t *testing.T) {
	table := []floor{{"low", nil}, {"high", allow("low")}}
	low := goPackage{ImportPath: module + "/low", Imports: []string{"fmt", "example.com/other"}}
	high := goPackage{ImportPath: module + "/high", Imports: []string{module + "/low"}}
	tests := []struct {
		name     string
		table    []floor
		packages []goPackage
		want     []string
	}{
		{"as the table says", table, []goPackage{low, high}, nil},
		{
			"edge upwards", table,
			[]goPackage{{ImportPath: module + "/low", Imports: []string{module + "/high"}}, high},
			[]string{"low imports high, which its row does not allow"},
		},
		{
			"package without a row", table, []goPackage{low, high, {ImportPath: module + "/new"}},
			[]string{"package new has no row: say which floor it is on"},
		},
		{"row without a package", table, []goPackage{low}, []string{"row high has no package"}},
		{
			"row out of order", []floor{table[1], table[0]}, []goPackage{low, high},
			[]string{"high may import low, which does not stand above it in the table"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := checkFloors(test.table, test.packages); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
