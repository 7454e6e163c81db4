package expect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/fixtures"
)

// A case is the format (none: the built-in ones), the lines of a log, and what is
// read from each: the format's name where it is a built-in one, and the request.
func TestLogs(t *testing.T) {
	paths, err := filepath.Glob("testdata/log/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got cases %v, error %v; want some", paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { testLog(t, path) })
	}
}

func testLog(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatalf("reading the case: %v", err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	got := readCase(t, files)
	if got == files["want"] {
		return
	}
	if !fixtures.Update() {
		t.Errorf("read something else; go test -update accepts it\n%s", fixtures.Diff(path, files["want"], got))
		return
	}
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(got)
		}
	}
	if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
		t.Fatalf("writing the case: %v", err)
	}
}

func readCase(t *testing.T, files map[string]string) string {
	t.Helper()
	formats := caseFormats(t, files)
	var out strings.Builder
	for _, format := range formats {
		for _, note := range format.Notes {
			fmt.Fprintf(&out, "note: %s\n", note)
		}
	}
	for line := range strings.Lines(files["log"]) {
		fmt.Fprintf(&out, "%s\n", readCaseLine(t, formats, strings.TrimSuffix(line, "\n")))
	}
	return out.String()
}

func readCaseLine(t *testing.T, formats []*Format, text string) string {
	t.Helper()
	for _, format := range formats {
		line, err := format.Parse(text)
		if errors.Is(err, ErrNotThisFormat) {
			continue
		}
		if err != nil {
			return fmt.Sprintf("%s: %v", format.Name, err)
		}
		written, err := line.Append(nil)
		if err != nil {
			t.Fatalf("writing what was read from %s: %v", text, err)
		}
		return fmt.Sprintf("%s: %s", format.Name, strings.TrimSuffix(string(written), "\n"))
	}
	return "not read"
}

func caseFormats(t *testing.T, files map[string]string) []*Format {
	t.Helper()
	if text, ok := files["format"]; ok {
		format, err := CompileFormat(text)
		if err != nil {
			t.Fatalf("compiling the format: %v", err)
		}
		return []*Format{format}
	}
	if text, ok := files["dictionary"]; ok {
		var dictionary structpb.Struct
		if err := protojson.Unmarshal([]byte(text), &dictionary); err != nil {
			t.Fatalf("reading the dictionary: %v", err)
		}
		format, err := CompileJSONFormat(&dictionary)
		if err != nil {
			t.Fatalf("compiling the format: %v", err)
		}
		return []*Format{format}
	}
	return Builtin()
}
