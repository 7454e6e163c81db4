package archive

import (
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of a zstd frame and of an xz dictionary. "zstd --long" and "xz -9" stay within it.
const maxWindow = 128 << 20

// maxDeflateRatio is what deflate can reach at best.
const maxDeflateRatio = 1032

// decoder is one layer of compression; it remembers where it broke.
type decoder struct {
	in       stream
	r        io.Reader
	close    func()
	err      error // what broke it; nil at a clean end
	at       int64 // where, or where trailing data begins; in compressed bytes
	trailing bool  // something that is not of the format follows the data
}

// newDecoder never fails: an unreadable header is the decoder's err.
func (w *walker) newDecoder(kind format, in stream) *decoder {
	d := &decoder{in: in, close: func() {}}
	var err error
	switch kind {
	case formatGzip:
		d.r, err = newGzip(d)
	case formatZstd:
		d.r, err = w.newZstd(d)
	case formatXZ:
		d.r = newXZ(in.buf, &w.dictionaries)
	case formatBzip2:
		d.r = bzip2.NewReader(in.buf)
	}
	d.broke(err)
	return d
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	n, err := d.r.Read(p)
	d.broke(err)
	return n, err
}

func (d *decoder) broke(err error) {
	if err != nil && err != io.EOF {
		d.err, d.at = err, d.in.offset()
	}
}

// gzipMembers reads concatenated gzip members and tells padding and trailing data from damage, which gzip's own multistream
// mode does not.
type gzipMembers struct {
	d *decoder
	z *gzip.Reader
}

func newGzip(d *decoder) (io.Reader, error) {
	z, err := gzip.NewReader(d.in.buf)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return &gzipMembers{d, z}, nil
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if err != io.EOF || n > 0 {
			return n, notEOF(err)
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// notEOF hides the end of one member; the next read meets it again.
func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// next starts the member that follows, or returns io.EOF.
func (g *gzipMembers) next() error {
	in := g.d.in.buf
	if err := skipZeros(in); err != nil {
		return err
	}
	head, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return err
	}
	if sniff(head) != formatGzip {
		g.d.trailing, g.d.at = true, g.d.in.offset()
		return io.EOF
	}
	if err := g.z.Reset(in); err != nil {
		return err
	}
	g.z.Multistream(false)
	return nil
}

// skipZeros passes over padding, up to the next byte that is not zero, and returns io.EOF if there is none.
func skipZeros(in io.ByteScanner) error {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return in.UnreadByte()
		}
	}
}

func (w *walker) newZstd(d *decoder) (io.Reader, error) {
	if last := len(w.decoders) - 1; last >= 0 {
		z := w.decoders[last]
		w.decoders = w.decoders[:last]
		d.close = func() { w.decoders = append(w.decoders, z) }
		return z, z.Reset(d.in.buf)
	}
	z, err := zstd.NewReader(d.in.buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
	if err != nil {
		return nil, err
	}
	d.close = func() { w.decoders = append(w.decoders, z) }
	return z, nil
}

// sizeHint is what f claims to decompress to, or -1: the content size in a zstd frame header, the last four bytes of a gzip
// file on disk. A gzip file of several members, or of 4 GiB and more, claims too little.
func sizeHint(f file, kind format, head []byte) int64 {
	switch {
	case kind == formatZstd:
		var h zstd.Header
		if err := h.Decode(head); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !h.HasFCS || int64(h.FrameContentSize) < 0 {
			return -1
		}
		return int64(h.FrameContentSize)
	case kind == formatGzip && f.at != nil && f.size > 18: // header and trailer
		var isize [4]byte
		if _, err := f.at.ReadAt(isize[:], f.size-4); err != nil {
			return -1
		}
		size := int64(binary.LittleEndian.Uint32(isize[:]))
		if size > f.size*maxDeflateRatio {
			return -1
		}
		return size
	}
	return -1
}
