package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/flate"
)

// zip delivers the members of f. A zip in a stream is read into memory: its directory comes last.
func (w *walker) zip(f file) error {
	if f.at == nil {
		data, err := io.ReadAll(&body{w: w, path: f.path, r: f.r, left: w.limits.FileBytes})
		if limit, ok := errors.AsType[*LimitError](err); ok && w.spent == nil {
			return w.lose(f.path, limit.Error())
		}
		// Any other error leaves a zip without its end, which is dealt with below.
		f.at, f.size = bytes.NewReader(data), int64(len(data))
	}
	// archive/zip loads the whole directory, however many records are in it. It looks for its end in the last 66 KB.
	guard := &directoryGuard{r: f.at, left: 128<<10 + int64(w.limits.Entries)*96}
	z, err := zip.NewReader(guard, f.size)
	if guard.left < 0 {
		return w.lose(f.path, (&LimitError{Limit: "files", Max: int64(w.limits.Entries), Flag: "--max-entries"}).Error())
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return w.salvage(f, err)
	}
	guard.off = true
	z.RegisterDecompressor(zip.Deflate, w.inflate)
	return w.zipMembers(f, z)
}

func (w *walker) zipMembers(f file, z *zip.Reader) error {
	before := w.saved
	var broken *damage
	for _, m := range z.File {
		err, fatal := w.zipMember(f, m)
		if fatal != nil {
			return fatal
		}
		if err == nil || broken != nil {
			continue
		}
		at, offsetErr := m.DataOffset()
		if offsetErr != nil {
			at = 0
		}
		broken = &damage{what: "zip member " + clean(m.Name), at: at, err: err, before: before}
	}
	if broken != nil {
		return w.damaged(f, *broken)
	}
	return nil
}

// zipMember delivers one member. The first error is what is wrong with its data, the second one ends the walk.
func (w *walker) zipMember(f file, m *zip.File) (broken, fatal error) {
	path := f.inside + clean(m.Name)
	switch {
	case m.Mode().IsDir(), strings.HasSuffix(m.Name, `\`) && m.UncompressedSize64 == 0:
		return nil, nil
	case m.Mode()&fs.ModeType != 0:
		return nil, w.skip(path, kind(m.Mode())+", not followed")
	case m.Flags&zipEncrypted != 0:
		return nil, w.lose(path, "encrypted: unpack the zip with its password first")
	}
	r, err := m.Open()
	if errors.Is(err, zip.ErrAlgorithm) {
		return nil, w.lose(path, fmt.Sprintf("zip compression method %d is not supported: unpack the zip first", m.Method))
	}
	if err != nil {
		return err, nil
	}
	defer r.Close()
	seen := &watcher{r: r}
	size := int64(m.UncompressedSize64)
	if size < 0 {
		size = -1
	}
	fatal = w.file(file{path: path, inside: path + "!/", size: size, modTime: m.Modified, r: &meter{w: w, r: seen}, depth: f.depth + 1})
	return seen.err, fatal
}

// inflate is klauspost's flate behind one of the walk's buffers.
func (w *walker) inflate(r io.Reader) io.ReadCloser {
	in := w.stream(r)
	return &inflater{flate.NewReader(in.buf), func() { w.release(in) }}
}

type inflater struct {
	io.ReadCloser
	release func()
}

func (i *inflater) Close() error {
	i.release()
	return i.ReadCloser.Close()
}

// watcher remembers what broke a reader.
type watcher struct {
	r   io.Reader
	err error
}

func (s *watcher) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// directoryGuard fails once more than left bytes were read, until it is off.
type directoryGuard struct {
	r    io.ReaderAt
	left int64
	off  bool
}

var errDirectoryTooLarge = errors.New("zip directory too large")

func (g *directoryGuard) ReadAt(p []byte, off int64) (int, error) {
	if g.off {
		return g.r.ReadAt(p, off)
	}
	if g.left -= int64(len(p)); g.left < 0 {
		return 0, errDirectoryTooLarge
	}
	return g.r.ReadAt(p, off)
}
