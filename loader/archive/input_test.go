package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/meshray/meshray/fixtures"
)

// tree writes files below a new folder.
func tree(t *testing.T, files ...member) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.name))
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(f.content), 0o644))
	}
	return root
}

func TestWalkFolder(t *testing.T) {
	root := tree(t,
		member{"b.json", "b"},
		member{"a/two", "2"},
		member{"a/one.gz", gzipOf(t, "1")},
		member{"empty", ""},
		member{"x.tgz", gzipOf(t, tarOf(t, member{"in/x", "x"}))},
		member{"z.zip", zipOf(t, member{"in/z", "z"})},
	)
	check(t, os.Symlink("b.json", filepath.Join(root, "link")))
	check(t, os.Symlink(root, filepath.Join(root, "loop")))
	want := []string{
		`a/one.gz "1"`, `a/two "2"`, `b.json "b"`, `empty ""`,
		"link -- symbolic link, not followed",
		"loop -- symbolic link, not followed",
		`x.tgz!/in/x "x"`, `z.zip!/in/z "z"`,
	}
	compare(t, walked(t, []string{root}, "", Limits{}), want)

	link := filepath.Join(t.TempDir(), "typed")
	check(t, os.Symlink(root, link))
	compare(t, walked(t, []string{link}, "", Limits{}), want)
}

func TestWalkPaths(t *testing.T) {
	root := tree(t,
		member{"one/dump.json", "1"},
		member{"two/dump.json", "2"},
		member{"other.json.gz", gzipOf(t, "3")},
		member{"some.tar", tarOf(t, member{"in", "4"}, member{"deep.zip", zipOf(t, member{"in", "5"})})},
		member{"some.zip", zipOf(t, member{"in", "6"})},
	)
	tests := []struct {
		name  string
		paths []string
		want  []string
	}{
		{"one file", []string{"one/dump.json"}, []string{`dump.json "1"`}},
		{"one compressed file", []string{"other.json.gz"}, []string{`other.json.gz "3"`}},
		{"one archive", []string{"some.tar"}, []string{`in "4"`, `deep.zip!/in "5"`}},
		{"several kinds", []string{"two", "other.json.gz", "some.tar", "some.zip", "-"},
			[]string{`two/dump.json "2"`, `other.json.gz "3"`, `some.tar/in "4"`, `some.tar/deep.zip!/in "5"`, `some.zip/in "6"`, `stdin "in"`}},
		{"one base name", []string{"one/dump.json", "two/dump.json", "some.zip"},
			[]string{`one/dump.json "1"`, `two/dump.json "2"`, `some.zip/in "6"`}},
		{"the same twice", []string{"one/dump.json", "one/dump.json"},
			[]string{`one/dump.json "1"`, `one/dump.json#2 "1"`}},
	}
	t.Chdir(root)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, walked(t, test.paths, "in", Limits{}), test.want)
		})
	}
}

// TestWalkCapture names what each file came out of: a path, or an archive in a folder.
func TestWalkCapture(t *testing.T) {
	root := tree(t,
		member{"case/dump.json", "1"},
		member{"case/some.tar", tarOf(t, member{"in", "2"}, member{"deep.zip", zipOf(t, member{"in", "3"})})},
		member{"case/sub/cut.tgz", gzipOf(t, tarOf(t, member{"in", "4"}))[:20]},
	)
	tests := []struct {
		paths []string
		want  string
	}{
		{[]string{"case/dump.json"}, "dump.json"},
		{[]string{"case/some.tar"}, "some.tar some.tar"},
		{[]string{"case"}, "case case/some.tar case/some.tar case case"},
		{[]string{"case", "case/some.tar", "-"}, "case case/some.tar case/some.tar case case some.tar some.tar stdin"},
	}
	t.Chdir(root)
	for _, test := range tests {
		var got []string
		err := Walk(test.paths, strings.NewReader("in"), Limits{},
			func(e Entry) error { got = append(got, e.Capture); return nil },
			func(s Skip) { got = append(got, s.Capture) })
		check(t, err)
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%v: got %s, want %s", test.paths, text, test.want)
		}
	}
}

func TestWalkDotNamesTheFolder(t *testing.T) {
	root := filepath.Join(tree(t, member{"capture/a", "1"}, member{"b", "2"}), "capture")
	t.Chdir(root)
	compare(t, walked(t, []string{".", "../b"}, "", Limits{}), []string{`capture/a "1"`, `b "2"`})
}

func TestWalkNamesThatAreNoUTF8(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "caf\xe9")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skipf("this file system takes no such name: %v", err)
	}
	check(t, os.WriteFile(filepath.Join(folder, "dump"), []byte("1"), 0o644))
	compare(t, walked(t, []string{root}, "", Limits{}), []string{"caf\ufffd/dump \"1\""})
}

func TestWalkMissingPath(t *testing.T) {
	t.Chdir(t.TempDir())
	err := Walk([]string{"none.json"}, nil, Limits{}, func(Entry) error { return nil }, func(Skip) {})
	if want := "reading none.json: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWalkUnreadableInFolder(t *testing.T) {
	root := tree(t, member{"a", "1"}, member{"dir/b", "2"}, member{"e", "3"})
	check(t, os.Chmod(filepath.Join(root, "a"), 0))
	check(t, os.Chmod(filepath.Join(root, "dir"), 0))
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "dir"), 0o755) })
	if _, err := os.ReadDir(filepath.Join(root, "dir")); err == nil {
		t.Skip("this user may read everything")
	}
	compare(t, walked(t, []string{root}, "", Limits{}),
		[]string{"a -- unreadable: permission denied", "dir -- unreadable: permission denied", `e "3"`})
}

func TestTotalLimitBetweenFiles(t *testing.T) {
	root := tree(t, member{"a", "12345"}, member{"b", "67"}, member{"c", ""})
	compare(t, walked(t, []string{root}, "", Limits{TotalBytes: 5}),
		[]string{`a "12345"`, "b -- more than 5 bytes in total: raise --max-bytes to read on; from here on nothing was read"})
}

// fs.SkipDir and fs.SkipAll mean something to the walk over a folder, and nothing to a caller of Walk.
func TestFolderVisitError(t *testing.T) {
	root := tree(t, member{"a/x", "1"}, member{"b/y", "2"})
	for _, want := range []error{errors.New("enough"), fs.SkipDir, fs.SkipAll} {
		visits := 0
		got := Walk([]string{root}, nil, Limits{}, func(Entry) error { visits++; return want }, func(Skip) {})
		if got != want || visits != 1 {
			t.Errorf("got %v after %d visits, want %v after 1", got, visits, want)
		}
	}
}

// zstdSized is one frame whose header has the content size.
func zstdSized(t *testing.T, content string) string {
	w, err := zstd.NewWriter(nil)
	check(t, err)
	return string(w.EncodeAll([]byte(content), nil))
}

func TestEntrySize(t *testing.T) {
	text := strings.Repeat("hello ", 100)
	root := tree(t,
		member{"a", text},
		member{"b.gz", gzipOf(t, text)},
		member{"c.zst", zstdSized(t, text)},
		member{"d.xz", xzOf(t, text)},
		member{"e.tar", tarOf(t, member{"in", text})},
		member{"f.zip", zipOf(t, member{"in", text})},
		member{"g.gz", gzipOf(t, "x") + "\x00\x00\x10\x00"},
	)
	stamp := time.Date(2024, 5, 6, 7, 8, 10, 0, time.UTC)
	check(t, os.Chtimes(filepath.Join(root, "a"), stamp, stamp))
	var sizes []int64
	err := Walk([]string{root}, nil, Limits{}, func(e Entry) error {
		sizes = append(sizes, e.Size)
		if e.Path == "a" && !e.ModTime.Equal(stamp) {
			t.Errorf("got modification time %v, want %v", e.ModTime, stamp)
		}
		return nil
	}, func(Skip) {})
	check(t, err)
	if want := []int64{600, 600, 600, -1, 600, 600, -1}; !slices.Equal(sizes, want) {
		t.Errorf("got sizes %v, want %v", sizes, want)
	}
}

// TestRealCaptures reads what istioctl and tar wrote, and what zstd compressed.
func TestRealCaptures(t *testing.T) {
	captures := filepath.Join(fixtures.Shared(t), "captures")
	tests := []struct {
		path  string
		files int
		bytes int64
	}{
		{"shop.tar.gz", 96, 11004127},
		{"large/bug-report-100.tar.gz", 321, 144236985},
		{"large/dump-50.json.zst", 1, 49664236},
		{"broken", 66, 4426267},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			files, size := 0, int64(0)
			err := Walk([]string{filepath.Join(captures, test.path)}, nil, Limits{}, func(e Entry) error {
				n, err := io.Copy(io.Discard, e.Body)
				files++
				size += n
				return err
			}, func(s Skip) { t.Errorf("skipped %s: %s", s.Path, s.Reason) })
			check(t, err)
			if files != test.files || size != test.bytes {
				t.Errorf("got %d files of %d bytes, want %d of %d", files, size, test.files, test.bytes)
			}
		})
	}
}
