package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
)

// unjudged is the judgement of a hit that nobody has looked at.
const unjudged = "unjudged"

// TestCorpus holds every hit of the default rules on captures by other people to
// fixtures/corpus.tsv, where each was looked at: "true", or "debatable" with the
// reason. With -update new hits are written down as unjudged, and fail until
// somebody has judged them.
func TestCorpus(t *testing.T) {
	corpus := filepath.Join(fixtures.Shared(t), "corpus")
	table := filepath.Join(fixtures.Root(t), "fixtures", "corpus.tsv")
	judged := readJudgements(t, table)
	var out []string
	for _, hit := range corpusHits(t, corpus) {
		judgement, known := judged[hit]
		delete(judged, hit)
		if !known {
			judgement = unjudged + "\t"
			if !fixtures.Update() {
				t.Errorf("got a hit that is not in %s: %s", filepath.Base(table), hit)
			}
		}
		if strings.HasPrefix(judgement, unjudged) && !fixtures.Update() {
			t.Errorf("nobody has judged %s", hit)
		}
		out = append(out, hit+"\t"+judgement)
	}
	if fixtures.Update() {
		if err := os.WriteFile(table, []byte(corpusHeader+strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for hit := range judged {
		t.Errorf("got no hit any more for the row %s", hit)
	}
}

const corpusHeader = "capture\tseverity\trule\twhere\tmessage\tjudgement\twhy\n"

// readJudgements returns judgement and reason by the columns before them.
func readJudgements(t *testing.T, path string) map[string]string {
	t.Helper()
	judged := map[string]string{}
	data, err := os.ReadFile(path)
	if err != nil && !fixtures.Update() {
		t.Fatal(err)
	}
	for number, line := range strings.Split(strings.TrimPrefix(string(data), corpusHeader), "\n") {
		if line == "" {
			continue
		}
		columns := strings.Split(line, "\t")
		if len(columns) != 7 {
			t.Fatalf("%s:%d: got %d columns, want 7", path, number+2, len(columns))
		}
		judged[strings.Join(columns[:5], "\t")] = columns[5] + "\t" + columns[6]
	}
	return judged
}

// corpusHits are the findings on every folder of the corpus, one a line. What a
// capture lacks is not judged: it is no fault.
func corpusHits(t *testing.T, corpus string) []string {
	t.Helper()
	folders, err := os.ReadDir(corpus)
	if err != nil {
		t.Fatal(err)
	}
	var hits []string
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		capture := load(t, filepath.Join(corpus, folder.Name()))
		for _, f := range analyze.Run(capture, byDefault(t), analyze.Options{}).Findings {
			if f.Rule == CaptureIncomplete.Name {
				continue
			}
			ref := f.Ref
			ref.Proxy = ""
			hits = append(hits, strings.Join([]string{folder.Name(), f.Severity.String(), f.Rule, oneLine(ref.String()), oneLine(f.Message)}, "\t"))
		}
	}
	slices.Sort(hits)
	return slices.Compact(hits)
}

// oneLine keeps a text within its column.
func oneLine(text string) string {
	const most = 200
	quoted := fmt.Sprintf("%q", text)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(quoted) > most {
		quoted = strings.ToValidUTF8(quoted[:most], "") + "..."
	}
	return quoted
}
