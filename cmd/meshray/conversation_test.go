package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProgress(t *testing.T) {
	const drawn = "\r\x1b[K"
	tests := []struct {
		name      string
		terminal  bool
		quiet     bool
		variables map[string]string
		after     []time.Duration // when each step is reported, since the beginning
		want      string
	}{
		{"quick command", true, false, nil, []time.Duration{0, 999 * time.Millisecond}, ""},
		{"slow command", true, false, nil, []time.Duration{500 * time.Millisecond, time.Second}, drawn + "step 1" + drawn},
		{"steps close together", true, false, nil, []time.Duration{time.Second, 1050 * time.Millisecond, 1100 * time.Millisecond}, drawn + "step 0" + drawn + "step 2" + drawn},
		{"no terminal", false, false, nil, []time.Duration{5 * time.Second}, ""},
		{"quiet", true, true, nil, []time.Duration{5 * time.Second}, ""},
		{"dumb terminal", true, false, map[string]string{"TERM": "dumb"}, []time.Duration{5 * time.Second}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			now := time.Unix(1000, 0)
			e := testEnv(test.variables)
			e.stderr, e.stderrIsTerminal = &b, test.terminal
			e.now = func() time.Time { return now }
			c := e.conversation(test.quiet)
			for i, after := range test.after {
				now = time.Unix(1000, 0).Add(after)
				c.progress("step %d", i)
			}
			c.clear()
			if got := b.String(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestProgressStaysOnOneLine(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	e := testEnv(nil)
	e.stderr, e.stderrIsTerminal = &b, true
	e.now = func() time.Time { return now }
	c := e.conversation(false)
	now = now.Add(time.Minute)
	c.progress("reading %s", "\n"+strings.Repeat("ä", 200))
	if got, want := b.String(), "\r\x1b[Kreading \\n"+strings.Repeat("ä", 65)+"..."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNotes(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(1000, 0)
	e := testEnv(nil)
	e.stderr, e.stderrIsTerminal = &b, true
	e.now = func() time.Time { return now }
	c := e.conversation(false)
	now = now.Add(time.Minute)
	c.progress("step")
	c.note("reading %s: cut off", "a\x1b.json")
	if got, want := b.String(), "\r\x1b[Kstep\r\x1b[Kmeshray: reading a\\x1b.json: cut off\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	b.Reset()
	e.conversation(true).note("nobody asked")
	if b.Len() > 0 {
		t.Errorf("got %q with --quiet, want silence", b.String())
	}
}
