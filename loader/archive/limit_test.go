package archive

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	ten := []member{{"a", "aaaaaaaaaa"}, {"b", "bbbbbbbbbb"}, {"c", "cccccccccc"}}
	const (
		fileLimit  = "more than 4 bytes in one file: raise --max-file-bytes to read on"
		totalLimit = "more than 2600 bytes in total: raise --max-bytes to read on"
		countLimit = "more than 2 files: raise --max-entries to read on; from here on nothing was read"
	)
	tests := []struct {
		name, input string
		limits      Limits
		want        []string
	}{
		{"file", tarOf(t, ten...), Limits{FileBytes: 4},
			[]string{`a "aaaa" !reading a: ` + fileLimit, `b "bbbb" !reading b: ` + fileLimit, `c "cccc" !reading c: ` + fileLimit}},
		{"file of exactly the limit", tarOf(t, ten[0]), Limits{FileBytes: 10}, []string{`a "aaaaaaaaaa"`}},
		{"zip in a stream", tarOf(t, member{"z", zipOf(t, ten...)}, ten[0]), Limits{FileBytes: 4},
			[]string{"z -- " + fileLimit, `a "aaaa" !reading a: ` + fileLimit}},
		{"total, in the third file", tarOf(t, ten[0], ten[1], member{"c", noise(1000)}), Limits{TotalBytes: 2600},
			[]string{`a "aaaaaaaaaa"`, `b "bbbbbbbbbb"`, fmt.Sprintf(`c %q !reading c: %s`, noise(40), totalLimit),
				"c -- " + totalLimit + "; from here on nothing was read"}},
		{"total, in a header", tarOf(t, member{"a", noise(1000)}, member{"b", noise(512)}, ten[2]), Limits{TotalBytes: 2600},
			[]string{fmt.Sprintf("a %q", noise(1000)), fmt.Sprintf("b %q", noise(512)),
				"stdin -- " + totalLimit + "; from here on nothing was read"}},
		{"total of exactly the limit", noise(2600), Limits{TotalBytes: 2600}, []string{fmt.Sprintf("stdin %q", noise(2600))}},
		{"entries", tarOf(t, ten...), Limits{Entries: 2}, []string{`a "aaaaaaaaaa"`, `b "bbbbbbbbbb"`, "c -- " + countLimit}},
		{"entries, exactly", tarOf(t, ten[:2]...), Limits{Entries: 2}, []string{`a "aaaaaaaaaa"`, `b "bbbbbbbbbb"`}},
		{"entries that are skipped", tarWith(t, []tar.Header{{Name: "p", Typeflag: tar.TypeFifo}, {Name: "q", Typeflag: tar.TypeFifo}, {Name: "r", Typeflag: tar.TypeFifo}}), Limits{Entries: 2},
			[]string{"p -- named pipe, not followed", "q -- named pipe, not followed", "r -- " + countLimit}},
		{"entries that are damaged", tarOf(t, member{"a", "\x1f\x8b\x08"}, member{"b", "\x1f\x8b\x08"}, member{"c", "\x1f\x8b\x08"}), Limits{Entries: 2},
			[]string{"a -- gzip data is cut off at byte 3 (unexpected EOF); nothing was saved (damaged)",
				"b -- gzip data is cut off at byte 3 (unexpected EOF); nothing was saved (damaged)", "c -- " + countLimit}},
		{"entries of a zip", zipOf(t, ten...), Limits{Entries: 2}, []string{`a "aaaaaaaaaa"`, `b "bbbbbbbbbb"`, "c -- " + countLimit}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compare(t, walked(t, []string{"-"}, test.input, test.limits), test.want)
		})
	}
}

// A limit that is met in compressed data must come through the decoder as it is.
func TestTotalLimitBelowDecoder(t *testing.T) {
	for _, input := range []string{gzipOf(t, noise(500)), zstdOf(t, noise(500)), xzOf(t, noise(500)), bzip2Hello(t)} {
		limits := Limits{TotalBytes: int64(len(input) - 8)}
		err := Walk([]string{"-"}, strings.NewReader(input), limits, func(e Entry) error {
			_, err := io.ReadAll(e.Body)
			if limit, ok := errors.AsType[*LimitError](err); !ok || limit.Flag != "--max-bytes" {
				t.Errorf("%.4q: got %v, want a LimitError for --max-bytes", input, err)
			}
			return nil
		}, func(s Skip) {
			if s.Damaged {
				t.Errorf("%.4q: got %s, want no damage: the limit is to blame", input, s.Reason)
			}
		})
		check(t, err)
	}
}

// Every way in which a few bytes can become many must end at the limit of all bytes.
func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	manyZips := make([]member, 64)
	for i := range manyZips {
		manyZips[i] = member{"z", zeros}
	}
	tests := []struct{ name, input string }{
		{"gzip", gzipOf(t, strings.Repeat(zeros, 8))},
		{"zstd", zstdOf(t, strings.Repeat(zeros, 8))},
		{"xz", xzOf(t, strings.Repeat(zeros, 8))},
		{"gzip in gzip", gzipOf(t, gzipOf(t, strings.Repeat(zeros, 8)))},
		{"zip", zipOf(t, manyZips...)},
		{"zip without directory", undirected(zipOf(t, manyZips...))},
		{"sparse tar", sparseTar(t, 1<<40)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			total, stopped := int64(0), false
			limits := Limits{TotalBytes: 4 << 20}
			err := Walk([]string{"-"}, strings.NewReader(test.input), limits, func(e Entry) error {
				n, err := io.Copy(io.Discard, e.Body)
				total += n
				if limit, ok := errors.AsType[*LimitError](err); err != nil && (!ok || limit.Flag != "--max-bytes" || limit.Max != limits.TotalBytes) {
					t.Errorf("got %v, want a LimitError for --max-bytes", err)
				}
				return nil
			}, func(s Skip) { stopped = stopped || strings.Contains(s.Reason, "--max-bytes") })
			if err != nil || !stopped || total > limits.TotalBytes {
				t.Errorf("got %d bytes, stopped %v, error %v; want at most %d, true, none", total, stopped, err, limits.TotalBytes)
			}
		})
	}
}

// sparseTar has one file of size bytes that are all hole, in GNU's format 1.0.
func sparseTar(t *testing.T, size int64) string {
	t.Helper()
	sparseMap := fmt.Sprintf("1\n%d\n0\n", size)
	return tarWithRecords(t, map[string]string{
		"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
		"GNU.sparse.name": "hole", "GNU.sparse.realsize": fmt.Sprint(size),
	}, sparseMap+strings.Repeat("\x00", 512-len(sparseMap)))
}

// tarWithRecords writes pax records that archive/tar reserves for itself.
func tarWithRecords(t *testing.T, records map[string]string, content string) string {
	t.Helper()
	text := ""
	for _, key := range []string{"GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.name", "GNU.sparse.realsize"} {
		line := fmt.Sprintf(" %s=%s\n", key, records[key])
		text += fmt.Sprintf("%d%s", len(line)+2, line)
	}
	pax := []byte(tarOf(t, member{"pax", text}))[:1024]
	pax[156] = tar.TypeXHeader
	sum := 0
	for i, b := range pax[:512] {
		if i < 148 || i >= 156 {
			sum += int(b)
		}
	}
	copy(pax[148:], fmt.Sprintf("%06o\x00 ", sum+8*' '))
	return string(pax) + tarOf(t, member{"x", content})
}

func TestZipDirectoryOfTooManyFiles(t *testing.T) {
	name := strings.Repeat("n", 60_000)
	input := zipOf(t, member{name, ""}, member{name, ""}, member{name, ""})
	compare(t, walked(t, []string{"-"}, input, Limits{Entries: 1}),
		[]string{"stdin -- more than 1 files: raise --max-entries to read on"})
}

func TestXZDictionaries(t *testing.T) {
	small := xzOf(t, "hello") // the writer asks for 8 MiB
	w := &walker{limits: Limits{}.orDefault(), bytesLeft: 1 << 20, dictionaries: 9 << 20, visit: func(e Entry) error {
		got, err := io.ReadAll(e.Body)
		if string(got) != "hello" || err == nil || !strings.Contains(err.Error(), "too many small xz blocks") {
			t.Errorf("got %q and %v, want the first stream and an end to dictionaries", got, err)
		}
		return nil
	}, report: func(Skip) {}}
	check(t, w.file(file{path: "x", size: -1, r: strings.NewReader(small + small)}))

	huge := []byte(small)
	huge[12+4] = 40 // LZMA2 property: 4 GiB
	binary.LittleEndian.PutUint32(huge[12+8:], crc32.ChecksumIEEE(huge[12:12+8]))
	compare(t, walked(t, []string{"-"}, string(huge), Limits{}), []string{
		`stdin "" !reading stdin: xz block needs a dictionary of 4294967295 bytes, more than the 134217728 that are allowed: unpack it first`,
		"stdin -- xz data is broken at byte 24 (xz block needs a dictionary of 4294967295 bytes, more than the 134217728 that are allowed: unpack it first); nothing was saved (damaged)"})
}
