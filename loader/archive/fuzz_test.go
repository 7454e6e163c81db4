package archive

import (
	"io"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzWalk(f *testing.F) {
	a, b := member{"a", "hello\n"}, member{"d/b.gz", gzipOf(f, noise(50))}
	for _, seed := range []string{
		"", "plain", gzipOf(f, tarOf(f, a, b)), zstdOf(f, "hello\n"), xzOf(f, noise(40)), xzOf(f, "a") + xzOf(f, "b"), bzip2Hello(f),
		zipOf(f, a, b), undirected(zipOf(f, a, b)), tarOf(f, member{"../x.zip", zipOf(f, a)}, b), gzipOf(f, "a") + "junk",
	} {
		f.Add(seed)
	}
	limits := Limits{TotalBytes: 1 << 20, FileBytes: 1 << 18, Entries: 50, Depth: 2}
	f.Fuzz(func(t *testing.T, input string) {
		total, entries := int64(0), 0
		err := Walk([]string{"-"}, strings.NewReader(input), limits, func(e Entry) error {
			n, _ := io.Copy(io.Discard, e.Body)
			if n > limits.FileBytes {
				t.Errorf("got %d bytes of %q, want at most %d", n, e.Path, limits.FileBytes)
			}
			total += n
			entries++
			checkPath(t, e.Path)
			return nil
		}, func(s Skip) { checkPath(t, s.Path) })
		if err != nil || total > limits.TotalBytes || entries > limits.Entries {
			t.Errorf("got %d bytes, %d entries and error %v, want at most %d and %d and none", total, entries, err, limits.TotalBytes, limits.Entries)
		}
	})
}

func checkPath(t *testing.T, p string) {
	t.Helper()
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || strings.HasPrefix(p, "../") || p == ".." || !utf8.ValidString(p) || printable(p) != p {
		t.Errorf("got path %q, want it clean and relative", p)
	}
}
