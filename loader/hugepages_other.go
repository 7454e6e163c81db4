//go:build !linux

package loader

// preferHugePages does nothing here.
func preferHugePages([]byte) {}
