package report

import (
	"fmt"
	"io"
	"strings"
)

// maxAnnotations is the number of annotations of one kind that GitHub shows for a
// step.
const maxAnnotations = 10

// GitHub writes the cases that failed as workflow commands, which GitHub shows as
// annotations on the file. Those beyond what GitHub shows are counted in a notice.
func GitHub(w io.Writer, cases []Case) error {
	written, left := 0, 0
	for _, c := range cases {
		if !c.failed() {
			continue
		}
		if written == maxAnnotations {
			left++
			continue
		}
		written++
		if _, err := io.WriteString(w, annotation(c)); err != nil {
			return fmt.Errorf("writing annotations: %w", err)
		}
	}
	if left == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "::notice::%d more failures are not annotated\n", left); err != nil {
		return fmt.Errorf("writing annotations: %w", err)
	}
	return nil
}

func annotation(c Case) string {
	var properties []string
	if c.File != "" {
		properties = append(properties, "file="+escapeProperty(c.File.String()))
	}
	if c.Line > 0 {
		properties = append(properties, fmt.Sprintf("line=%d", c.Line))
	}
	properties = append(properties, "title="+escapeProperty(c.Name.String()))
	return fmt.Sprintf("::error %s::%s\n", strings.Join(properties, ","), escapeData(lines(c.Failure)))
}

// escapeData and escapeProperty are the escapes of GitHub's workflow commands.
func escapeData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func escapeProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(text))
}
