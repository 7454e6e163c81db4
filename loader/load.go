// Package loader opens what was saved from a mesh and returns it as a
// [mesh.Capture]: bug-report archives, must-gathers, folders and single dumps.
//
// A file is classified by its content, read once, and indexed without being
// decoded. Damage never stops the load: it becomes a [mesh.Problem], and what
// stands before it is used.
package loader

import (
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/loader/archive"
)

// Options bound and steer a load. The zero value is usable.
type Options struct {
	Limits archive.Limits
	// AsOf replaces the capture's own idea of when it was taken.
	AsOf time.Time
	// Progress, where set, is called after each file with the number of files
	// and bytes read so far. It is called from one goroutine.
	Progress func(files int, bytes int64)
}

// Load opens paths together as one capture; "-" is stdin. The error tells of a
// path that cannot be opened. A capture without a single usable file is no
// error: its Inputs say why.
func Load(paths []string, stdin io.Reader, opts Options) (*mesh.Capture, error) {
	l := &load{opts: opts, contents: newStore(), work: make(chan *file)}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(l.process)
	}
	err := archive.Walk(paths, stdin, opts.Limits, l.visit, l.skip)
	close(l.work)
	workers.Wait()
	if err != nil {
		return nil, err
	}
	return join(l.files, opts), nil
}

// load is the state of one Load.
type load struct {
	opts     Options
	contents *store
	work     chan *file
	files    []*file // in the order of the walk; written by the walking goroutine only
	buffers  sync.Pool
	bytes    int64
}

// file is one input on its way into the capture.
type file struct {
	input *mesh.Input
	sniffed
	id identity
	// buf is the content until process has dealt with it.
	buf []byte
	// cut is the error that ended the reading of buf early.
	cut error
	// raw is the content that the capture keeps, for all kinds but dumps.
	raw      []byte
	dumps    []*dump
	problems []mesh.Problem
	// before and next are set where one file has JSON documents of several kinds.
	before, next *file
	nth          int // how many are before
}

// visit reads an entry and hands it to a worker. Reading is sequential, because
// archives are; indexing runs beside it.
func (l *load) visit(e archive.Entry) error {
	f := &file{input: &mesh.Input{Path: e.Path, Capture: e.Capture, Fate: mesh.FateRead}}
	f.buf, f.cut = l.read(e)
	f.input.Size = int64(len(f.buf))
	l.files = append(l.files, f)
	l.bytes += f.input.Size
	if l.opts.Progress != nil {
		l.opts.Progress(len(l.files), l.bytes)
	}
	l.work <- f
	return nil
}

// skip records what the walk did not deliver. An archive that broke in the
// middle has delivered its members; the skip tells of the break.
func (l *load) skip(s archive.Skip) {
	fate := mesh.FateIgnored
	if s.Damaged || s.Lost {
		fate = mesh.FateDamaged
	}
	f := &file{input: &mesh.Input{Path: s.Path, Capture: s.Capture, Kind: mesh.KindNotRegularFile, Fate: fate, Reason: s.Reason}}
	if fate == mesh.FateDamaged {
		f.problem(0, "%s", s.Reason)
	}
	l.files = append(l.files, f)
}

// firstRead is the buffer for an entry of unknown or doubtful size.
const firstRead = 512 << 10

// read returns the entry's content. Size is a claim of the archive, so no more
// than what arrives is paid for.
func (l *load) read(e archive.Entry) ([]byte, error) {
	buf := l.buffer(e.Size)
	for {
		n, err := e.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return buf, nil
		case err != nil:
			return buf, err
		case len(buf) == cap(buf):
			buf = slices.Grow(buf, max(len(buf)/4, firstRead))
		}
	}
}

// trusted bounds how much is set aside on an archive's word alone.
const trusted = 1 << 28

func (l *load) buffer(size int64) []byte {
	need := firstRead
	if size >= 0 {
		need = int(min(size, trusted)) + 1
	}
	if b, ok := l.buffers.Get().(*[]byte); ok && cap(*b) >= need {
		return (*b)[:0]
	}
	return make([]byte, 0, need)
}

// process classifies and indexes files until there are no more.
func (l *load) process() {
	for f := range l.work {
		var limit *archive.LimitError
		if errors.As(f.cut, &limit) {
			f.damaged(len(f.buf), fmt.Sprintf("not read to its end: %v", f.cut))
		}
		kept := f.open(l.contents)
		if f.cut != nil && f.input.Fate != mesh.FateDamaged {
			f.damaged(len(f.buf), fmt.Sprintf("the file ends early: %v", f.cut))
		}
		if !kept && cap(f.buf) < keepBuffer {
			buf := f.buf[:0]
			l.buffers.Put(&buf)
		}
		f.buf = nil
	}
}

// open finds out what the file is and indexes it. It reports whether buf is
// still referred to.
func (f *file) open(contents *store) (kept bool) {
	if text, ok := fromUTF16(f.buf); ok {
		f.buf = text
		f.problem(0, "the file is in UTF-16; places in it are those of its UTF-8 form")
	}
	f.sniffed = sniff(f.input.Path, f.buf)
	f.ofResources()
	f.id = identify(f.input.Path, f.istiods())
	f.input.Kind = f.kind
	f.note()
	switch f.kind {
	case mesh.KindEmpty:
		f.empty()
		return false
	case mesh.KindConfigDump, mesh.KindResources, mesh.KindBootstrap:
		if f.json {
			return f.openDumps(contents)
		}
	case mesh.KindUnknown, mesh.KindText:
		f.unknown()
		return false
	}
	if reason := notNeeded[f.kind]; reason != "" {
		f.input.Fate, f.input.Reason = mesh.FateIgnored, reason
		return false
	}
	content := f.buf[min(f.at, len(f.buf)):]
	switch {
	case f.json:
		content, kept = f.wholeJSON(contents, content)
	case f.kind != mesh.KindLog && f.kind != mesh.KindAccessLog:
		f.ending(content)
	}
	if f.kind == mesh.KindBootstrap || f.kind == mesh.KindConfigDump {
		f.openYAML(contents, content)
		return false
	}
	raw, k := contents.file(content)
	f.raw = raw
	return kept || k
}

// notNeeded says of known kinds of file why nothing is taken from them.
var notNeeded = map[mesh.FileKind]string{
	mesh.KindKubectlText: "a table for people; of the same objects as YAML more could be told",
	mesh.KindAnalysis:    "findings of istioctl analyze",
	mesh.KindCertificate: "a certificate without the proxy that uses it",
	mesh.KindRequests:    "requests and what became of them; no part of a capture",
}

// note records that the file has text before its content.
func (f *file) note() {
	if f.json && f.at > 0 && f.kind != mesh.KindUnknown && f.at > 3 {
		f.problem(0, "%d bytes of text before the JSON were passed over: %q", f.at, excerpt(f.buf[:f.at]))
	}
}

func (f *file) empty() {
	switch base := path.Base(f.input.Path); {
	case f.cut != nil:
		return
	case base == "listeners":
		f.kind, f.input.Kind, f.input.Reason = mesh.KindListeners, mesh.KindListeners, "empty: Envoy had no listener"
		return
	case path.Ext(base) == ".log":
		f.input.Fate, f.input.Reason = mesh.FateIgnored, "an empty log"
		return
	}
	f.input.Fate, f.input.Reason = mesh.FateDamaged, "the file is empty: whatever was to be saved in it is missing"
	f.problem(0, "%s", f.input.Reason)
}

func (f *file) unknown() {
	if f.input.Fate == mesh.FateDamaged {
		return
	}
	if reason := ignorable(f.input.Path, f.buf); reason != "" {
		f.input.Fate, f.input.Reason = mesh.FateIgnored, reason
		return
	}
	f.input.Fate = mesh.FateUnknown
	f.input.Reason = fmt.Sprintf("begins with %q, which no known kind of file does", excerpt(f.buf))
	if text := kubectlErrors.Find(f.buf); text != nil {
		f.input.Fate = mesh.FateDamaged
		f.input.Reason = fmt.Sprintf("holds an error message in place of what was to be saved: %q", excerpt(f.buf))
		f.problem(0, "%s", f.input.Reason)
	}
}

// damaged marks the file as damaged at byte offset; the first damage is kept as
// its reason.
func (f *file) damaged(offset int, message string) {
	line := 1
	for _, c := range f.buf[:min(offset, len(f.buf))] {
		if c == '\n' {
			line++
		}
	}
	message = fmt.Sprintf("line %d, byte %d: %s", line, offset, message)
	if f.input.Fate != mesh.FateDamaged {
		f.input.Fate, f.input.Reason = mesh.FateDamaged, message
	}
	f.problems = append(f.problems, mesh.Problem{
		Source: mesh.Source{File: f.input.Path, Line: line, Offset: offset}, Message: message,
	})
}

func (f *file) problem(line int, format string, args ...any) {
	f.problems = append(f.problems, mesh.Problem{
		Source: mesh.Source{File: f.input.Path, Line: line}, Message: fmt.Sprintf(format, args...),
	})
}
