package archive

import (
	"bytes"
	"strconv"
	"strings"
)

// sniffLen is what sniff needs to see: one tar header.
const sniffLen = 512

// format is what the content of a file says it is; its text is used in reasons.
type format string

const (
	formatPlain       format = "plain"
	formatGzip        format = "gzip"
	formatZstd        format = "zstd"
	formatXZ          format = "xz"
	formatBzip2       format = "bzip2"
	formatTar         format = "tar"
	formatZip         format = "zip"
	formatAppleDouble format = "AppleDouble"
)

func (f format) compressed() bool {
	return f == formatGzip || f == formatZstd || f == formatXZ || f == formatBzip2
}

// sniff classifies a file by its first sniffLen bytes, or all of a shorter file.
func sniff(head []byte) format {
	starts := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case starts("\x1f\x8b\x08"):
		return formatGzip
	case starts("\x28\xb5\x2f\xfd"), isSkippableFrame(head):
		return formatZstd
	case starts("\xfd7zXZ\x00"):
		return formatXZ
	case isBzip2(head):
		return formatBzip2
	case starts("PK\x03\x04"), starts("PK\x05\x06"):
		return formatZip
	case starts("\x00\x05\x16\x07"):
		return formatAppleDouble
	case isTar(head):
		return formatTar
	}
	return formatPlain
}

// isSkippableFrame knows the frames that pzstd and seekable zstd put in front of the data.
func isSkippableFrame(head []byte) bool {
	return len(head) >= 8 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte("\x2a\x4d\x18"))
}

// isBzip2 wants the magic of a block or of the end behind "BZh1".."BZh9": text may well start with BZh.
func isBzip2(head []byte) bool {
	if len(head) < 10 || string(head[:3]) != "BZh" || head[3] < '1' || head[3] > '9' {
		return false
	}
	magic := string(head[4:10])
	return magic == "\x31\x41\x59\x26\x53\x59" || magic == "\x17\x72\x45\x38\x50\x90"
}

// isTar accepts the ustar magic, or the header checksum of a v7 archive, which has no magic.
func isTar(head []byte) bool {
	if len(head) < sniffLen {
		return false
	}
	if string(head[257:262]) == "ustar" {
		return true
	}
	field := strings.Trim(string(head[148:156]), " \x00")
	want, err := strconv.ParseInt(field, 8, 32)
	if err != nil {
		return false
	}
	var unsigned, signed int64
	for i, b := range head[:sniffLen] {
		if i >= 148 && i < 156 {
			b = ' ' // the checksum counts its own field as spaces
		}
		unsigned += int64(b)
		signed += int64(int8(b))
	}
	return want == unsigned || want == signed
}
