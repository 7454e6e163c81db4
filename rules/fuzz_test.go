package rules

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// FuzzRules runs all rules on any file that the loader takes: none crashes. The
// seeds are the files of the rules' cases.
func FuzzRules(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(fixtures.Root(f), "fixtures", "rules", "*", "*.txtar"))
	if err != nil || len(files) == 0 {
		f.Fatalf("finding seeds: %d, %v", len(files), err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, member := range archive.Files {
			f.Add(member.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := loader.Load([]string{"-"}, bytes.NewReader(data), loader.Options{AsOf: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return
		}
		for _, finding := range analyze.Run(c, All(), analyze.Options{}).Findings {
			if finding.Essence == "crashed" {
				t.Errorf("%s: %s", finding.Rule, finding.Message)
			}
		}
	})
}
