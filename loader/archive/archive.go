// Package archive streams every regular file out of the inputs of a capture: plain files, folders, tar and zip
// archives, gzip, zstd, xz and bzip2 data, and any of these inside one another. What a file is comes from its content, never
// from its name. Nothing is written to disk, and nothing is dropped in silence: a file is either visited or skipped with a
// reason.
//
// The inputs are hostile data. Bytes, entries and nesting are bounded by [Limits], decoder memory by fixed windows, and
// the names that reach the caller are clean relative slash-separated paths.
package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Limits bounds one walk. A field that is zero or negative stands for its default in [DefaultLimits].
type Limits struct {
	TotalBytes int64 // read from the inputs and produced by decompressors, together; 4 GiB
	FileBytes  int64 // delivered for one file, and held in memory for a zip inside a stream; 1 GiB
	Entries    int   // files visited and skipped; 200,000
	Depth      int   // archives around a file; compression alone does not count; 3
}

// DefaultLimits is large enough for the bug report of a mesh with thousands of proxies.
func DefaultLimits() Limits {
	return Limits{TotalBytes: 4 << 30, FileBytes: 1 << 30, Entries: 200_000, Depth: 3}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	if l.TotalBytes > 0 {
		d.TotalBytes = l.TotalBytes
	}
	if l.FileBytes > 0 {
		d.FileBytes = l.FileBytes
	}
	if l.Entries > 0 {
		d.Entries = l.Entries
	}
	if l.Depth > 0 {
		d.Depth = l.Depth
	}
	return d
}

// LimitError says which limit of [Limits] was reached and which flag of the command line raises it.
type LimitError struct {
	Limit string // what is counted, such as "bytes in one file"
	Max   int64
	Flag  string // such as "--max-file-bytes"
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d %s: raise %s to read on", e.Max, e.Limit, e.Flag)
}

// Entry is one regular file.
type Entry struct {
	// Path is slash-separated, relative, clean and free of control characters. A file input has its base name, a file in a
	// folder its path below that folder, a file in an archive its member name. With several inputs the name of the input
	// comes first. The members of an archive inside another input are "outer/inner.tar.gz!/name".
	// Compression does not change a name. Two members of an archive may share one.
	Path string
	// Capture names what Path came out of: the input or, where that is a folder, the archive in it.
	Capture string
	// Size is the number of bytes that Body is expected to deliver, or -1. It is certain for an uncompressed file on disk
	// and a claim of the archive otherwise: a good size for a buffer after bounding it, never more.
	Size    int64
	ModTime time.Time // zero where the input has none
	// Body is valid during visit only. Its error wraps io.ErrUnexpectedEOF where the input was cut off, and a *LimitError
	// where a limit was reached.
	Body io.Reader
}

// Skip is something that was not delivered, or an archive that was delivered in part.
type Skip struct {
	Path    string // as in Entry; for an archive its own path
	Capture string // as in Entry
	Reason  string // one line, lower case
	Damaged bool   // the data is broken; Reason says at which byte of Path and what was saved
	Lost    bool   // it may have been a part of the capture, and a limit, a password or a permission kept it from being read
}

// Walk calls visit for every regular file in paths, in a fixed order: inputs as given, folders lexically, archives as
// stored. The path "-" is stdin. What is not visited is passed to skip. An error of Entry.Body concerns that file only: visit
// should return nil after it to go on with the next one. What visit does not read of a file is not searched for damage.
//
// Walk returns the error of visit as it is, or an error that names a path of paths which is missing, unreadable, or
// neither a file nor a folder. Damage and limits are not errors.
func Walk(paths []string, stdin io.Reader, limits Limits, visit func(Entry) error, skip func(Skip)) error {
	w := &walker{limits: limits.orDefault(), visit: visit, dictionaries: maxDictionaries}
	w.report = func(s Skip) {
		s.Capture = w.current.capture(s.Path)
		skip(s)
	}
	defer w.close()
	w.bytesLeft = w.limits.TotalBytes
	names := Names(paths)
	for i, p := range paths {
		w.current = input{name: names[i], alone: len(paths) == 1}
		if err := w.input(p, w.current, stdin); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// errStop unwinds a walk whose limit for all files together is spent, after the skip that says so.
var errStop = errors.New("walk stopped by a limit")

// walker is the state of one Walk.
type walker struct {
	limits Limits
	visit  func(Entry) error
	report func(Skip)

	current      input // that is walked
	entries      int   // visited and skipped so far
	saved        int   // delivered so far, if only in part
	bytesLeft    int64 // of Limits.TotalBytes
	spent        error // the *LimitError of Limits.TotalBytes once it was hit
	dictionaries int64 // bytes of xz dictionaries that may still be allocated

	// Free lists: an archive of many small files must not cost a large allocation for each of them.
	buffers  []*bufio.Reader
	decoders []*zstd.Decoder
}

func (w *walker) close() {
	for _, d := range w.decoders {
		d.Close()
	}
}

// skip reports one file that is not delivered, and counts it: a list of skips is the caller's memory too.
func (w *walker) skip(path, reason string) error {
	return w.leaveOut(Skip{Path: path, Reason: reason})
}

// lose is skip for what may have been a part of the capture.
func (w *walker) lose(path, reason string) error {
	return w.leaveOut(Skip{Path: path, Reason: reason, Lost: true})
}

func (w *walker) leaveOut(s Skip) error {
	if err := w.count(s.Path); err != nil {
		return err
	}
	w.report(s)
	return nil
}

// count takes one entry off the limit; at its end it says so and stops the walk.
func (w *walker) count(path string) error {
	if w.entries >= w.limits.Entries {
		return w.stop(path, &LimitError{Limit: "files", Max: int64(w.limits.Entries), Flag: "--max-entries"})
	}
	w.entries++
	return nil
}

// stop ends the walk at path because of limit.
func (w *walker) stop(path string, limit error) error {
	w.report(Skip{Path: path, Reason: limit.Error() + "; from here on nothing was read", Lost: true})
	return errStop
}
