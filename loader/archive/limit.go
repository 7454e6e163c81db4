package archive

import (
	"errors"
	"fmt"
	"io"
)

// meter charges what it reads to the walk's Limits.TotalBytes. It stands wherever bytes come into being: at each input,
// each decompressor and each sparse file.
type meter struct {
	w   *walker
	r   io.Reader
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	// One byte more than allowed tells an input that ends exactly at the limit from one that goes on.
	if int64(len(p)) > m.w.bytesLeft+1 {
		p = p[:m.w.bytesLeft+1]
	}
	n, err := m.r.Read(p)
	if int64(n) > m.w.bytesLeft {
		n = int(m.w.bytesLeft)
		m.w.spent = &LimitError{Limit: "bytes in total", Max: m.w.limits.TotalBytes, Flag: "--max-bytes"}
		err = m.w.spent
	}
	m.w.bytesLeft -= int64(n)
	m.err = err
	return n, err
}

// body is Entry.Body: it holds a file to Limits.FileBytes and is dead once visit has returned.
type body struct {
	w    *walker
	path string
	r    io.Reader
	left int64
	err  error
}

var errBodyClosed = errors.New("the body of an entry is valid during visit only")

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n = int(b.left)
		err = &LimitError{Limit: "bytes in one file", Max: b.w.limits.FileBytes, Flag: "--max-file-bytes"}
	}
	b.left -= int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading %s: %w", b.path, err)
	}
	b.err = err
	return n, err
}

// full turns a clean end before size bytes into io.ErrUnexpectedEOF.
type full struct {
	r    io.Reader
	left int64
}

func (f *full) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.r.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	if err == io.EOF && f.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
