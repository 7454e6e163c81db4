package archive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	bufferSize = 256 << 10
	// maxLayers bounds compression of compressed data: a file can be made that decompresses to itself.
	maxLayers = 4
)

// file is one regular file on its way to visit, or an archive that turns out to be more than one.
type file struct {
	path    string // its own
	inside  string // what the paths of its members begin with, if it has any
	size    int64  // -1 if unknown
	modTime time.Time
	r       io.Reader
	at      io.ReaderAt // nil in a stream
	depth   int         // archives around it
	layers  int         // compression taken off it
	under   *decoder    // the last of these
}

// file delivers f, or what is in it.
func (w *walker) file(f file) error {
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(f.r, head)
	if n == 0 && err != io.EOF && w.spent != nil {
		return w.stop(f.path, w.spent)
	}
	head = head[:n]
	// Readers repeat their error, so one met here comes again where it belongs: in the body.
	f.r = io.MultiReader(bytes.NewReader(head), f.r)
	switch kind := sniff(head); {
	case kind.compressed():
		return w.decompress(f, kind, head)
	case kind == formatAppleDouble:
		return w.skip(f.path, "macOS file attributes (AppleDouble), not a capture")
	case kind == formatPlain:
		return w.deliver(f)
	case f.depth >= w.limits.Depth:
		return w.lose(f.path, (&LimitError{Limit: "archives inside one another", Max: int64(w.limits.Depth), Flag: "--max-depth"}).Error())
	case kind == formatTar:
		return w.tar(f)
	default:
		return w.zip(f)
	}
}

func (w *walker) deliver(f file) error {
	if err := w.count(f.path); err != nil {
		return err
	}
	b := &body{w: w, path: f.path, r: f.r, left: w.limits.FileBytes}
	err := w.visit(Entry{Path: f.path, Capture: w.current.capture(f.path), Size: f.size, ModTime: f.modTime, Body: b})
	spent := w.spent != nil && errors.Is(b.err, w.spent)
	if b.err == nil || b.err == io.EOF || b.left < w.limits.FileBytes {
		w.saved++
	}
	b.err = errBodyClosed
	if err != nil {
		return err
	}
	if spent {
		return w.stop(f.path, w.spent)
	}
	return nil
}

// decompress takes one layer of compression off f and looks again.
func (w *walker) decompress(f file, kind format, head []byte) error {
	if f.layers == maxLayers {
		return w.lose(f.path, fmt.Sprintf("compressed more than %d times over: unpack it first", maxLayers))
	}
	in := w.stream(f.r)
	defer w.release(in)
	before := w.saved
	d := w.newDecoder(kind, in)
	defer d.close()
	inner := f
	inner.r, inner.at = &meter{w: w, r: d}, nil
	inner.size = sizeHint(f, kind, head)
	if inner.size > w.limits.FileBytes {
		inner.size = -1
	}
	inner.layers++
	inner.under = d
	if d.err == nil {
		if err := w.file(inner); err != nil {
			return err
		}
	}
	if d.err != nil {
		return w.damaged(f, damage{what: string(kind) + " data", at: d.at, err: d.err, before: before})
	}
	if d.trailing {
		w.report(Skip{Path: f.path, Damaged: true,
			Reason: fmt.Sprintf("what follows the end of the %s data at byte %d is not %s data and was not read", kind, d.at, kind)})
	}
	return nil
}

// damage is where an archive or a compressed file broke.
type damage struct {
	what   string
	at     int64 // bytes from the start of what
	err    error
	before int // walker.saved when its reading began
}

// damaged reports d, unless the cause lies below: in a limit, or in the compression that f came out of.
func (w *walker) damaged(f file, d damage) error {
	if w.spent != nil {
		return w.stop(f.path, w.spent)
	}
	if f.under != nil && f.under.err != nil {
		return nil
	}
	saved := w.saved - d.before
	if saved == 0 {
		if err := w.count(f.path); err != nil {
			return err
		}
	}
	how := "is broken"
	if errors.Is(d.err, io.ErrUnexpectedEOF) {
		how = "is cut off"
	}
	w.report(Skip{Path: f.path, Damaged: true,
		Reason: fmt.Sprintf("%s %s at byte %d (%v); %s", d.what, how, d.at, d.err, savedText(saved))})
	return nil
}

func savedText(files int) string {
	switch files {
	case 0:
		return "nothing was saved"
	case 1:
		return "1 file was saved, perhaps in part"
	}
	return fmt.Sprintf("%d files were saved, the last perhaps in part", files)
}

// stream is a buffered reader that knows how far it was consumed.
type stream struct {
	buf *bufio.Reader
	raw *counter
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// offset is the number of bytes consumed.
func (s stream) offset() int64 { return s.raw.n - int64(s.buf.Buffered()) }

func (w *walker) stream(r io.Reader) stream {
	raw := &counter{r: r}
	if last := len(w.buffers) - 1; last >= 0 {
		buf := w.buffers[last]
		w.buffers = w.buffers[:last]
		buf.Reset(raw)
		return stream{buf, raw}
	}
	return stream{bufio.NewReaderSize(raw, bufferSize), raw}
}

func (w *walker) release(s stream) { w.buffers = append(w.buffers, s.buf) }
