package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/proxyconfig"
)

// complete returns the candidates for the last of words, sorted where they are names from a
// capture, otherwise in order of the help. None means the shell's own completion of file names.
func complete(app *cli.App, words []string, names func() captureNames) []string {
	if len(words) == 0 {
		return nil
	}
	words, bare := joinAssignment(words)
	last := words[len(words)-1]
	l := newLine(app)
	before := words[:len(words)-1]
	if len(before) > 0 && before[0] == "help" {
		before = before[1:]
	}
	flag, ok := l.scanForCompletion(before)
	if l.uses("file") {
		// The names are those of another capture.
		names = func() captureNames { return captureNames{} }
	}
	switch {
	case !ok:
		return nil
	case flag != nil:
		return withPrefix(flagValues(flag, names), last)
	case strings.HasPrefix(last, "-") && !l.ended:
		return l.completeFlag(last, bare, names)
	case len(l.command.Subcommands) > 0:
		return withPrefix(primaryNames(l.command), last)
	case strings.Contains(l.command.ArgsUsage, "PROXY"):
		return withPrefix(shown(names().Proxies), last)
	case strings.Contains(l.command.ArgsUsage, "ZTUNNEL"):
		return withPrefix(shown(names().Ztunnels), last)
	}
	return withPrefix(strings.FieldsFunc(literalArguments(l.command), func(r rune) bool { return r == '|' }), last)
}

// joinAssignment undoes bash, which hands --output=json over as three words. bare says that the
// shell wants the value alone for the last word.
func joinAssignment(words []string) (joined []string, bare bool) {
	for i, word := range words {
		afterFlag := len(joined) > 0 && strings.HasPrefix(joined[len(joined)-1], "--")
		switch {
		case word == "=" && afterFlag:
			joined[len(joined)-1] += "="
			bare = i == len(words)-1
		case i > 0 && words[i-1] == "=" && afterFlag:
			joined[len(joined)-1] += word
			bare = i == len(words)-1
		default:
			joined = append(joined, word)
			bare = false
		}
	}
	return joined, bare
}

// scanForCompletion reads the words before the cursor. The flag is the one whose value is under
// the cursor; ok is false where the words make no sense.
func (l *line) scanForCompletion(words []string) (flag cli.Flag, ok bool) {
	for len(words) > 0 {
		if len(words) == 1 && !l.ended && strings.HasPrefix(words[0], "-") {
			flag := l.flag(strings.TrimLeft(words[0], "-"))
			if flag != nil && takesValue(flag) {
				return flag, true
			}
		}
		taken, err := l.next(words)
		if err != nil {
			return nil, false
		}
		words = words[taken:]
	}
	return nil, true
}

// uses reports whether the flag was used in the words read so far.
func (l *line) uses(flag string) bool {
	return slices.ContainsFunc(l.flags, func(u flagUse) bool { return u.name == flag })
}

func (l *line) completeFlag(last string, bare bool, names func() captureNames) []string {
	name, value, hasValue := strings.Cut(last, "=")
	if !hasValue {
		return withPrefix(dashedNames(l.command), last)
	}
	flag := l.flag(strings.TrimLeft(name, "-"))
	if flag == nil {
		return nil
	}
	candidates := withPrefix(flagValues(flag, names), value)
	if bare {
		return candidates
	}
	for i, candidate := range candidates {
		candidates[i] = name + "=" + candidate
	}
	return candidates
}

func flagValues(flag cli.Flag, names func() captureNames) []string {
	if choice, ok := flag.(choice); ok {
		return choice.values
	}
	switch flag.Names()[0] {
	case "proxy":
		return shown(names().Proxies)
	case "cluster":
		return shown(names().Clusters)
	case "fqdn":
		return shown(fqdns(names().Clusters))
	}
	return nil
}

func fqdns(clusters []string) []string {
	var hosts []string
	for _, name := range clusters {
		hosts = append(hosts, proxyconfig.ParseClusterName(name).FQDN)
	}
	return hosts
}

// shown drops the names that no shell should be handed, and sorts the others.
func shown(names []string) []string {
	kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" || !printable(name) })
	slices.Sort(kept)
	return slices.Compact(kept)
}

func primaryNames(command *cli.Command) []string {
	var names []string
	for _, sub := range command.Subcommands {
		if !sub.Hidden {
			names = append(names, sub.Name)
		}
	}
	return names
}

func dashedNames(command *cli.Command) []string {
	var names []string
	for _, flag := range command.Flags {
		names = append(names, dashed(flag.Names()[0]))
	}
	return names
}

// literalArguments returns an ArgsUsage that lists words to choose from, such as bash|zsh|fish.
func literalArguments(command *cli.Command) string {
	if strings.ToLower(command.ArgsUsage) == command.ArgsUsage && strings.Contains(command.ArgsUsage, "|") {
		return command.ArgsUsage
	}
	return ""
}

func withPrefix(candidates []string, prefix string) []string {
	var kept []string
	for _, candidate := range candidates {
		if strings.HasPrefix(candidate, prefix) {
			kept = append(kept, candidate)
		}
	}
	return kept
}
