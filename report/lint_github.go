package report

import (
	"fmt"
	"io"

	"github.com/meshray/meshray/analyze"
)

var githubLevels = []string{"error", "warning", "notice"}

// GitHubFindings writes findings as workflow commands: errors, warnings and notices
// on the files of the capture. GitHub shows ten of each kind; the others are
// counted.
func GitHubFindings(w io.Writer, l *Lint) error {
	written := map[string]int{}
	for _, f := range l.Findings {
		level := githubLevel(f.Severity)
		written[level]++
		if written[level] > maxOfLevel(level) {
			continue
		}
		properties := "title=" + escapeProperty(f.Code+" "+f.Rule)
		if file := Text(l.located(f.Place)).String(); file != "" {
			properties = fmt.Sprintf("file=%s,line=%d,", escapeProperty(file), max(f.Place.Line, 1)) + properties
		}
		data := fmt.Sprintf("%s\n%s", f.Message, f.subject())
		if fix := f.repair(); fix != "" {
			data += "\nfix: " + fix.String()
		}
		if _, err := fmt.Fprintf(w, "::%s %s::%s\n", level, properties, escapeData(data)); err != nil {
			return fmt.Errorf("writing annotations: %w", err)
		}
	}
	for _, level := range githubLevels {
		if more := written[level] - maxOfLevel(level); more > 0 {
			if _, err := fmt.Fprintf(w, "::notice::%d more findings at the level %s are not annotated\n", more, level); err != nil {
				return fmt.Errorf("writing annotations: %w", err)
			}
		}
	}
	return nil
}

// maxOfLevel leaves room among the notices for those that count what is left out.
func maxOfLevel(level string) int {
	if level == "notice" {
		return maxAnnotations - len(githubLevels)
	}
	return maxAnnotations
}

func githubLevel(severity string) string {
	switch severity {
	case analyze.Error.String():
		return "error"
	case analyze.Warning.String():
		return "warning"
	}
	return "notice"
}
