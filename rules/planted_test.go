package rules

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestPlanted plants a fault in a whole capture for each rule that finds nothing in
// those that there are: what istiod writes around the fault stays as it is.
//
// A case has the name of the rule, or that and "." and what tells it from others. Its files are added to the capture; its plant file
// says which, and what to change in it:
//
//	capture  path within the shared folder
//	as-of    time, where the capture's own is not meant
//	keep     regexp on the members that are kept, all by default
//	replace  regexp on members, followed by a line with the old text and one with the
//	         new; "\n" is the end of a line
//
// Its want file is as in TestCases.
func TestPlanted(t *testing.T) {
	shared := fixtures.Shared(t)
	files, err := filepath.Glob(filepath.Join(fixtures.Root(t), "fixtures", "planted", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d cases (%v), want some", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ruleName, _, _ := strings.Cut(name, ".")
			rule := analyze.Find(All(), ruleName)
			archive, err := txtar.ParseFile(file)
			if err != nil || rule == nil {
				t.Fatalf("want a case with the name of a rule: %v", err)
			}
			intent, _, _ := strings.Cut(string(archive.Comment), "\n")
			p := parsePlant(t, archive)
			capture, err := loader.Load([]string{"-"}, p.grow(t, shared, archive), loader.Options{AsOf: p.asOf})
			if err != nil {
				t.Fatal(err)
			}
			result := analyze.Run(capture, []*analyze.Rule{rule}, analyze.Options{Hits: Hits})
			if len(result.Findings) == 0 {
				t.Errorf("got no finding (skipped: %v)", result.Skipped)
			}
			result.Skipped = nil // other proxies lack what was planted here
			compare(t, intent, lines(result, false), wanted(archive))
		})
	}
}

// plant is a plant file.
type plant struct {
	capture string
	asOf    time.Time
	keep    *regexp.Regexp
	edits   []edit
}

type edit struct {
	members  *regexp.Regexp
	old, new string
}

func parsePlant(t *testing.T, archive *txtar.Archive) plant {
	t.Helper()
	p := plant{keep: regexp.MustCompile("")}
	for _, file := range archive.Files {
		if file.Name != "plant" {
			continue
		}
		lines := strings.Split(string(file.Data), "\n")
		for i := 0; i < len(lines); i++ {
			word, rest, _ := strings.Cut(lines[i], " ")
			rest = strings.TrimSpace(rest)
			switch word {
			case "":
			case "capture":
				p.capture = rest
			case "as-of":
				at, err := time.Parse(time.RFC3339, rest)
				if err != nil {
					t.Fatal(err)
				}
				p.asOf = at
			case "keep":
				p.keep = regexp.MustCompile(rest)
			case "replace":
				ends := strings.NewReplacer(`\n`, "\n")
				p.edits = append(p.edits, edit{regexp.MustCompile(rest), ends.Replace(lines[i+1]), ends.Replace(lines[i+2])})
				i += 2
			default:
				t.Fatalf("want capture, as-of, keep or replace, got %q", word)
			}
		}
	}
	if p.capture == "" {
		t.Fatal("want a plant file that names a capture")
	}
	return p
}

// grow returns the capture as a tar with what was planted. Every edit must change
// something.
func (p plant) grow(t *testing.T, shared string, added *txtar.Archive) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	write := func(name string, data []byte) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644}
		if err := errors.Join(w.WriteHeader(header), second(w.Write(data))); err != nil {
			t.Fatal(err)
		}
	}
	changed := make([]bool, len(p.edits))
	for _, m := range membersOf(t, filepath.Join(shared, filepath.FromSlash(p.capture))) {
		if !p.keep.MatchString(m.name) {
			continue
		}
		data := m.data
		for i, e := range p.edits {
			if e.members.MatchString(m.name) && bytes.Contains(data, []byte(e.old)) {
				data = bytes.ReplaceAll(data, []byte(e.old), []byte(e.new))
				changed[i] = true
			}
		}
		write(m.name, data)
	}
	for i, e := range p.edits {
		if !changed[i] {
			t.Errorf("no member %s of %s has %q", e.members, p.capture, e.old)
		}
	}
	for _, file := range added.Files {
		if file.Name != "plant" && file.Name != "want" {
			write(file.Name, file.Data)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func second[T any](_ T, err error) error { return err }

// member is a file of a capture.
type member struct {
	name string
	data []byte
}

var memberCache sync.Map // of path to func() ([]member, error)

// membersOf reads a folder or a .tar.gz once for all cases.
func membersOf(t *testing.T, path string) []member {
	t.Helper()
	read, _ := memberCache.LoadOrStore(path, sync.OnceValues(func() ([]member, error) { return readMembers(path) }))
	members, err := read.(func() ([]member, error))()
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func readMembers(path string) ([]member, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var out []member
	if info.IsDir() {
		root := os.DirFS(path)
		err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := fs.ReadFile(root, name)
			out = append(out, member{name, data})
			return err
		})
		return out, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	for members := tar.NewReader(unzipped); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(members)
		if err != nil {
			return nil, err
		}
		out = append(out, member{header.Name, data})
	}
}
