package main

import (
	"runtime/debug"
	"testing"
)

func TestVersion(t *testing.T) {
	settings := func(pairs ...string) []debug.BuildSetting {
		var s []debug.BuildSetting
		for i := 0; i < len(pairs); i += 2 {
			s = append(s, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return s
	}
	tests := []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"no build info", nil, "meshray (unknown build)"},
		{"released", &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}}, "meshray v1.2.3 (go1.26.0)"},
		{"in the tree", &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"}}, "meshray devel (go1.26.0)"},
		{
			"with a revision",
			&debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}, Settings: settings("vcs.revision", "abc123", "vcs.modified", "false")},
			"meshray v1.2.3 (go1.26.0, abc123)",
		},
		{
			"with a modified tree",
			&debug.BuildInfo{GoVersion: "go1.26.0", Settings: settings("vcs.revision", "abc123", "vcs.modified", "true")},
			"meshray devel (go1.26.0, abc123 with changes)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := version(test.info, test.info != nil); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
