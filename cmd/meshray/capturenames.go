package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/meshray/meshray/analyze/mesh"
)

// captureNames are what shell completion offers from a capture, sorted.
type captureNames struct {
	Proxies  []string `json:"proxies"`
	Ztunnels []string `json:"ztunnels"`
	Clusters []string `json:"clusters"`
}

// nameCache keeps the names and the summary of the remembered capture, so that completion need not
// open it.
type nameCache struct {
	// Stamp is the [captureStamp] of the capture that the rest was taken from.
	Stamp   string       `json:"stamp"`
	Summary string       `json:"summary"`
	Names   captureNames `json:"names"`
}

// mostClusterNames bounds the cache: more no one completes by hand.
const mostClusterNames = 20_000

func namesOf(capture *mesh.Capture) captureNames {
	var names captureNames
	clusters := map[string]bool{}
	for _, p := range capture.Proxies {
		names.Proxies = append(names.Proxies, p.Key())
		if p.ZtunnelDump != nil {
			names.Ztunnels = append(names.Ztunnels, p.Key())
		}
		for _, cluster := range p.Clusters {
			clusters[cluster.Name()] = true
		}
	}
	for name := range clusters {
		names.Clusters = append(names.Clusters, name)
	}
	slices.Sort(names.Clusters)
	names.Clusters = names.Clusters[:min(len(names.Clusters), mostClusterNames)]
	return names
}

// captureStamp changes when one of the files does, by size or time of modification. It is empty
// where a path cannot be read.
func captureStamp(paths []string) string {
	h := sha256.New()
	for _, path := range paths {
		if err := stampPath(h, path); err != nil {
			return ""
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// mostStamped bounds the files of a folder that are looked at: completion has milliseconds.
const mostStamped = 5000

func stampPath(w io.Writer, path string) error {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	left := mostStamped
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if left--; left < 0 {
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%q %v %d %d\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano())
		return err
	})
}

// rememberedNames returns the names of the remembered capture as it is now; none where it was
// changed since, or where another capture would be read.
func (e env) rememberedNames() captureNames {
	if e.getenv(captureVariable) != "" {
		return captureNames{}
	}
	paths, err := e.remembered()
	if err != nil || len(paths) == 0 {
		return captureNames{}
	}
	cache, err := e.readNames()
	if err != nil || cache.Stamp == "" || cache.Stamp != captureStamp(paths) {
		return captureNames{}
	}
	return cache.Names
}

func (e env) readNames() (nameCache, error) {
	path, err := e.statePath(namesFile)
	if err != nil {
		return nameCache{}, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nameCache{}, err
	}
	var cache nameCache
	err = json.Unmarshal(raw, &cache)
	return cache, err
}

// writeNames caches the names of the remembered capture, stamp having been taken before it was read.
func (e env) writeNames(stamp string, capture *mesh.Capture) error {
	if stamp == "" {
		return errors.New("the capture cannot be told apart from a later one")
	}
	return e.writeState(namesFile, nameCache{Stamp: stamp, Summary: summary(capture), Names: namesOf(capture)})
}

// refreshNames brings the cache up to date with the remembered capture, which was just read. It is
// a convenience: what goes wrong here is no concern of the command.
func (e env) refreshNames(stamp string, capture *mesh.Capture) {
	if cache, err := e.readNames(); err == nil && cache.Stamp == stamp {
		return
	}
	_ = e.writeNames(stamp, capture)
}
