package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"plain", "outbound|9080||reviews", "outbound|9080||reviews"},
		{"quotes stay", `a "b" \ c`, `a "b" \ c`},
		{"letters of any script stay", "größe שלום 日本", "größe שלום 日本"},
		{"control characters", "a\nb\x1b[31m\x00", `a\nb\x1b[31m\x00`},
		{"bidirectional override", "a\u202eb\u200f", `a\u202eb\u200f`},
		{"no UTF-8", "a\xff", `a\xff`},
		{"long", strings.Repeat("x", 600) + "y", strings.Repeat("x", 500) + "[... 41 more bytes ...]" + strings.Repeat("x", 59) + "y"},
		{"cut between characters", "a" + strings.Repeat("é", 300), "a" + strings.Repeat("é", 249) + "[... 42 more bytes ...]" + strings.Repeat("é", 30)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Text(test.text).String(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain")
	f.Add(strings.Repeat("é\xff\u202e", 300))
	f.Fuzz(func(t *testing.T, text string) {
		got := Text(text).String()
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r\t\x00\x1b\u202e\u2028") {
			t.Errorf("got %q, want visible characters only", got)
		}
		if limit := maxText * len(`\U0010ffff`); len(got) > limit {
			t.Errorf("got %d bytes, want %d at most", len(got), limit)
		}
		for _, cell := range []string{cell(Text(text)), prose(Text(text)), string(proseHTML(Text(text)))} {
			if strings.ContainsAny(cell, "\n\r") {
				t.Errorf("got a line break in %q", cell)
			}
		}
	})
}

func TestCommandIsWholeOrNot(t *testing.T) {
	if got := Command("kubectl get pods").String(); got != "kubectl get pods" {
		t.Errorf("got %q, want the command as it is", got)
	}
	got := Command(strings.Repeat("x", maxCommand+1)).String()
	if !strings.HasPrefix(got, "meshray info CAPTURE") {
		t.Errorf("got %.40q, want the command that prints it", got)
	}
}

func TestMarkdownEscapes(t *testing.T) {
	tests := []struct {
		name, got, want string
	}{
		{"code", code(Text("a|b")), "`a|b`"},
		{"code with a backquote", code(Text("a`b")), "`` a`b ``"},
		{"code of backquotes", code(Text("``")), "``` `` ```"},
		{"code with spaces around", code(Text(" a ")), "`  a  `"},
		{"empty code", code(Text("")), "-"},
		{"cell", cell(Text("a|b")), "`a\\|b`"},
		{"fence", fenced("a ``` b"), "````sh\na ``` b\n````\n"},
		{"prose", prose(Text("use `a|b` and *c*")), `use ` + "`a|b`" + ` and \*c\*`},
		{"prose with half a code span", prose(Text("use `a")), "use \\`a"},
		{"mention", prose(Text("@team #1")), "@<!-- -->team #<!-- -->1"},
		{"link", prose(Text("[x](https://y) www.z")), `\[x\](https\://y) www\.z`},
		{"HTML", prose(Text("<b>&amp;")), "&lt;b&gt;&amp;amp;"},
		{"command of a shell", shellWord("a b'c"), `'a b'\''c'`},
		{"plain word of a shell", shellWord("web-1.shop"), "web-1.shop"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestAnchor(t *testing.T) {
	if got, want := anchor("p", "web-1.shop"), "p-web-1.shop"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	seen := map[string]bool{}
	for _, name := range []Text{"a b", "a_b", "a/b", Text(strings.Repeat("x", 100)), Text(strings.Repeat("x", 101)), "é", "\xff"} {
		got := anchor("p", name)
		if strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || seen[got] {
			t.Errorf("anchor of %q: got %q, want one of its own of letters, digits, dots and dashes", name, got)
		}
		seen[got] = true
	}
}
