package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
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
		files = append(files, outFile{format, path})
	}
	return files, nil
}

// writeOutFiles writes each file by what write makes of its format.
func writeOutFiles(files []outFile, write func(w io.Writer, format string) error) error {
	for _, f := range files {
		var out bytes.Buffer
		if err := write(&out, f.format); err != nil {
			return err
		}
		if err := os.WriteFile(f.path, out.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing --out %s: %w", f.format, err)
		}
	}
	return nil
}
