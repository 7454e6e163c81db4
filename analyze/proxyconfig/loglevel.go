package proxyconfig

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// LogLevel is the level that Envoy was started with for one of its loggers.
type LogLevel struct {
	// Logger is empty for the level of all others.
	Logger string
	Level  string
	// From is the document that tells: "server_info" or "bootstrap".
	From string
}

// LogLevels returns the log levels of the command line, the general one first, then by logger. The
// /server_info knows them; without it, the pod's annotations in the bootstrap may. Levels that were
// changed at run time are in no capture. The result is empty where none is known.
func LogLevels(p *mesh.Proxy) []LogLevel {
	if info, err := p.ServerInfo.Get(); err == nil && info.GetCommandLineOptions().GetLogLevel() != "" {
		options := info.GetCommandLineOptions()
		return logLevels(options.GetLogLevel(), options.GetComponentLogLevel(), "server_info")
	}
	if p.Bootstrap == nil {
		return nil
	}
	annotation := func(name string) string {
		return p.Bootstrap.Peek("node", "metadata", "ANNOTATIONS", "sidecar.istio.io/"+name)
	}
	return logLevels(annotation("logLevel"), annotation("componentLogLevel"), "bootstrap")
}

// logLevels reads a component_log_level, "http:debug,upstream:info".
func logLevels(general, components, from string) []LogLevel {
	var levels []LogLevel
	for component := range strings.SplitSeq(components, ",") {
		if logger, level, ok := strings.Cut(component, ":"); ok {
			levels = append(levels, LogLevel{Logger: logger, Level: level, From: from})
		}
	}
	slices.SortStableFunc(levels, func(a, b LogLevel) int { return cmp.Compare(a.Logger, b.Logger) })
	if general != "" {
		levels = slices.Insert(levels, 0, LogLevel{Level: general, From: from})
	}
	return levels
}
