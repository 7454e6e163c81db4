package loader

import (
	"strings"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// parseLog reads the log of a proxy or of istiod: records of Istio, Envoy, klog
// and Go's log package, as text or JSON, and access logs. Every line that is not
// blank is returned. The text of a record is what stands behind its time and
// level; lines that continue a record, and access logs, are kept whole.
func parseLog(raw []byte) ([]mesh.LogLine, error) {
	var lines []mesh.LogLine
	number := 0
	for line := range strings.Lines(validText(raw)) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" {
			continue
		}
		record := readRecord(line, true)
		record.Line = number
		lines = append(lines, record)
	}
	return lines, nil
}

// readRecord reads one line that is not empty. Where it may be wrapped, a container
// runtime or kubectl may have put a time of its own before the record.
func readRecord(line string, wrapped bool) mesh.LogLine {
	if line[0] == '{' {
		return jsonRecord(line)
	}
	if line[0] == '[' {
		return bracketRecord(line)
	}
	if record, ok := klogRecord(line); ok {
		return record
	}
	at, rest, ok := cutTime(line)
	if !ok {
		return mesh.LogLine{Text: line}
	}
	if inner := cutStream(rest); wrapped && inner != "" {
		if record := readRecord(inner, false); !record.Time.IsZero() || record.Level != "" {
			return record
		}
	}
	word, text := cutField(rest)
	if level := logLevel(word); level != "" {
		return mesh.LogLine{Time: at, Level: level, Text: text}
	}
	return mesh.LogLine{Time: at, Text: rest}
}

// cutStream strips "stdout F ", which a container runtime puts before a record.
func cutStream(rest string) string {
	for _, stream := range []string{"stdout ", "stderr "} {
		if tagged, found := strings.CutPrefix(rest, stream); found {
			_, rest = cutField(tagged)
		}
	}
	return rest
}

// bracketRecord reads Envoy's "[time][thread][level][logger] text" and access
// logs, which have nothing but the time in brackets.
func bracketRecord(line string) mesh.LogLine {
	stamp, rest, ok := strings.Cut(line[1:], "]")
	at, tail, isTime := cutTime(stamp)
	if !ok || !isTime || tail != "" {
		return mesh.LogLine{Text: line}
	}
	for range 2 { // the thread is not always there
		field, behind, ok := cutBracket(rest)
		if !ok {
			break
		}
		if level := logLevel(field); level != "" {
			return mesh.LogLine{Time: at, Level: level, Text: strings.TrimSpace(behind)}
		}
		rest = behind
	}
	return mesh.LogLine{Time: at, Text: line}
}

func cutBracket(text string) (field, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, "[")
	if !ok {
		return "", "", false
	}
	return strings.Cut(text, "]")
}

// klogLevels are the first letters of klog's records.
var klogLevels = map[byte]string{'I': "info", 'W': "warning", 'E': "error", 'F': "critical"}

// klogRecord reads "I0102 15:04:05.678901       1 file.go:12] text". It has no
// year, so the record has no time.
func klogRecord(line string) (mesh.LogLine, bool) {
	const header = len("I0102 15:04:05")
	if len(line) < header || klogLevels[line[0]] == "" {
		return mesh.LogLine{}, false
	}
	if _, err := time.Parse("0102 15:04:05", line[1:header]); err != nil {
		return mesh.LogLine{}, false
	}
	_, text := cutField(line[len("I0102 "):])
	if thread, behind := cutField(text); isDigits(thread) {
		text = behind
	}
	return mesh.LogLine{Level: klogLevels[line[0]], Text: text}, true
}

// dateTimes are the times of two words: Envoy's and that of Go's log package.
// Fractions of a second are read though they are not named.
var dateTimes = []string{time.DateTime, "2006/01/02 15:04:05"}

// cutTime takes the time off the front of a line. A time without a zone is UTC.
func cutTime(line string) (at time.Time, rest string, ok bool) {
	if line == "" || !isDigits(line[:1]) {
		return time.Time{}, line, false
	}
	word, rest := cutField(line)
	if at, err := time.Parse(time.RFC3339, word); err == nil {
		return at.UTC(), rest, true
	}
	second, rest := cutField(rest)
	for _, layout := range dateTimes {
		if at, err := time.Parse(layout, word+" "+second); err == nil {
			return at, rest, true
		}
	}
	return time.Time{}, line, false
}

// cutField splits off the first of the fields that blanks or tabs separate.
func cutField(text string) (field, rest string) {
	at := strings.IndexAny(text, " \t")
	if at < 0 {
		return text, ""
	}
	return text[:at], strings.TrimLeft(text[at:], " \t")
}

// logLevel is the level that a word of a log means; "" for another word.
func logLevel(word string) string {
	switch strings.ToLower(word) {
	case "trace", "debug":
		return "debug"
	case "info", "notice":
		return "info"
	case "warn", "warning":
		return "warning"
	case "error", "err":
		return "error"
	case "critical", "fatal", "panic", "alert", "emergency":
		return "critical"
	}
	return ""
}
