package archive

import (
	"slices"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	tests := []struct{ name, want string }{
		{"a/b.json", "a/b.json"},
		{"./a//b/", "a/b"},
		{"/etc/passwd", "etc/passwd"},
		{"../../a", "a"},
		{"a/../../../b", "b"},
		{`..\..\a`, "a"},
		{`C:\logs\a`, "logs/a"},
		{"config_dump?include_eds", "config_dump?include_eds"},
		{"proxies/ns/pod a.json", "proxies/ns/pod a.json"},
		{"größe", "größe"},
		{"a\nb\x1b[2J\x00", "a\ufffdb\ufffd[2J\ufffd"},
		{"\u202egpj", "\ufffdgpj"},
		{"\xff", "\ufffd"},
		{"", "unnamed"},
		{"/", "unnamed"},
		{"..", "unnamed"},
		{strings.Repeat("ä", maxName), strings.Repeat("ä", maxName/2)},
		{"x" + strings.Repeat("ä", maxName), "x" + strings.Repeat("ä", maxName/2-1)},
	}
	for _, test := range tests {
		if got := clean(test.name); got != test.want {
			t.Errorf("clean(%q): got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestLabels(t *testing.T) {
	tests := []struct{ paths, want []string }{
		{[]string{"a.json"}, []string{"a.json"}},
		{[]string{"-"}, []string{"stdin"}},
		{[]string{"/home/me/x/a.json", "../y/b.json"}, []string{"a.json", "b.json"}},
		{[]string{"/x/m/a", "/y/m/a", "b"}, []string{"x/m/a", "y/m/a", "b"}},
		{[]string{"a", "x/a"}, []string{"a", "x/a"}},
		{[]string{"a", "a", "a"}, []string{"a", "a#2", "a#3"}},
		{[]string{"x/a", "-", "-"}, []string{"a", "stdin", "stdin#2"}},
	}
	for _, test := range tests {
		if got := Names(test.paths); !slices.Equal(got, test.want) {
			t.Errorf("Names(%q): got %q, want %q", test.paths, got, test.want)
		}
	}
}
