package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text is a string that came from a capture, or may hold a part of one. As a
// value it is what was captured; printed, it is cut to some hundred characters,
// and whatever does not show as itself (control characters, escape sequences,
// bidirectional overrides, bytes that are no UTF-8) becomes its Go escape, such
// as \x1b or \u202e. Writers still have to escape it for their format.
type Text string

const maxText = 600

// String returns the printable form.
func (t Text) String() string { return visible(shorten(string(t))) }

// shorten cuts the middle out of a long text: names differ at either end.
func shorten(text string) string {
	const head, tail = maxText - 100, 60
	if len(text) <= maxText {
		return text
	}
	start, end := head, len(text)-tail
	for start > head-utf8.UTFMax && !utf8.RuneStart(text[start]) {
		start--
	}
	for end < len(text)-tail+utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end++
	}
	return fmt.Sprintf("%s[... %d more bytes ...]%s", text[:start], end-start, text[end:])
}

func visible(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		piece := text[:size]
		text = text[size:]
		if r == '\\' || r == '"' || strconv.IsPrint(r) && !(r == utf8.RuneError && size == 1) {
			b.WriteString(piece)
			continue
		}
		quoted := strconv.Quote(piece)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Command is a shell command, made to be pasted. It is printed whole or not at
// all: half a command is a trap.
type Command string

const (
	maxCommand  = 2000
	longCommand = "meshray info CAPTURE  # prints the command, which is too long for this page"
)

// String returns the printable form.
func (c Command) String() string {
	if len(c) > maxCommand {
		return longCommand
	}
	return visible(string(c))
}
