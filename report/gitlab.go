package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/meshray/meshray/analyze"
)

// gitlabIssue is one entry of GitLab's Code Quality report.
type gitlabIssue struct {
	Description string         `json:"description"`
	CheckName   string         `json:"check_name"`
	Fingerprint string         `json:"fingerprint"`
	Severity    string         `json:"severity"`
	Location    gitlabLocation `json:"location"`
}

type gitlabLocation struct {
	Path  string      `json:"path"`
	Lines gitlabLines `json:"lines"`
}

type gitlabLines struct {
	Begin int `json:"begin"`
}

// GitLab writes findings as a Code Quality report. Known and suppressed findings
// are left out: GitLab compares the reports of two pipelines itself.
func GitLab(w io.Writer, l *Lint) error {
	issues := []gitlabIssue{}
	for _, f := range l.Findings {
		file := Text(l.located(f.Place)).String()
		if file == "" {
			file = "capture"
		}
		issues = append(issues, gitlabIssue{
			Description: fmt.Sprintf("%s (%s). Fix: %s", f.Message, f.subject(), f.repair()),
			CheckName:   f.Rule, Fingerprint: f.Fingerprint, Severity: gitlabSeverity(f.Severity),
			Location: gitlabLocation{Path: file, Lines: gitlabLines{Begin: max(f.Place.Line, 1)}},
		})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(issues); err != nil {
		return fmt.Errorf("writing the Code Quality report: %w", err)
	}
	return nil
}

func gitlabSeverity(severity string) string {
	switch severity {
	case analyze.Error.String():
		return "critical"
	case analyze.Warning.String():
		return "major"
	}
	return "info"
}
