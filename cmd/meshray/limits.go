package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/loader/archive"
)

// limitFlags are --max-bytes, --max-file-bytes, --max-entries and --max-depth.
func limitFlags() []cli.Flag {
	defaults := archive.DefaultLimits()
	totalBytes, fileBytes := byteSize(defaults.TotalBytes), byteSize(defaults.FileBytes)
	entries, depth := count(defaults.Entries), count(defaults.Depth)
	return []cli.Flag{
		&cli.GenericFlag{
			Name: "max-bytes", Category: limitCategory, Value: &totalBytes,
			Usage: "read at most `SIZE` of a capture, unpacked",
		},
		&cli.GenericFlag{
			Name: "max-file-bytes", Category: limitCategory, Value: &fileBytes,
			Usage: "read at most `SIZE` of one file, unpacked",
		},
		&cli.GenericFlag{
			Name: "max-entries", Category: limitCategory, Value: &entries,
			Usage: "read at most `N` files",
		},
		&cli.GenericFlag{
			Name: "max-depth", Category: limitCategory, Value: &depth,
			Usage: "open archives inside archives `N` deep",
		},
	}
}

// limitsOf returns the values of limitFlags.
func limitsOf(c *cli.Context) archive.Limits {
	return archive.Limits{
		TotalBytes: int64(*c.Generic("max-bytes").(*byteSize)),
		FileBytes:  int64(*c.Generic("max-file-bytes").(*byteSize)),
		Entries:    int(*c.Generic("max-entries").(*count)),
		Depth:      int(*c.Generic("max-depth").(*count)),
	}
}

// byteSize is a flag value: a size in bytes. It reads a whole number with an optional unit: K, M,
// G, T and KiB, MiB, GiB, TiB count in 1024s, KB, MB, GB and TB in 1000s; case does not matter.
type byteSize int64

func (s *byteSize) Set(text string) error {
	digits := strings.TrimRight(text, "BKMGTIbkmgti ")
	unit, ok := unitBytes(strings.ToLower(strings.TrimSpace(text[len(digits):])))
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || number <= 0 {
		return fmt.Errorf("want a size above zero such as 512MiB or 4GiB")
	}
	if number > math.MaxInt64/unit {
		return fmt.Errorf("want a size below 8388608TiB")
	}
	*s = byteSize(number * unit)
	return nil
}

// String writes the size in the largest unit that divides it.
func (s *byteSize) String() string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		bytes, _ := unitBytes(strings.ToLower(unit))
		if *s > 0 && int64(*s)%bytes == 0 {
			return strconv.FormatInt(int64(*s)/bytes, 10) + unit
		}
	}
	return strconv.FormatInt(int64(*s), 10) + "B"
}

func unitBytes(unit string) (int64, bool) {
	switch unit {
	case "", "b":
		return 1, true
	case "k", "kib":
		return 1 << 10, true
	case "m", "mib":
		return 1 << 20, true
	case "g", "gib":
		return 1 << 30, true
	case "t", "tib":
		return 1 << 40, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	case "tb":
		return 1e12, true
	}
	return 0, false
}

// count is a flag value: a number of things, above zero.
type count int

func (n *count) Set(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number <= 0 {
		return fmt.Errorf("want a whole number above zero")
	}
	*n = count(number)
	return nil
}

func (n *count) String() string { return strconv.Itoa(int(*n)) }

// instant is a flag value: a point in time in RFC 3339, the zero time if the flag is not given.
type instant time.Time

func (t *instant) Set(text string) error {
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("want a time in RFC 3339 such as 2026-01-31T12:00:00Z")
	}
	*t = instant(parsed)
	return nil
}

// String is empty for the zero time, so that the help shows no default.
func (t *instant) String() string {
	if time.Time(*t).IsZero() {
		return ""
	}
	return time.Time(*t).Format(time.RFC3339)
}

// asOf returns the value of asOfFlag, the zero time if it is not given.
func asOf(c *cli.Context) time.Time {
	return time.Time(*c.Generic("as-of").(*instant))
}
