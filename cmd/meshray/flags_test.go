package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/loader/archive"
)

func TestCaptureFrom(t *testing.T) {
	tests := []struct {
		name             string
		arguments, files []string
		variable         string
		want             []string
		origin           string
		message          string
	}{
		{name: "argument", arguments: []string{"a"}, want: []string{"a"}},
		{name: "flags", files: []string{"a", "b"}, want: []string{"a", "b"}},
		{name: "both", arguments: []string{"a"}, files: []string{"b"}, want: []string{"a", "b"}},
		{name: "stdin", files: []string{"-"}, want: []string{"-"}},
		{name: "variable", variable: "/cap with space:1", want: []string{"/cap with space:1"}, origin: "MESHRAY_CAPTURE"},
		{name: "command line before variable", files: []string{"a"}, variable: "b", want: []string{"a"}},
		{name: "nothing", message: "no capture is named"},
		{name: "empty path", files: []string{""}, variable: "b", message: "a capture path is empty"},
		{name: "stdin twice", arguments: []string{"-"}, files: []string{"-"}, message: "standard input (-) is named more than once and can be read once"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := testEnv(map[string]string{captureVariable: test.variable})
			got, err := captureFrom(e, test.arguments, test.files)
			if message := messageOf(err); message != test.message {
				t.Fatalf("got error %q, want %q", message, test.message)
			}
			if !slices.Equal(got.paths, test.want) || got.origin != test.origin {
				t.Errorf("got %+v, want paths %q from %q", got, test.want, test.origin)
			}
		})
	}
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestErrorsSayWhereTheCaptureCameFrom(t *testing.T) {
	missing := errors.New("reading cap: no such file")
	tests := []struct {
		source captureSource
		err    error
		want   string
	}{
		{captureSource{paths: []string{"cap"}, origin: captureVariable}, missing, "reading cap: no such file (MESHRAY_CAPTURE=cap)"},
		{captureSource{paths: []string{"cap"}}, missing, "reading cap: no such file"},
		{captureSource{paths: []string{"cap"}, origin: captureVariable}, nil, ""},
	}
	for _, test := range tests {
		if got := messageOf(test.source.explain(test.err)); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// limitCommand hands the values of the limit flags to seen.
func limitCommand(seen func(archive.Limits, time.Time)) []*cli.Command {
	return []*cli.Command{{
		Name:  "read",
		Flags: append(limitFlags(), asOfFlag()),
		Action: func(c *cli.Context) error {
			seen(limitsOf(c), asOf(c))
			return nil
		},
	}}
}

func TestLimitFlags(t *testing.T) {
	var got archive.Limits
	var at time.Time
	commands := func() []*cli.Command {
		return limitCommand(func(l archive.Limits, asOf time.Time) { got, at = l, asOf })
	}

	if result := executeTest(testEnv(nil), commands(), "read"); result != (outcome{}) {
		t.Fatalf("got %+v, want silence", result)
	}
	if got != archive.DefaultLimits() || !at.IsZero() {
		t.Errorf("got %+v and %v without flags, want the defaults and no time", got, at)
	}

	result := executeTest(testEnv(nil), commands(), "read", "--max-bytes", "2GiB", "--max-file-bytes=512mb",
		"--max-entries", "7", "--max-depth", "1", "--as-of", "2026-01-31T12:00:00+01:00")
	if result != (outcome{}) {
		t.Fatalf("got %+v, want silence", result)
	}
	if want := (archive.Limits{TotalBytes: 2 << 30, FileBytes: 512e6, Entries: 7, Depth: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if want := time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC); !at.Equal(want) {
		t.Errorf("got as-of %v, want %v", at, want)
	}
}

func TestByteSize(t *testing.T) {
	tests := []struct {
		text string
		want int64 // 0 for an error
	}{
		{"1", 1}, {"10B", 10}, {"1K", 1 << 10}, {"1KiB", 1 << 10}, {"1kb", 1000}, {"3M", 3 << 20},
		{"4GiB", 4 << 30}, {"4 GiB", 4 << 30}, {"4gib", 4 << 30}, {"1T", 1 << 40}, {"1TB", 1e12},
		{"8388607TiB", 8388607 << 40},
		{"", 0}, {"0", 0}, {"-1", 0}, {"GiB", 0}, {"1.5GiB", 0}, {"4GiBB", 0}, {"4 GB x", 0}, {"x4", 0},
		{"1E", 0}, {"8388608TiB", 0}, {"99999999999999999999", 0}, {"9223372036854775807", 9223372036854775807},
	}
	for _, test := range tests {
		var got byteSize
		err := got.Set(test.text)
		if (err != nil) != (test.want == 0) || int64(got) != test.want {
			t.Errorf("%q: got %d and error %v, want %d", test.text, got, err, test.want)
		}
	}
}

func TestByteSizeString(t *testing.T) {
	tests := []struct {
		size byteSize
		want string
	}{{0, "0B"}, {1023, "1023B"}, {1 << 10, "1KiB"}, {1536, "1536B"}, {4 << 30, "4GiB"}, {3 << 40, "3TiB"}, {5 << 20, "5MiB"}}
	for _, test := range tests {
		if got := test.size.String(); got != test.want {
			t.Errorf("%d: got %q, want %q", test.size, got, test.want)
		}
		var read byteSize
		if err := read.Set(test.want); test.size > 0 && (err != nil || read != test.size) {
			t.Errorf("%q reads as %d and error %v, want %d", test.want, read, err, test.size)
		}
	}
}

func TestLimitFlagsRefuse(t *testing.T) {
	tests := []struct{ flag, want string }{
		{"--max-bytes=lots", "want a size above zero such as 512MiB or 4GiB"},
		{"--max-entries=0", "want a whole number above zero"},
		{"--max-depth=x", "want a whole number above zero"},
		{"--as-of=yesterday", "want a time in RFC 3339 such as 2026-01-31T12:00:00Z"},
	}
	for _, test := range tests {
		name, value, _ := strings.Cut(test.flag, "=")
		got := executeTest(testEnv(nil), limitCommand(func(archive.Limits, time.Time) { t.Errorf("%s: the action ran", test.flag) }), "read", test.flag)
		want := outcome{code: 2, stderr: "meshray: invalid value \"" + value + "\" for flag " + name + ": " + test.want +
			"\nhint: 'meshray read --help' lists the flags\n"}
		if got != want {
			t.Errorf("%s: got %+v\nwant %+v", test.flag, got, want)
		}
	}
}

func TestDisplayFlags(t *testing.T) {
	tests := []struct {
		args            string
		color           string
		noPager, silent bool
		stderr          string
	}{
		{args: "show", color: "auto"},
		{args: "show --color always -q", color: "always", silent: true},
		{args: "show --color=never --no-pager --quiet", color: "never", noPager: true, silent: true},
		{args: "show --color=nevr", stderr: "meshray: invalid value \"nevr\" for flag --color: want auto, always or never\nhint: did you mean --color=never?\n"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			commands := []*cli.Command{{Name: "show", Flags: displayFlags(), Action: func(c *cli.Context) error {
				color, noPager, silent := c.String("color"), c.Bool("no-pager"), c.Bool("quiet")
				if color != test.color || noPager != test.noPager || silent != test.silent {
					t.Errorf("got %s, %v, %v, want %s, %v, %v", color, noPager, silent, test.color, test.noPager, test.silent)
				}
				return nil
			}}}
			if got := executeTest(testEnv(nil), commands, strings.Fields(test.args)...); got.stderr != test.stderr {
				t.Errorf("got stderr %q, want %q", got.stderr, test.stderr)
			}
		})
	}
}
