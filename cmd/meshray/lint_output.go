package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/meshray/meshray/loader/archive"
	"github.com/meshray/meshray/report"
)

// Formats for CI systems; those that `test` has too stand there.
const (
	sarifFormat  = "sarif"
	gitlabFormat = "gitlab"
)

// lintFormats are the values of -o, the default first.
func lintFormats() []string {
	return []string{textFormat, jsonFormat, ndjsonFormat, sarifFormat, junitFormat, githubFormat, gitlabFormat, markdownFormat}
}

// writeAs prints a run in one format.
func (l lint) writeAs(w io.Writer, format string, colored bool) error {
	switch format {
	case jsonFormat:
		return writeDocument(w, l.json())
	case ndjsonFormat:
		for _, f := range l.json().Findings {
			if err := writeLine(w, f); err != nil {
				return err
			}
		}
		return nil
	case sarifFormat:
		return report.SARIF(w, l.ci)
	case junitFormat:
		return report.JUnit(w, l.ci.Cases())
	case githubFormat:
		return report.GitHubFindings(w, l.ci)
	case gitlabFormat:
		return report.GitLab(w, l.ci)
	case markdownFormat:
		return report.LintMarkdown(w, l.ci)
	}
	return l.write(w, colored)
}

func tool() report.Tool { return report.Tool{Name: "meshray", Version: version(debug.ReadBuildInfo())} }

// locator turns a file of the capture into a path from where the command runs: the file
// itself in a folder, the archive for its members, and the capture for no file.
func locator(paths []string) func(string) string {
	names := archive.Names(paths)
	return func(file string) string {
		for i, opened := range paths {
			inner := "/" + file
			if len(paths) > 1 {
				rest, named := strings.CutPrefix(file, names[i])
				if !named || rest != "" && rest[0] != '/' {
					continue
				}
				inner = rest
			}
			info, err := os.Stat(opened)
			if file == "" || err != nil || !info.IsDir() {
				return relative(opened)
			}
			outer, _, _ := strings.Cut(inner, "!/")
			return relative(opened) + outer
		}
		return relative(paths[0])
	}
}

// relative is a path from the working folder with slashes; one outside of it keeps
// its last part only, as no path of this machine belongs into an output.
func relative(path string) string {
	folder, err := os.Getwd()
	if err != nil {
		return filepath.Base(path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return filepath.Base(path)
	}
	rel, err := filepath.Rel(folder, absolute)
	if err != nil || strings.HasPrefix(rel, "..") {
		return filepath.Base(path)
	}
	return filepath.ToSlash(rel)
}
