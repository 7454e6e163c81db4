package main

import (
	"fmt"
	"runtime/debug"
)

// version describes the build in one line: meshray <version> (<go version>, <vcs revision>).
func version(info *debug.BuildInfo, ok bool) string {
	if !ok {
		return "meshray (unknown build)"
	}
	number := info.Main.Version
	if number == "" || number == "(devel)" {
		number = "devel"
	}
	details := info.GoVersion
	settings := make(map[string]string, len(info.Settings))
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		details += ", " + revision
		if settings["vcs.modified"] == "true" {
			details += " with changes"
		}
	}
	return fmt.Sprintf("meshray %s (%s)", number, details)
}
