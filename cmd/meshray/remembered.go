package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of the state folder.
const (
	rememberedFile = "current"       // a rememberedCapture
	namesFile      = "current.names" // a nameCache
)

// rememberedCapture is what `meshray use` keeps between two runs.
type rememberedCapture struct {
	// Paths are absolute.
	Paths []string `json:"paths"`
}

// statePath returns where a file of meshray's state is kept: below $XDG_STATE_HOME, or else
// ~/.local/state (XDG base directory specification).
func (e env) statePath(name string) (string, error) {
	if base := e.getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "meshray", name), nil
	}
	if home := e.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "meshray", name), nil
	}
	return "", errors.New("no place to remember a capture in: set XDG_STATE_HOME or HOME to an absolute path")
}

// remembered returns the paths that `meshray use` remembers, none if there is nothing.
func (e env) remembered() ([]string, error) {
	path, err := e.statePath(rememberedFile)
	if err != nil {
		return nil, nil // without a place nothing was remembered
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what `meshray use` remembers: %w", err)
	}
	var capture rememberedCapture
	if err := json.Unmarshal(raw, &capture); err != nil || len(capture.Paths) == 0 {
		return nil, fmt.Errorf("reading what `meshray use` remembers: %s holds no capture paths; write it anew with `meshray use CAPTURE`", path)
	}
	return capture.Paths, nil
}

func (e env) remember(paths []string) error {
	return e.writeState(rememberedFile, rememberedCapture{Paths: paths})
}

// forget removes the state; there being none is fine.
func (e env) forget() error {
	for _, name := range []string{rememberedFile, namesFile} {
		path, err := e.statePath(name)
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forgetting the remembered capture: %w", err)
		}
	}
	return nil
}

// writeState replaces a file in one step, so that no other run reads half of it. Only the user may
// read it: it names paths and services.
func (e env) writeState(name string, v any) error {
	path, err := e.statePath(name)
	if err != nil {
		return err
	}
	raw, err := marshal(v)
	if err != nil {
		return err
	}
	if err := replaceFile(path, append(raw, '\n')); err != nil {
		return fmt.Errorf("remembering the capture: %w", err)
	}
	return nil
}

func replaceFile(path string, content []byte) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	// CreateTemp gives mode 0600.
	file, err := os.CreateTemp(folder, filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
