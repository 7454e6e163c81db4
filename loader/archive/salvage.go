package archive

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

// Flags of a zip member.
const (
	zipEncrypted  = 1 << 0
	zipDescriptor = 1 << 3 // the sizes follow the data
)

const (
	zipLocalSignature     = "PK\x03\x04"
	zipDirectorySignature = "PK\x01\x02"
	zip64Size             = 0xffffffff // the real one is in an extra field
)

// zipLocal is the header in front of each member of a zip.
type zipLocal struct {
	flags, method  uint16
	packed, length int64 // valid if sized
	name           string
}

func (h zipLocal) sized() bool {
	return h.flags&zipDescriptor == 0 && h.packed != zip64Size && h.length != zip64Size
}

func (h zipLocal) readable() bool {
	return h.flags&zipEncrypted == 0 && (h.method == zip.Store || h.method == zip.Deflate)
}

// errNoLocal is the end of what local headers lead to.
var errNoLocal = errors.New("no local header")

// salvage delivers what the local headers of a zip without a readable directory lead to. cause is what is wrong with the
// directory.
func (w *walker) salvage(f file, cause error) error {
	in := w.stream(io.NewSectionReader(f.at, 0, f.size))
	defer w.release(in)
	before := w.saved
	var broken error
	for broken == nil {
		h, err := readLocal(in)
		if err != nil {
			broken = err
			break
		}
		var fatal error
		if broken, fatal = w.salvageMember(f, in, h); fatal != nil {
			return fatal
		}
	}
	switch {
	case broken == errNoLocal && in.offset() == f.size:
		broken = fmt.Errorf("its directory is missing: %w", io.ErrUnexpectedEOF)
	case broken == errNoLocal:
		broken = fmt.Errorf("its directory is unreadable: %w", cause)
	}
	return w.damaged(f, damage{what: "zip archive", at: in.offset(), err: broken, before: before})
}

func readLocal(in stream) (zipLocal, error) {
	if sig, _ := in.buf.Peek(len(zipLocalSignature)); string(sig) != zipLocalSignature {
		return zipLocal{}, errNoLocal
	}
	var b [30]byte
	if _, err := io.ReadFull(in.buf, b[:]); err != nil {
		return zipLocal{}, io.ErrUnexpectedEOF
	}
	u16 := func(at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(b[at:])) }
	name := make([]byte, u16(26))
	if _, err := io.ReadFull(in.buf, name); err != nil {
		return zipLocal{}, io.ErrUnexpectedEOF
	}
	if _, err := in.buf.Discard(int(u16(28))); err != nil {
		return zipLocal{}, io.ErrUnexpectedEOF
	}
	return zipLocal{flags: u16(6), method: u16(8), packed: u32(18), length: u32(22), name: string(name)}, nil
}

// salvageMember delivers one member and moves in behind it. The first error ends the salvage, the second one the walk.
func (w *walker) salvageMember(f file, in stream, h zipLocal) (broken, fatal error) {
	path := f.inside + clean(h.name)
	data, err := h.content(in)
	if err != nil {
		return fmt.Errorf("member %s: %w", path, err), nil
	}
	m := &meter{w: w, r: data}
	switch {
	case !h.readable():
		fatal = w.lose(path, "encrypted or packed by a method that is not supported, in a damaged zip")
	case !strings.HasSuffix(h.name, "/"):
		size := int64(-1)
		if h.sized() {
			size = h.length
		}
		fatal = w.file(file{path: path, inside: path + "!/", size: size, r: m, depth: f.depth + 1})
	}
	if fatal != nil {
		return nil, fatal
	}
	if _, err := io.Copy(io.Discard, m); err != nil {
		return err, nil
	}
	if h.flags&zipDescriptor != 0 {
		skipDescriptor(in)
	}
	return nil, nil
}

// content is the data of the member, unpacked if that is possible.
func (h zipLocal) content(in stream) (io.Reader, error) {
	if h.readable() && h.method == zip.Deflate {
		return flate.NewReader(in.buf), nil // deflate data knows its own end
	}
	if !h.sized() {
		return nil, errors.New("its length is not in its header")
	}
	return &full{r: in.buf, left: h.packed}, nil
}

// skipDescriptor passes over the sizes behind a member: with or without a signature, of 4 or 8 bytes each.
func skipDescriptor(in stream) {
	for _, n := range []int{16, 12, 24, 20} {
		b, err := in.buf.Peek(n + 4)
		if err != nil {
			continue
		}
		if next := string(b[n:]); next == zipLocalSignature || next == zipDirectorySignature {
			in.buf.Discard(n)
			return
		}
	}
	// Nothing that is known follows: either it is the last there is, or what follows is damaged.
	last, _ := in.buf.Peek(25)
	if len(last) == 25 {
		last = last[:16]
	}
	in.buf.Discard(len(last))
}
