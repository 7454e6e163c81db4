package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// sanitize makes a string from a capture safe to print: whatever would not show as itself (control
// characters, escape sequences, bidirectional overrides, invisible and undefined runes, bytes that
// are no UTF-8) becomes its Go escape, such as \x1b or \u202e.
func sanitize(text string) string {
	if printable(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 16)
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		piece := text[i : i+size]
		i += size
		if r == '\\' || r == '"' || printable(piece) {
			b.WriteString(piece)
			continue
		}
		quoted := strconv.Quote(piece)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

func printable(text string) bool {
	for i, r := range text {
		if r == utf8.RuneError {
			_, size := utf8.DecodeRuneInString(text[i:])
			if size == 1 {
				return false
			}
		}
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

// sanitizeLines is sanitize for a message of several lines. Lines after the first are indented, so
// that text from a capture cannot pass for a message of its own.
func sanitizeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = sanitize(line)
	}
	return strings.Join(lines, "\n  ")
}

// The values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

// colored decides whether standard output gets colours: the flag, then NO_COLOR, CLICOLOR_FORCE
// and FORCE_COLOR, CLICOLOR, TERM, and last whether a person reads it (no-color.org,
// bixense.com/clicolors).
func (e env) colored(mode string) bool {
	forced := func(name string) bool {
		value := e.getenv(name)
		return value != "" && value != "0"
	}
	switch {
	case mode == colorAlways:
		return true
	case mode == colorNever, e.getenv("NO_COLOR") != "":
		return false
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return true
	case e.getenv("CLICOLOR") == "0", e.getenv("TERM") == "dumb":
		return false
	}
	return e.stdoutIsTerminal
}

// style is a way to set text off on a terminal: the parameter of its SGR escape sequence.
type style string

const (
	bold   style = "1"
	faint  style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// paint wraps text in the style; empty text and the empty style leave it as it is.
func (s style) paint(text string) string {
	if s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
