package loader

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// preferHugePages asks the system for large pages behind a large buffer: to
// fill a buffer in pages of 4 KiB takes longer than to index what is in it.
func preferHugePages(buf []byte) {
	if cap(buf) < keepBuffer {
		return
	}
	buf = buf[:cap(buf)]
	ahead := int(-uintptr(unsafe.Pointer(unsafe.SliceData(buf))) % hugePage)
	whole := (len(buf) - ahead) / hugePage * hugePage
	_ = unix.Madvise(buf[ahead:ahead+whole], unix.MADV_HUGEPAGE) // without, it works as well
}
