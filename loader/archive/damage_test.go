package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// noise is text that does not compress, so that a cut hits data.
func noise(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + random.IntN(26))
	}
	return string(b)
}

// TestCutOff cuts every format at every byte. What is delivered must be the beginning of what was there, and the damage must
// be told, wherever the rest still says what it is.
func TestCutOff(t *testing.T) {
	members := []member{{"a", noise(300)}, {"b", ""}, {"c", noise(200)}}
	plain, tar := members[0].content, tarOf(t, members...)
	tests := []struct {
		name, input string
		magic       int    // bytes before which the format is unknown
		unpacked    string // also what a tar of less than one header is taken for
	}{
		{"gzip", gzipOf(t, plain), 3, plain},
		{"zstd", zstdOf(t, plain), 4, plain},
		{"xz", xzOf(t, plain), 6, plain},
		{"bzip2", bzip2Hello(t), 10, "hello\n"},
		{"tar.gz", gzipOf(t, tar), 3, tar},
		{"tar.zst", zstdOf(t, tar), 4, tar},
		{"tar.xz", xzOf(t, tar), 6, tar},
		{"zip", zipOf(t, members...), 4, ""},
		{"zip without compression", storedZip(t, zip.FileHeader{Name: "a"}, plain), 4, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			whole := map[string]string{"stdin": test.unpacked}
			for _, m := range members {
				whole[m.name] = m.content
			}
			for cut := test.magic; cut < len(test.input); cut++ {
				cutOffAt(t, test.input[:cut], whole)
			}
		})
	}
}

func cutOffAt(t *testing.T, input string, whole map[string]string) {
	t.Helper()
	damaged := 0
	err := Walk([]string{"-"}, strings.NewReader(input), Limits{}, func(e Entry) error {
		got, err := io.ReadAll(e.Body)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: got %v for %s, want %v", len(input), err, e.Path, io.ErrUnexpectedEOF)
		}
		if err == nil && string(got) != whole[e.Path] || !strings.HasPrefix(whole[e.Path], string(got)) {
			t.Errorf("cut at %d: got %.20q... for %s, want the beginning of %.20q...", len(input), got, e.Path, whole[e.Path])
		}
		return nil
	}, func(s Skip) {
		if s.Damaged {
			damaged++
		}
	})
	if err != nil || damaged != 1 {
		t.Errorf("cut at %d: got %d reports of damage and error %v, want one and none", len(input), damaged, err)
	}
}

func TestDamage(t *testing.T) {
	a, b := member{"a", "hello\n"}, member{"b", noise(100)}
	flip := func(s string, at int) string {
		if at < 0 {
			at += len(s)
		}
		return s[:at] + string([]byte{s[at] ^ 0x55}) + s[at+1:]
	}
	inner, hello, helloTar := gzipOf(t, noise(100)), gzipOf(t, "hello\n"), gzipOf(t, tarOf(t, a))
	stored := storedZip(t, zip.FileHeader{Name: "s", CRC32: 1}, "hello\n")
	tests := []struct {
		name, input string
		want        []string
	}{
		{"tar cut in a file", tarOf(t, a, b)[:1600], []string{
			`a "hello\n"`, fmt.Sprintf(`b %q !reading b: unexpected EOF`, b.content[:64]),
			"stdin -- tar archive is cut off at byte 1600 (unexpected EOF); 2 files were saved, the last perhaps in part (damaged)"}},
		{"tar cut in a header", tarOf(t, a, b)[:1200], []string{
			`a "hello\n"`,
			"stdin -- tar archive is cut off at byte 1200 (unexpected EOF); 1 file was saved, perhaps in part (damaged)"}},
		{"tar with a broken header", flip(tarOf(t, a, b), 1030), []string{
			`a "hello\n"`,
			"stdin -- tar archive is broken at byte 1536 (archive/tar: invalid tar header); 1 file was saved, perhaps in part (damaged)"}},
		{"tar and something else", tarOf(t, a) + "junk", []string{
			`a "hello\n"`,
			"stdin -- what follows the end of the tar archive at byte 2048 is not a tar archive and was not read (damaged)"}},
		{"gzip with a wrong checksum", flip(hello, -6), []string{
			`stdin "hello\n" !reading stdin: gzip: invalid checksum`,
			fmt.Sprintf("stdin -- gzip data is broken at byte %d (gzip: invalid checksum); 1 file was saved, perhaps in part (damaged)", len(hello))}},
		{"tar.gz with a wrong checksum", flip(helloTar, -6), []string{
			`a "hello\n"`,
			fmt.Sprintf("stdin -- gzip data is broken at byte %d (gzip: invalid checksum); 1 file was saved, perhaps in part (damaged)", len(helloTar))}},
		{"gzip and something else", hello + "junk", []string{
			`stdin "hello\n"`,
			fmt.Sprintf("stdin -- what follows the end of the gzip data at byte %d is not gzip data and was not read (damaged)", len(hello))}},
		{"gzip without data", "\x1f\x8b\x08", []string{
			"stdin -- gzip data is cut off at byte 3 (unexpected EOF); nothing was saved (damaged)"}},
		{"zip with a wrong checksum", stored, []string{
			`s "hello\n" !reading s: zip: checksum error`,
			"stdin -- zip member s is broken at byte 31 (zip: checksum error); 1 file was saved, perhaps in part (damaged)"}},
		{"xz with a filter for x86 code", decoded(t, xzX86Base64), []string{
			`stdin "" !reading stdin: xz block header: a filter other than LZMA2, which is not supported`,
			"stdin -- xz data is broken at byte 24 (xz block header: a filter other than LZMA2, which is not supported); nothing was saved (damaged)"}},
		{"damaged file in a healthy archive", tarOf(t, member{"x.gz", inner[:50]}, a), []string{
			fmt.Sprintf("x.gz %q !reading x.gz: unexpected EOF", noise(35)),
			"x.gz -- gzip data is cut off at byte 50 (unexpected EOF); 1 file was saved, perhaps in part (damaged)",
			`a "hello\n"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, walked(t, []string{"-"}, test.input, Limits{}), test.want)
		})
	}
}

// TestFlippedBits changes every byte of every format that has a checksum: what is delivered in silence must be what was there.
func TestFlippedBits(t *testing.T) {
	members := []member{{"a", noise(100)}, {"b", strings.Repeat("hello ", 50)}}
	tests := []struct {
		name, input string
		magic       int
	}{
		{"gzip", gzipOf(t, noise(100)), 3},
		{"zstd", zstdOf(t, noise(100)), 4},
		{"xz", xzOf(t, strings.Repeat("hello ", 50)), 6},
		{"bzip2", bzip2Hello(t), 10},
		{"tar.gz", gzipOf(t, tarOf(t, members...)), 3},
		{"tar.xz", xzOf(t, tarOf(t, members...)), 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := walked(t, []string{"-"}, test.input, Limits{})
			for at := test.magic; at < len(test.input); at++ {
				for _, mask := range []byte{0x01, 0x55, 0xff} {
					flipped := []byte(test.input)
					flipped[at] ^= mask
					got := walked(t, []string{"-"}, string(flipped), Limits{})
					if !slices.Equal(got, want) && !strings.Contains(strings.Join(got, "\n"), "(damaged)") {
						t.Errorf("byte %d changed by %#x: got %.80q, want %.80q or a report of damage", at, mask, got, want)
					}
				}
			}
		})
	}
}

// Of a block's padding and check, the index and the footer, no byte may change unnoticed, although the data is all there.
func TestXZTail(t *testing.T) {
	whole := decoded(t, xzThreadsBase64)
	for at := len(whole) - 2 - 8 - 12 - 12; at < len(whole); at++ {
		flipped := []byte(whole)
		flipped[at] ^= 1
		got := walked(t, []string{"-"}, string(flipped), Limits{})
		if len(got) != 2 || !strings.HasSuffix(got[1], "(damaged)") {
			t.Errorf("byte %d changed: got %q, want a report of damage", at, got)
		}
	}
}

// storedZip has one member that is not compressed.
func storedZip(t *testing.T, h zip.FileHeader, raw string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h.CompressedSize64, h.UncompressedSize64 = uint64(len(raw)), uint64(len(raw))
	f, err := w.CreateRaw(&h)
	check(t, err)
	_, err = io.WriteString(f, raw)
	check(t, err)
	check(t, w.Close())
	return b.String()
}

// undirected is a zip without its directory.
func undirected(z string) string { return z[:strings.Index(z, zipDirectorySignature)] }

// descriptors replaces each data descriptor, 16 bytes with its signature, by what with makes of it.
func descriptors(z string, with func(string) string) string {
	parts := strings.Split(z, "PK\x07\x08")
	for i := 1; i < len(parts); i++ {
		parts[i] = with("PK\x07\x08"+parts[i][:12]) + parts[i][12:]
	}
	return strings.Join(parts, "")
}

// TestSalvage reads zips whose directory is gone, in the shapes that zip programs write.
func TestSalvage(t *testing.T) {
	deflated := undirected(zipOf(t, member{"d/", ""}, member{"d/a", "hello\n"}, member{"b", "bye\n"}))
	stored := func(name string, flags uint16) string {
		return undirected(storedZip(t, zip.FileHeader{Name: name, Flags: flags}, "hello\n"))
	}
	tests := []struct {
		name, input string
		want        []string
	}{
		{"sizes behind the data", deflated, []string{`d/a "hello\n"`, `b "bye\n"`}},
		{"sizes in front", stored("s", 0) + deflated, []string{`s "hello\n"`, `d/a "hello\n"`, `b "bye\n"`}},
		{"sizes without a signature", descriptors(deflated, func(d string) string { return d[4:] }), []string{`d/a "hello\n"`, `b "bye\n"`}},
		{"sizes of 8 bytes", descriptors(deflated, func(d string) string { return d + "\x00\x00\x00\x00\x00\x00\x00\x00" }), []string{`d/a "hello\n"`, `b "bye\n"`}},
		{"encrypted", stored("s", zipEncrypted) + deflated, []string{
			"s -- encrypted or packed by a method that is not supported, in a damaged zip", `d/a "hello\n"`, `b "bye\n"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lost := fmt.Sprintf("stdin -- zip archive is cut off at byte %d (its directory is missing: unexpected EOF); %s (damaged)",
				len(test.input), savedText(strings.Count(strings.Join(test.want, ""), `n"`)))
			compare(t, walked(t, []string{"-"}, test.input, Limits{}), append(test.want, lost))
		})
	}
	t.Run("length unknown", func(t *testing.T) {
		compare(t, walked(t, []string{"-"}, stored("s", zipDescriptor), Limits{}), []string{
			"stdin -- zip archive is broken at byte 31 (member s: its length is not in its header); nothing was saved (damaged)"})
	})
	t.Run("broken directory", func(t *testing.T) {
		whole := zipOf(t, member{"a", "hello\n"})
		at := strings.Index(whole, zipDirectorySignature)
		compare(t, walked(t, []string{"-"}, whole[:at]+"XX"+whole[at+2:], Limits{}), []string{`a "hello\n"`,
			fmt.Sprintf("stdin -- zip archive is broken at byte %d (its directory is unreadable: zip: not a valid zip file); 1 file was saved, perhaps in part (damaged)", at)})
	})
}
