package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// input is one of the paths given to Walk, under the name it has in results.
type input struct {
	name  string
	alone bool // a single input need not say where its files come from
	// folder is set while the files below a folder are walked.
	folder bool
}

// prefix is what the paths below a folder or inside an archive begin with.
func (in input) prefix() string {
	if in.alone {
		return ""
	}
	return in.name + "/"
}

// capture is [Entry.Capture] of a file with that path.
func (in input) capture(path string) string {
	member := strings.TrimPrefix(path, in.prefix())
	if archive, _, nested := strings.Cut(member, "!/"); in.folder && nested {
		return in.name + "/" + archive
	}
	return in.name
}

func (w *walker) input(path string, in input, stdin io.Reader) error {
	if path == "-" {
		return w.file(file{path: in.name, inside: in.prefix(), size: -1, r: &meter{w: w, r: stdin}})
	}
	// Stat, not Lstat: a path somebody typed may be a link.
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, bare(err))
	}
	if info.IsDir() {
		w.current.folder = true
		return w.folder(path, in)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("reading %s: expected a file or a folder, got a %s (give - to read from a pipe)", path, kind(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, bare(err))
	}
	defer f.Close()
	return w.disk(f, info, file{path: in.name, inside: in.prefix()})
}

// folder visits the regular files below root and follows no link.
func (w *walker) folder(root string, in input) error {
	var stopped error // WalkDir gives fs.SkipAll and fs.SkipDir a meaning that an error of visit must not have
	// With the separator a root that is a link is followed.
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(root, path)
		if err = cmp.Or(err, relErr); err != nil && name == "." {
			return fmt.Errorf("reading %s: %w", root, bare(err))
		}
		stopped = w.folderEntry(path, name, in, d, err)
		if stopped != nil {
			return fs.SkipAll
		}
		return nil
	})
	if stopped != nil {
		return stopped
	}
	return err
}

func (w *walker) folderEntry(onDisk, name string, in input, d fs.DirEntry, err error) error {
	path := in.prefix() + clean(filepath.ToSlash(name))
	switch {
	case err != nil:
		return w.lose(path, fmt.Sprintf("unreadable: %v", bare(err)))
	case d.IsDir():
		return nil
	case !d.Type().IsRegular():
		return w.skip(path, kind(d.Type())+", not followed")
	}
	f, err := os.Open(onDisk)
	if err != nil {
		return w.lose(path, fmt.Sprintf("unreadable: %v", bare(err)))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return w.lose(path, fmt.Sprintf("unreadable: %v", bare(err)))
	}
	return w.disk(f, info, file{path: path, inside: path + "!/"})
}

// disk completes to with what only a file on disk has: a certain size and random access.
func (w *walker) disk(f *os.File, info fs.FileInfo, to file) error {
	to.size, to.modTime = info.Size(), info.ModTime()
	to.r, to.at = &meter{w: w, r: f}, f
	return w.file(to)
}

// kind names what is not a regular file.
func kind(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// bare takes the path out of a file system error: the message around it has one that may be shown.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
