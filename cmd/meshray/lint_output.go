package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

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

// locator turns a file of the capture into a path from where the command runs: the
// file itself in a folder, the archive for its members.
func locator(paths []string) func(string) string {
	return func(file string) string {
		for _, opened := range paths {
			inner, named := strings.CutPrefix(file, filepath.Base(opened))
			if len(paths) > 1 && !named {
				continue
			}
			info, err := os.Stat(opened)
			switch {
			case err != nil, !info.IsDir():
				return relative(opened)
			case len(paths) > 1:
				return relative(opened) + filepath.ToSlash(inner)
			default:
				return relative(opened) + "/" + file
			}
		}
		return file
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
