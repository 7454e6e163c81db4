package main

import (
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

// conversation is what a command says on standard error besides its result: notes that stay, and
// progress that goes away again.
type conversation struct {
	w     io.Writer
	quiet bool

	showsProgress bool
	now           func() time.Time
	started       time.Time
	drawn         time.Time // when progress was last drawn, zero while none is on the screen
}

// conversation begins one. Progress shows only on a terminal, and from one second after now on.
func (e env) conversation(quiet bool) *conversation {
	return &conversation{
		w:             e.stderr,
		quiet:         quiet,
		showsProgress: e.stderrIsTerminal && !quiet && e.getenv("TERM") != "dumb",
		now:           e.now,
		started:       e.now(),
	}
}

// note prints a message of its own line, unless --quiet was given.
func (c *conversation) note(format string, args ...any) {
	if c.quiet {
		return
	}
	c.clear()
	fmt.Fprintf(c.w, "meshray: %s\n", sanitizeLines(fmt.Sprintf(format, args...)))
}

// progress shows what the command is at, ten times a second at most. It may be called for every
// file of a capture.
func (c *conversation) progress(format string, args ...any) {
	const patience, interval, width = time.Second, 100 * time.Millisecond, 78
	if !c.showsProgress {
		return
	}
	now := c.now()
	if now.Sub(c.started) < patience || now.Sub(c.drawn) < interval {
		return
	}
	text := sanitize(fmt.Sprintf(format, args...))
	if utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:width-3]) + "..."
	}
	c.drawn = now
	fmt.Fprintf(c.w, "\r\x1b[K%s", text)
}

// clear takes the progress off the screen; call it before the result is written.
func (c *conversation) clear() {
	if c.drawn.IsZero() {
		return
	}
	c.drawn = time.Time{}
	fmt.Fprint(c.w, "\r\x1b[K")
}
