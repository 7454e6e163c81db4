package drift

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sides takes the lines of both sides out of a diff again.
func sides(ops []op) (a, b []string) {
	for _, o := range ops {
		line := strings.TrimSuffix(o.line, ",")
		if o.kind != '+' {
			a = append(a, line)
		}
		if o.kind != '-' {
			b = append(b, line)
		}
	}
	return a, b
}

func changes(ops []op) int {
	n := 0
	for _, o := range ops {
		if o.kind != ' ' {
			n++
		}
	}
	return n
}

// numbered returns n lines, with every one of drop left out.
func numbered(n int, drop ...int) []string {
	var out []string
	for i := range n {
		if !slices.Contains(drop, i) {
			out = append(out, fmt.Sprintf("line %d", i), "}")
		}
	}
	return out
}

func TestDiff(t *testing.T) {
	tests := []struct {
		name    string
		a, b    []string
		changes int
	}{
		{"both empty", nil, nil, 0},
		{"all added", nil, []string{"a", "b"}, 2},
		{"all removed", []string{"a", "b"}, nil, 2},
		{"a comma is no difference", []string{"a,", "b"}, []string{"a", "b,"}, 0},
		{"one of several equal lines", []string{"{", "}", "{", "}", "{", "}"}, []string{"{", "}", "{", "}"}, 2},
		{"in the middle of a small text", numbered(10), numbered(10, 5), 2},
		{"in several places of a large text", numbered(5000), numbered(5000, 7, 2500, 4990), 6},
		{"large texts with nothing in common", numbered(5000), strings.Split(strings.Repeat("x\n", 4999)+"x", "\n"), 15000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ops := diff(test.a, test.b)
			a, b := sides(ops)
			if !slices.Equal(a, keys(test.a)) && len(test.a) > 0 || !slices.Equal(b, keys(test.b)) && len(test.b) > 0 {
				t.Error("the diff does not give both sides again")
			}
			if got := changes(ops); got != test.changes {
				t.Errorf("got %d changed lines, want %d", got, test.changes)
			}
		})
	}
}

func TestHunks(t *testing.T) {
	ops := diff(numbered(40), numbered(40, 3, 6, 30))
	var got []string
	for _, h := range hunks(ops, 3) {
		var b strings.Builder
		h.write(&b, "x")
		first, _, _ := strings.Cut(b.String(), "\n")
		got = append(got, first)
	}
	want := []string{"@@ -4,14 +4,10 @@ x", "@@ -57,8 +53,6 @@ x"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzDiff(f *testing.F) {
	f.Add("a\nb,\nc", "a\nc\nd")
	f.Add("", "x")
	f.Add(strings.Join(numbered(400), "\n"), strings.Join(numbered(400, 1, 2, 300), "\n"))
	f.Fuzz(func(t *testing.T, before, after string) {
		a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
		ops := diff(a, b)
		gotA, gotB := sides(ops)
		if !slices.Equal(gotA, keys(a)) || !slices.Equal(gotB, keys(b)) {
			t.Errorf("the diff of %q and %q does not give both sides again", a, b)
		}
		seen := 0
		for _, h := range hunks(ops, contextLines) {
			seen += changes(h.ops)
		}
		if want := changes(ops); seen != want {
			t.Errorf("the hunks have %d changed lines, want %d", seen, want)
		}
	})
}
