package report

import (
	"fmt"
	"regexp"
	"strings"
)

// code writes text as a code span, in which Markdown and HTML mean nothing and
// nobody is mentioned. The fence is longer than any run of backquotes inside.
func code(text fmt.Stringer) string {
	s := text.String()
	if s == "" {
		return "-"
	}
	fence := strings.Repeat("`", longestRun(s)+1)
	if len(fence) > 1 || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cell is code within a table, where a bar ends the cell even inside of code.
func cell(text Text) string { return strings.ReplaceAll(code(text), "|", `\|`) }

// fenced writes a command as a code block.
func fenced(c Command) string {
	text := c.String()
	fence := strings.Repeat("`", max(longestRun(text)+1, 3))
	return fence + "sh\n" + text + "\n" + fence + "\n"
}

func longestRun(text string) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// prose writes a sentence so that it shows as it is. Text between backquotes
// becomes code, as rules write names.
func prose(text Text) string {
	parts := strings.Split(text.String(), "`")
	if len(parts)%2 == 0 { // a backquote without its partner
		return plain(strings.Join(parts, "`"))
	}
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 0:
			b.WriteString(plain(part))
		case part == "":
			b.WriteString(plain("``"))
		default:
			b.WriteString(code(printed(part)))
		}
	}
	return b.String()
}

// printed is a text that was made printable already.
type printed string

func (p printed) String() string { return string(p) }

// plain escapes whatever means something in Markdown or HTML. The empty comment
// keeps @name and #1 from becoming mentions, which no backslash prevents.
func plain(text string) string {
	return listMarker.ReplaceAllString(strings.NewReplacer(
		`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;",
		"|", `\|`, "~", `\~`, "!", `\!`, "$", `\$`, "://", `\://`, "www.", `www\.`, "@", "@<!-- -->", "#", "#<!-- -->",
	).Replace(text), `$1\$2`)
}

// listMarker is what begins a list, or underlines a heading, at the start of a
// line.
var listMarker = regexp.MustCompile(`^([0-9]{0,9})([-+=.)])`)

// row writes one row of a table; cells are escaped already, or by write.
func row[T any](cells []T, write func(T) string) string {
	var b strings.Builder
	b.WriteString("|")
	for _, c := range cells {
		b.WriteString(" " + write(c) + " |")
	}
	b.WriteString("\n")
	return b.String()
}

func same(text string) string { return text }

// word writes a word of ours, such as a state: a saved document may hold others.
func word(text string) string { return prose(Text(text)) }

func dashes(string) string { return "---" }

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
