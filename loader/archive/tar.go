package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
)

// tar delivers the members of f. Archives that were appended to one another are read as one.
func (w *walker) tar(f file) error {
	in := w.stream(f.r)
	defer w.release(in)
	before := w.saved
	for {
		whole, err := w.tarMembers(f, in, before)
		if !whole || err != nil {
			return err
		}
		// Reading to the end of the file also has compression check its checksum.
		err = skipZeros(in.buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return w.damaged(f, damage{what: "tar archive", at: in.offset(), err: err, before: before})
		}
		if head, _ := in.buf.Peek(sniffLen); !isTar(head) {
			w.report(Skip{Path: f.path, Damaged: true,
				Reason: fmt.Sprintf("what follows the end of the tar archive at byte %d is not a tar archive and was not read", in.offset())})
			return nil
		}
	}
}

// tarMembers delivers the members up to one end mark and reports whether it got there.
func (w *walker) tarMembers(f file, in stream, before int) (whole bool, err error) {
	tr := tar.NewReader(in.buf)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return true, nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return false, w.damaged(f, damage{what: "tar archive", at: in.offset(), err: err, before: before})
		}
		if err := w.tarMember(f, tr, h); err != nil {
			return false, err
		}
	}
}

func (w *walker) tarMember(f file, tr *tar.Reader, h *tar.Header) error {
	path := f.inside + clean(h.Name)
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
	case tar.TypeDir:
		return nil
	case tar.TypeLink:
		return w.skip(path, "hard link to "+clean(h.Linkname)+", not followed")
	case tar.TypeXGlobalHeader:
		return w.skip(path, "pax header, not a file")
	default:
		return w.skip(path, tarKind(h)+", not followed")
	}
	if isPaxHeader(path) {
		return w.skip(path, "pax header, not a file")
	}
	r := io.Reader(tr)
	if isSparse(h) {
		r = &meter{w: w, r: tr} // its holes are bytes that no input was charged for
	}
	return w.file(file{path: path, inside: path + "!/", size: h.Size, modTime: h.ModTime, r: r, depth: f.depth + 1})
}

func tarKind(h *tar.Header) string {
	switch h.Typeflag {
	case tar.TypeSymlink:
		return "symbolic link"
	case tar.TypeFifo:
		return "named pipe"
	case tar.TypeChar, tar.TypeBlock:
		return "device"
	}
	return fmt.Sprintf("tar entry of type %q", h.Typeflag)
}

func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// isPaxHeader knows the folders in which a tar that predates pax unpacks headers as if they were files.
func isPaxHeader(path string) bool {
	parts := strings.Split(path, "/")
	for _, dir := range parts[:len(parts)-1] {
		if dir == "PaxHeader" || dir == "PaxHeaders" || strings.HasPrefix(dir, "PaxHeaders.") {
			return true
		}
	}
	return false
}
