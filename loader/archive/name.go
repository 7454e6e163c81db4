package archive

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds a path in bytes; tar allows a megabyte.
const maxName = 4096

// clean turns the name of an archive member or of a file on disk into a relative slash-separated path without "..",
// drive letters and unprintable characters. It never returns an empty string.
func clean(name string) string {
	name = printable(strings.ReplaceAll(name, `\`, "/"))
	if len(name) > 2 && name[1] == ':' && name[2] == '/' {
		name = name[2:]
	}
	// Rooted, path.Clean drops every ".." that leads out.
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if len(name) > maxName {
		cut := maxName
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = strings.TrimRight(name[:cut], "/")
	}
	if name == "" {
		return "unnamed"
	}
	return name
}

// printable replaces what a terminal would not show as it is: control, bidirectional and invalid characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// Names are the names of the inputs in [Entry] and [Skip], each the base name of its path. Inputs that share one are told apart by as many of the folders above as that
// takes ("before/dump.json", "after/dump.json"), then by number.
func Names(paths []string) []string {
	parts := make([][]string, len(paths))
	deepest := 1
	for i, p := range paths {
		parts[i] = components(p)
		deepest = max(deepest, len(parts[i]))
	}
	names := make([]string, len(paths))
	for n := 1; n <= deepest; n++ {
		seen := occurrences(names)
		for i, c := range parts {
			if n == 1 || seen[names[i]] > 1 {
				names[i] = strings.Join(c[max(0, len(c)-n):], "/")
			}
		}
	}
	return numbered(names)
}

func components(p string) []string {
	if p == "-" {
		return []string{"stdin"}
	}
	// "." and ".." say nothing; the folder's own name does.
	if abs, err := filepath.Abs(p); err == nil && strings.Trim(filepath.Base(p), ".") == "" {
		return []string{clean(filepath.Base(abs))}
	}
	return strings.Split(clean(filepath.ToSlash(p)), "/")
}

func occurrences(names []string) map[string]int {
	seen := make(map[string]int, len(names))
	for _, n := range names {
		seen[n]++
	}
	return seen
}

func numbered(names []string) []string {
	seen := occurrences(nil)
	for i, n := range names {
		seen[n]++
		if seen[n] > 1 {
			names[i] = n + "#" + strconv.Itoa(seen[n])
		}
	}
	return names
}
