package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// outFile is one FORMAT=FILE of --out.
type outFile struct{ format, path string }

// outFlag writes several formats in one run.
func outFlag(formats []string) cli.Flag {
	return &cli.StringSliceFlag{Name: "out", Category: outputCategory, Usage: "write `FORMAT=FILE` as well, the format being " + oneOf(formats) + "; may be repeated"}
}

// outFiles reads --out; standard output is for -o.
func outFiles(c *cli.Context, formats []string) ([]outFile, error) {
	var files []outFile
	for _, pair := range c.StringSlice("out") {
		format, path, found := strings.Cut(pair, "=")
		if !found || path == "" || path == "-" || !slices.Contains(formats, format) {
			return nil, usageError{
				message: fmt.Sprintf("invalid value %q for flag --out: want FORMAT=FILE with the format %s", pair, oneOf(formats)),
				hint:    fmt.Sprintf("such as --out %s=FILE; -o is for standard output", formats[0]),
			}
		}
		same := func(f outFile) bool { return filepath.Clean(f.path) == filepath.Clean(path) }
		if slices.ContainsFunc(files, same) {
			return nil, usageError{message: fmt.Sprintf("--out names %s twice", path), hint: "each format needs a file of its own"}
		}
		files = append(files, outFile{format, path})
	}
	return files, nil
}

// writeOutFiles writes each file by what write makes of its format. One that fails keeps
// none of the others from being written.
func writeOutFiles(files []outFile, write func(w io.Writer, format string) error) error {
	var errs []error
	for _, f := range files {
		var out bytes.Buffer
		err := write(&out, f.format)
		if err == nil {
			err = os.WriteFile(f.path, out.Bytes(), 0o644)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("writing --out %s: %w", f.format, err))
		}
	}
	return errors.Join(errs...)
}
