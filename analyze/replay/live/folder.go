package live

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/meshray/meshray/analyze/replay"
)

// ErrNotEmpty is the error of a folder that has files already.
var ErrNotEmpty = errors.New("expected an empty folder")

// Write puts the files of a folder into dir, which it makes where there is none.
// Files that stand there are overwritten only with force; without it a folder
// that is not empty is [ErrNotEmpty].
func Write(folder *replay.Folder, dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the replay: %w", err)
	}
	if len(entries) > 0 && !force {
		return fmt.Errorf("writing the replay to %s: %w", dir, ErrNotEmpty)
	}
	for _, file := range folder.Files {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(file.Path)), file); err != nil {
			return fmt.Errorf("writing the replay: %w", err)
		}
	}
	return nil
}

func writeFile(path string, file replay.File) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if file.Private {
		mode = 0o600
	}
	return os.WriteFile(path, file.Data, mode)
}
