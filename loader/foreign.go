package loader

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/meshray/meshray/analyze/mesh"
)

// foreignLine returns where a line in raw begins that is no JSON: what kubectl says
// goes into the middle of what it prints, with "2>&1". It returns -1 if there is
// none. Of each line it looks at the first byte only.
func foreignLine(raw []byte) int {
	for at := 0; ; {
		n := bytes.IndexByte(raw[at:], '\n')
		if n < 0 {
			return -1
		}
		at += n + 1
		if at < len(raw) && raw[at] >= 'A' && !continuesJSON(raw[at:]) {
			return at
		}
	}
}

func continuesJSON(line []byte) bool {
	switch line[0] {
	case '[', ']', '{', '}':
		return true
	}
	for _, literal := range []string{"true", "false", "null", "NaN", "Infinity"} {
		if bytes.HasPrefix(line, []byte(literal)) {
			return true
		}
	}
	return false
}

// foreign records the resources that have foreign lines in them: they are where
// they should be, and will not decode.
func (f *file) foreign(x *index) {
	first, count := -1, 0
	for i := range x.spans {
		if sp := &x.spans[i]; sp.foreign > sp.start {
			if count++; first < 0 {
				first = i
			}
		}
	}
	if count == 0 {
		return
	}
	at, what := x.spans[first].foreign, fmt.Sprintf("%s %q cannot be decoded", x.resources[first].Kind, x.resources[first].Name())
	if count > 1 {
		what += fmt.Sprintf(", and %d more", count-1)
	}
	f.damaged(at, fmt.Sprintf("text that is no JSON in the middle of it, %q: %s", excerpt(lineAt(f.buf, at)), what))
}

func lineAt(data []byte, at int) []byte {
	line, _, _ := bytes.Cut(data[at:min(len(data), at+2*excerptBytes)], []byte{'\n'})
	return bytes.TrimRight(line, "\r")
}

// listHead is how kubectl begins a List in YAML. It writes kind behind the items.
var listHead = regexp.MustCompile(`^apiVersion: v1\r?\nitems:\r?\n`)

// tailBytes is as much as may follow the items of a List, or a text that broke off.
const tailBytes = 512

// ending records what the end of a text says of its being whole.
func (f *file) ending(text []byte) {
	text = bytes.TrimSpace(text)
	tail := text[max(0, len(text)-tailBytes):]
	last := text[bytes.LastIndexByte(text, '\n')+1:]
	switch {
	case kubectlErrors.Match(last):
		f.damaged(len(f.buf), fmt.Sprintf("it ends with an error message, %q: what was to follow is missing", excerpt(last)))
	case f.kind == mesh.KindKubernetes && listHead.Match(text) && !bytes.Contains(tail, []byte("\nkind:")):
		f.damaged(len(f.buf), "the List is cut off: what was to follow is missing")
	}
}
