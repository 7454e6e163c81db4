package loader

import (
	"bytes"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// maxKinds bounds how often the kind of document may change within a file.
const maxKinds = 100

// another opens the JSON document at offset at, which is of another kind than what stands
// before it, and what follows: some append what several endpoints answer to one file. It
// becomes a file of its own that shares the input.
func (f *file) another(contents *store, at int) (kept bool) {
	if f.nth >= maxKinds {
		f.problem(0, "%d bytes behind the JSON were passed over: the kind of document changed %d times before", len(f.buf)-at, f.nth)
		return false
	}
	skipped, first := 0, at
	for {
		next := &file{input: f.input, buf: f.buf, sniffed: sniffJSON(f.input.Path, f.buf, at), before: f, nth: f.nth + 1}
		if next.counts() {
			f.passedOver(skipped, first)
			f.problem(0, "another JSON document follows at byte %d, %s; it was read, too", at, next.kind)
			f.next = next
			return next.openNext(contents)
		}
		end, err := rawjson.End(f.buf, at)
		if err != nil {
			f.passedOver(skipped, first)
			f.damaged(len(f.buf), err.Error())
			return false
		}
		skipped++
		start := jsonStart(f.buf[end:])
		if start < 0 {
			f.passedOver(skipped, first)
			return false
		}
		at = end + start
	}
}

func (f *file) passedOver(count, first int) {
	if count > 0 {
		f.problem(0, "JSON documents behind the first were passed over: %d, the first at byte %d: %q", count, first, excerpt(f.buf[first:]))
	}
}

// counts reports whether the document says something that none before it in the file
// does. Of dumps all count.
func (f *file) counts() bool {
	if f.kind == mesh.KindUnknown || notNeeded[f.kind] != "" {
		return false
	}
	for b := f.before; b != nil; b = b.before {
		if b.kind == f.kind && b.debug == f.debug && !dumpKinds[f.kind] {
			return false
		}
	}
	return true
}

// dumpKinds are the kinds of file that are indexed.
var dumpKinds = map[mesh.FileKind]bool{mesh.KindConfigDump: true, mesh.KindResources: true, mesh.KindBootstrap: true}

func (f *file) openNext(contents *store) (kept bool) {
	f.json = true
	f.ofResources()
	f.id = identify(f.input.Path, f.istiods())
	if dumpKinds[f.kind] {
		return f.openDumps(contents)
	}
	content, kept := f.wholeJSON(contents, f.buf[f.at:])
	raw, k := contents.file(content)
	f.raw = raw
	return kept || k
}

// continues reports whether rest, which follows a document, is more of the same: objects
// from several calls of kubectl, what several istiods say.
func (f *file) continues(rest []byte) bool {
	return jsonLines[f.kind] || (f.kind == mesh.KindKubernetes || f.debug == "syncz") && opensJSON(rest) && sniffJSON(f.input.Path, rest, 0).kind == f.kind
}

// jsonLines are the kinds of file with one JSON document a line, or several one
// behind the other.
var jsonLines = map[mesh.FileKind]bool{mesh.KindRequests: true, mesh.KindLog: true, mesh.KindAccessLog: true, mesh.KindClientConfig: true}

// documents adds to the files those that share an input with another.
func documents(files []*file) []*file {
	var all []*file
	for _, f := range files {
		for ; f != nil; f = f.next {
			all = append(all, f)
		}
	}
	return all
}

// behind deals with what follows the document that ends at end of content, and reports
// whether the document is all that counts of it.
func (f *file) behind(contents *store, content []byte, end int) (alone, kept bool) {
	rest := bytes.TrimLeft(content[end:], " \t\r\n\x00")
	switch {
	case len(rest) == 0:
	case f.continues(rest):
		return false, false
	case opensJSON(rest):
		return true, f.another(contents, len(f.buf)-len(rest))
	default:
		f.problem(0, "%d bytes behind the JSON were passed over: %q", len(bytes.TrimSpace(rest)), excerpt(bytes.TrimSpace(rest)))
	}
	return true, false
}
