package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// member is one file of an archive under construction.
type member struct{ name, content string }

func tarOf(t testing.TB, members ...member) string {
	t.Helper()
	var headers []tar.Header
	for _, m := range members {
		headers = append(headers, tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644, ModTime: time.Unix(1700000000, 0)})
	}
	return tarWith(t, headers, members...)
}

// tarWith writes members under headers of the test's own making.
func tarWith(t testing.TB, headers []tar.Header, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range headers {
		check(t, w.WriteHeader(&headers[i]))
		if i < len(members) {
			_, err := io.WriteString(w, members[i].content)
			check(t, err)
		}
	}
	check(t, w.Close())
	return b.String()
}

func zipOf(t testing.TB, members ...member) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.Create(m.name)
		check(t, err)
		_, err = io.WriteString(f, m.content)
		check(t, err)
	}
	check(t, w.Close())
	return b.String()
}

func gzipOf(t testing.TB, content string) string {
	return packed(t, content, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
}

func zstdOf(t testing.TB, content string) string {
	return packed(t, content, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)) })
}

func xzOf(t testing.TB, content string) string {
	return packed(t, content, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
}

func packed(t testing.TB, content string, to func(io.Writer) (io.WriteCloser, error)) string {
	t.Helper()
	var b bytes.Buffer
	w, err := to(&b)
	check(t, err)
	_, err = io.WriteString(w, content)
	check(t, err)
	check(t, w.Close())
	return b.String()
}

// Files made by programs, for what no Go package writes.
const (
	bzip2HelloBase64 = "QlpoOTFBWSZTWcHAgOIAAAFBAAAQAkSgADDNAMNGKZcXckU4UJDBwIDi"
	xzThreadsBase64  = "/Td6WFoAAATm1rRGBMAKBiEBFgAAAAAAAAAAAKowjqYBAAVoZWxsbwoAAAClYJfxlPb94AABJgY6kzsKH7bzfQEAAAAABFla"                         // xz -T2: sizes in the block header
	xzSHA256Base64   = "/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQAFaGVsbG8KAAAAWJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgMAATYGa4H5QBibS5oBAAAAAApZWg==" // xz -C sha256
	xzX86Base64      = "/Td6WFoAAATm1rRGAgEEACEBFgANhjUfAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg=="                                 // xz --x86 --lzma2
)

func bzip2Hello(t testing.TB) string { return decoded(t, bzip2HelloBase64) }

func decoded(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	check(t, err)
	return string(b)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// walked lists what Walk delivered and skipped, in order: "path content", "path content !error", "path -- reason".
func walked(t testing.TB, paths []string, stdin string, limits Limits) []string {
	t.Helper()
	var lines []string
	err := Walk(paths, strings.NewReader(stdin), limits, func(e Entry) error {
		content, err := io.ReadAll(e.Body)
		line := fmt.Sprintf("%s %q", e.Path, content)
		if err != nil {
			line += " !" + err.Error()
		}
		lines = append(lines, line)
		return nil
	}, func(s Skip) {
		line := s.Path + " -- " + s.Reason
		if s.Damaged {
			line += " (damaged)"
		}
		lines = append(lines, line)
	})
	if err != nil {
		t.Fatalf("Walk: %v", err)
	}
	return lines
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}

func TestWalkFormats(t *testing.T) {
	hello := member{"hello.txt", "hello\n"}
	bye := member{"dir/bye.txt", "bye\n"}
	both := []string{`hello.txt "hello\n"`, `dir/bye.txt "bye\n"`}
	plain := []string{`stdin "hello\n"`}
	tests := []struct {
		name, input string
		want        []string
	}{
		{"plain", "hello\n", plain},
		{"empty", "", []string{`stdin ""`}},
		{"gzip", gzipOf(t, "hello\n"), plain},
		{"zstd", zstdOf(t, "hello\n"), plain},
		{"xz", xzOf(t, "hello\n"), plain},
		{"xz of several threads", decoded(t, xzThreadsBase64), plain},
		{"xz with SHA-256", decoded(t, xzSHA256Base64), plain},
		{"bzip2", bzip2Hello(t), plain},
		{"empty gzip", gzipOf(t, ""), []string{`stdin ""`}},
		{"empty xz", xzOf(t, ""), []string{`stdin ""`}},
		{"gzip twice over", gzipOf(t, gzipOf(t, "hello\n")), plain},
		{"gzip members", gzipOf(t, "hel") + gzipOf(t, "") + gzipOf(t, "lo\n"), plain},
		{"gzip with padding", gzipOf(t, "hello\n") + strings.Repeat("\x00", 512), plain},
		{"xz streams with padding", xzOf(t, "hel") + "\x00\x00\x00\x00" + xzOf(t, "lo\n"), plain},
		{"zstd behind a skippable frame", "\x50\x2a\x4d\x18\x01\x00\x00\x00x" + zstdOf(t, "hello\n"), plain},
		{"tar", tarOf(t, hello, bye), both},
		{"tar.gz", gzipOf(t, tarOf(t, hello, bye)), both},
		{"tar.zst", zstdOf(t, tarOf(t, hello, bye)), both},
		{"tar.xz", xzOf(t, tarOf(t, hello, bye)), both},
		{"zip", zipOf(t, hello, bye), both},
		{"zip.gz", gzipOf(t, zipOf(t, hello, bye)), both},
		{"zip without members", zipOf(t), nil},
		{"appended tars", tarOf(t, hello) + tarOf(t, bye), both},
		{"tar.gz appended to tar.gz", gzipOf(t, tarOf(t, hello)) + gzipOf(t, tarOf(t, bye)), both},
		{"duplicate names", tarOf(t, hello, hello), []string{both[0], both[0]}},
		{"text that begins like bzip2", "BZh9 is a word", []string{`stdin "BZh9 is a word"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, walked(t, []string{"-"}, test.input, Limits{}), test.want)
		})
	}
}

func TestWalkV7Tar(t *testing.T) {
	v7 := []byte(tarOf(t, member{"old.txt", "hello\n"}))
	clear(v7[257:512])
	sum := 0
	for i, b := range v7[:512] {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int(b)
	}
	copy(v7[148:], fmt.Sprintf("%06o\x00 ", sum))
	compare(t, walked(t, []string{"-"}, string(v7), Limits{}), []string{`old.txt "hello\n"`})
}

func TestWalkNested(t *testing.T) {
	inner := tarOf(t, member{"name", "in"})
	tests := []struct {
		name, input string
		limits      Limits
		want        []string
	}{
		{"tar.gz in tar", tarOf(t, member{"a/x.tar.gz", gzipOf(t, inner)}, member{"b", "out"}), Limits{},
			[]string{`a/x.tar.gz!/name "in"`, `b "out"`}},
		{"zip in tar.zst", zstdOf(t, tarOf(t, member{"x.zip", zipOf(t, member{"name", "in"})}, member{"b", "out"})), Limits{},
			[]string{`x.zip!/name "in"`, `b "out"`}},
		{"tar.xz in zip in tar", tarOf(t, member{"x.zip", zipOf(t, member{"y", xzOf(t, inner)})}), Limits{},
			[]string{`x.zip!/y!/name "in"`}},
		{"compressed file in tar", tarOf(t, member{"x.gz", gzipOf(t, "hello")}, member{"y.zst", zstdOf(t, "bye")}), Limits{},
			[]string{`x.gz "hello"`, `y.zst "bye"`}},
		{"too deep", tarOf(t, member{"x", tarOf(t, member{"y", inner}, member{"z", "up"})}), Limits{Depth: 2},
			[]string{`x!/y -- more than 2 archives inside one another: raise --max-depth to read on`, `x!/z "up"`}},
		{"compression is not depth", gzipOf(t, zstdOf(t, tarOf(t, member{"x", gzipOf(t, "hello")}))), Limits{Depth: 1},
			[]string{`x "hello"`}},
		{"compressed five times over", gzipOf(t, gzipOf(t, gzipOf(t, gzipOf(t, gzipOf(t, "x"))))), Limits{},
			[]string{"stdin -- compressed more than 4 times over: unpack it first"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, walked(t, []string{"-"}, test.input, test.limits), test.want)
		})
	}
}

func TestWalkOddMembers(t *testing.T) {
	headers := []tar.Header{
		{Name: "file", Size: 1, Mode: 0o644},
		{Name: "../../etc/passwd", Size: 1, Mode: 0o644},
		{Name: "/abs\\win\x1b[31m", Size: 1, Mode: 0o644},
		{Name: "dir/", Typeflag: tar.TypeDir},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: "file"},
		{Name: "pipe", Typeflag: tar.TypeFifo},
		{Name: "disk", Typeflag: tar.TypeBlock},
		{Name: "PaxHeaders.1/file", Mode: 0o644},
	}
	input := tarWith(t, headers, member{content: "a"}, member{content: "b"}, member{content: "c"}) +
		tarOf(t, member{"._x", "\x00\x05\x16\x07\x00\x02"}, member{"._y", "kept"})
	compare(t, walked(t, []string{"-"}, input, Limits{}), []string{
		`file "a"`,
		`etc/passwd "b"`,
		`abs/win` + "\ufffd" + `[31m "c"`,
		"link -- symbolic link, not followed",
		"hard -- hard link to file, not followed",
		"pipe -- named pipe, not followed",
		"disk -- device, not followed",
		"PaxHeaders.1/file -- pax header, not a file",
		"._x -- macOS file attributes (AppleDouble), not a capture",
		`._y "kept"`,
	})
}

func TestWalkOddZipMembers(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	link := &zip.FileHeader{Name: "link"}
	link.SetMode(fs.ModeSymlink | 0o777)
	for _, h := range []*zip.FileHeader{{Name: "dir/"}, {Name: `win\`}, {Name: `win\file`}, link, {Name: "secret", Flags: zipEncrypted}} {
		_, err := w.CreateRaw(h)
		check(t, err)
	}
	_, err := w.CreateRaw(&zip.FileHeader{Name: "lzma", Method: 14})
	check(t, err)
	check(t, w.Close())
	compare(t, walked(t, []string{"-"}, b.String(), Limits{}), []string{
		`win/file ""`,
		"link -- symbolic link, not followed",
		"secret -- encrypted: unpack the zip with its password first",
		"lzma -- zip compression method 14 is not supported: unpack the zip first",
	})
}

func TestVisitError(t *testing.T) {
	input := tarOf(t, member{"a", "1"}, member{"b", "2"})
	for _, want := range []error{errors.New("enough"), io.EOF, io.ErrUnexpectedEOF} {
		visits := 0
		got := Walk([]string{"-"}, strings.NewReader(input), Limits{}, func(Entry) error { visits++; return want }, func(Skip) {})
		if got != want || visits != 1 {
			t.Errorf("got %v after %d visits, want %v after 1", got, visits, want)
		}
	}
}

func TestBodyEndsWithVisit(t *testing.T) {
	var kept io.Reader
	check(t, Walk([]string{"-"}, strings.NewReader("hello"), Limits{}, func(e Entry) error { kept = e.Body; return nil }, func(Skip) {}))
	if n, err := kept.Read(make([]byte, 9)); n != 0 || !errors.Is(err, errBodyClosed) {
		t.Errorf("got %d bytes and %v, want none and %v", n, err, errBodyClosed)
	}
}
