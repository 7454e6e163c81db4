package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

// maxDictionaries bounds what all xz blocks of a walk allocate: each needs a new dictionary, however little is in it.
const maxDictionaries = 16 << 30

const (
	xzMagic       = "\xfd7zXZ\x00"
	xzFooterMagic = "YZ"
	xzLZMA2       = 0x21
)

// xzReader reads the .xz container (version 1.2.0 of its format) around ulikunitz's LZMA2. Its own reader allocates whatever
// dictionary a block asks for, up to 4 GiB.
type xzReader struct {
	in           *bufio.Reader
	dictionaries *int64 // bytes that may still be allocated

	started bool     // the first stream header was read
	check   byte     // of the stream being read: which one follows a block
	open    bool     // between a stream header and its index
	block   *xzBlock // nil between blocks
}

type xzBlock struct {
	packed counter
	data   *lzma.Reader2
	check  hash.Hash // nil if the stream has none that is known
}

func newXZ(in *bufio.Reader, dictionaries *int64) *xzReader {
	return &xzReader{in: in, dictionaries: dictionaries}
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.block.data.Read(p)
		if x.block.check != nil {
			x.block.check.Write(p[:n])
		}
		if err == io.EOF {
			err = cutOff(x.endBlock())
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next reads whatever stands between two blocks. It returns io.EOF at the end of the last stream.
func (x *xzReader) next() error {
	if !x.open {
		if x.started {
			if err := skipZeros(x.in); err != nil { // padding between streams
				return err
			}
		}
		return cutOff(x.streamHeader())
	}
	first, err := x.in.ReadByte()
	if err != nil {
		return cutOff(err)
	}
	if first == 0 {
		x.open = false
		return cutOff(x.indexAndFooter())
	}
	return cutOff(x.blockHeader(first))
}

// cutOff is for places where the data may not end.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (x *xzReader) streamHeader() error {
	var h [12]byte
	if _, err := io.ReadFull(x.in, h[:]); err != nil {
		return err
	}
	if string(h[:6]) != xzMagic {
		return errors.New("xz stream header: wrong magic bytes")
	}
	if crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		return errors.New("xz stream header: checksum mismatch")
	}
	if h[6] != 0 || h[7] > 15 {
		return fmt.Errorf("xz stream header: unknown flags %#x", h[6:8])
	}
	x.started, x.open = true, true
	x.check = h[7]
	return nil
}

// blockHeader starts the block whose header is 4*(first+1) bytes long.
func (x *xzReader) blockHeader(first byte) error {
	h := make([]byte, 4*(int(first)+1))
	h[0] = first
	if _, err := io.ReadFull(x.in, h[1:]); err != nil {
		return err
	}
	sum := len(h) - crc32.Size
	if crc32.ChecksumIEEE(h[:sum]) != binary.LittleEndian.Uint32(h[sum:]) {
		return errors.New("xz block header: checksum mismatch")
	}
	size, err := dictionarySize(h[1:sum])
	if err != nil {
		return fmt.Errorf("xz block header: %w", err)
	}
	if size > maxWindow {
		return fmt.Errorf("xz block needs a dictionary of %d bytes, more than the %d that are allowed: unpack it first", size, maxWindow)
	}
	if *x.dictionaries -= size; *x.dictionaries < 0 {
		return errors.New("too many small xz blocks: unpack them first")
	}
	b := &xzBlock{packed: counter{r: x.in}, check: newCheck(x.check)}
	b.data, err = lzma.Reader2Config{DictCap: int(size)}.NewReader2(&b.packed)
	if err != nil {
		return err
	}
	x.block = b
	return nil
}

// dictionarySize reads what stands between the size and the checksum of a block header.
func dictionarySize(h []byte) (int64, error) {
	flags, r := h[0], bytes.NewReader(h[1:])
	for _, present := range []byte{0x40, 0x80} { // compressed and uncompressed size, which the index has again
		if flags&present == 0 {
			continue
		}
		if _, err := binary.ReadUvarint(r); err != nil {
			return 0, errors.New("bad sizes")
		}
	}
	var filter [3]byte // id, length of properties, properties
	// LZMA2 can only be the last filter, so none may come before it.
	if _, err := io.ReadFull(r, filter[:]); err != nil || filter[0] != xzLZMA2 || filter[1] != 1 {
		return 0, errors.New("a filter other than LZMA2, which is not supported")
	}
	size, err := lzma.DecodeDictCap(filter[2])
	if err != nil {
		return 0, err
	}
	return max(size, lzma.MinDictCap), nil
}

// endBlock reads padding and check, behind the data.
func (x *xzReader) endBlock() error {
	b := x.block
	x.block = nil
	padding := int(-b.packed.n & 3)
	tail := make([]byte, padding+checkLen(x.check))
	if _, err := io.ReadFull(x.in, tail); err != nil {
		return err
	}
	if !bytes.Equal(tail[:padding], make([]byte, padding)) {
		return errors.New("xz block: padding is not zero")
	}
	if b.check == nil {
		return nil
	}
	got := b.check.Sum(nil)
	if b.check.Size() < sha256.Size {
		slices.Reverse(got) // xz stores CRCs in little endian
	}
	if !bytes.Equal(got, tail[len(tail)-len(got):]) {
		return errors.New("xz block: checksum mismatch")
	}
	return nil
}

// checkLen is the length of a check by its number, known or not.
func checkLen(id byte) int {
	return [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[id&15]
}

func newCheck(id byte) hash.Hash {
	switch id {
	case 1:
		return crc32.NewIEEE()
	case 4:
		return crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		return sha256.New()
	}
	return nil
}

// summed is a byte reader that computes the CRC-32 of what it read.
type summed struct {
	in  *bufio.Reader
	sum uint32
	n   int
}

func (s *summed) ReadByte() (byte, error) {
	b, err := s.in.ReadByte()
	if err == nil {
		s.sum = crc32.Update(s.sum, crc32.IEEETable, []byte{b})
		s.n++
	}
	return b, err
}

// indexAndFooter reads the end of a stream, behind the zero byte that begins the index.
func (x *xzReader) indexAndFooter() error {
	s := &summed{in: x.in, sum: crc32.ChecksumIEEE([]byte{0}), n: 1}
	records, err := binary.ReadUvarint(s)
	if err != nil {
		return err
	}
	for range 2 * records { // packed and unpacked size
		if _, err := binary.ReadUvarint(s); err != nil {
			return err
		}
	}
	for s.n%4 != 0 {
		if _, err := s.ReadByte(); err != nil {
			return err
		}
	}
	var end [16]byte // CRC of the index; CRC of the footer, size of the index, flags, magic
	if _, err := io.ReadFull(x.in, end[:]); err != nil {
		return err
	}
	footer := end[4:]
	switch {
	case binary.LittleEndian.Uint32(end[:]) != s.sum:
		return errors.New("xz index: checksum mismatch")
	case binary.LittleEndian.Uint32(footer) != crc32.ChecksumIEEE(footer[4:10]):
		return errors.New("xz footer: checksum mismatch")
	case string(footer[10:]) != xzFooterMagic:
		return errors.New("xz footer: wrong magic bytes")
	}
	return nil
}
