package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "outbound|9080||reviews.default.svc.cluster.local", "outbound|9080||reviews.default.svc.cluster.local"},
		{"letters of other scripts", "größe 東京 עברית", "größe 東京 עברית"},
		{"escape sequence", "\x1b[31mred", `\x1b[31mred`},
		{"terminal title", "\x1b]0;owned\a", `\x1b]0;owned\a`},
		{"C1 control", "\u009b31m", `\u009b31m`},
		{"delete", "a\x7fb", `a\x7fb`},
		{"line breaks and tabs", "a\r\n\tb", `a\r\n\tb`},
		{"bidirectional override", "a\u202eb", `a\u202eb`},
		{"bidirectional isolate", "a\u2066b", `a\u2066b`},
		{"zero width", "a\u200bb", `a\u200bb`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"tag characters", "a\U000e0041", `a\U000e0041`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"replacement character itself", "a\ufffdb", "a\ufffdb"},
		{"backslashes and quotes beside a control", "\\d\"'\x00", `\d"'\x00`},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := sanitize(test.text); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("plain")
	f.Add("\x1b[2J\u202e\xff\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got := sanitize(text)
		if !utf8.ValidString(got) || !printable(got) {
			t.Errorf("got %q from %q, want printable text", got, text)
		}
		if again := sanitize(got); again != got {
			t.Errorf("got %q from %q, want no change", again, got)
		}
	})
}

func TestColored(t *testing.T) {
	tests := []struct {
		name      string
		mode      string
		variables map[string]string
		terminal  bool
		want      bool
	}{
		{"terminal", colorAuto, nil, true, true},
		{"no terminal", colorAuto, nil, false, false},
		{"NO_COLOR", colorAuto, map[string]string{"NO_COLOR": "1"}, true, false},
		{"empty NO_COLOR", colorAuto, map[string]string{"NO_COLOR": ""}, true, true},
		{"NO_COLOR wins over CLICOLOR_FORCE", colorAuto, map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, false},
		{"CLICOLOR_FORCE", colorAuto, map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		{"CLICOLOR_FORCE off", colorAuto, map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		{"FORCE_COLOR", colorAuto, map[string]string{"FORCE_COLOR": "1"}, false, true},
		{"CLICOLOR off", colorAuto, map[string]string{"CLICOLOR": "0"}, true, false},
		{"CLICOLOR on", colorAuto, map[string]string{"CLICOLOR": "1"}, false, false},
		{"dumb terminal", colorAuto, map[string]string{"TERM": "dumb"}, true, false},
		{"always", colorAlways, map[string]string{"NO_COLOR": "1", "TERM": "dumb"}, false, true},
		{"never", colorNever, map[string]string{"CLICOLOR_FORCE": "1"}, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := testEnv(test.variables)
			e.stdoutIsTerminal = test.terminal
			if got := e.colored(test.mode); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestPaint(t *testing.T) {
	for _, s := range []style{bold, faint, red, green, yellow} {
		got := s.paint("x")
		if !strings.HasPrefix(got, "\x1b["+string(s)+"m") || !strings.HasSuffix(got, "x\x1b[0m") {
			t.Errorf("got %q, want x between the style %s and a reset", got, s)
		}
	}
	if got := red.paint(""); got != "" {
		t.Errorf("got %q for empty text, want nothing", got)
	}
	if got := style("").paint("x"); got != "x" {
		t.Errorf("got %q without a style, want x", got)
	}
}
