//go:build unix

package archive

import (
	"path/filepath"
	"syscall"
	"testing"
)

// Opening a pipe that nobody writes to would never return.
func TestPipesAreNotOpened(t *testing.T) {
	t.Chdir(tree(t, member{"capture/a", "1"}))
	check(t, syscall.Mkfifo(filepath.Join("capture", "pipe"), 0o644))
	compare(t, walked(t, []string{"capture"}, "", Limits{}), []string{`a "1"`, "pipe -- named pipe, not followed"})

	err := Walk([]string{"capture/pipe"}, nil, Limits{}, func(Entry) error { return nil }, func(Skip) {})
	if want := "reading capture/pipe: expected a file or a folder, got a named pipe (give - to read from a pipe)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
