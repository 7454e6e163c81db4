package mesh

import (
	"errors"
	"sync"
)

// ErrNotCaptured is the error of something that the capture does not contain.
var ErrNotCaptured = errors.New("not in the capture")

// Doc is one file of a capture, parsed when it is first asked for.
type Doc[T any] struct {
	Source Source
	// Raw is the content as captured.
	Raw []byte

	parse func([]byte) (T, error)
	once  sync.Once
	value T
	err   error
}

// NewDoc returns a Doc over raw that parse turns into its value. A value that
// parse returns together with an error is what was saved from damage.
func NewDoc[T any](source Source, raw []byte, parse func([]byte) (T, error)) *Doc[T] {
	return &Doc[T]{Source: source, Raw: raw, parse: parse}
}

// Get returns the parsed value. A nil Doc gives [ErrNotCaptured].
func (d *Doc[T]) Get() (T, error) {
	if d == nil {
		var zero T
		return zero, ErrNotCaptured
	}
	d.once.Do(func() { d.value, d.err = d.parse(d.Raw) })
	return d.value, d.err
}
