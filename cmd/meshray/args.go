package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// permute sorts a command line into the one order the flag library reads: command words, flags as
// --name=value, "--", positionals. args[0] is the program. Flags may stand anywhere, before the
// command word too; "--" ends them; "-" is a positional, or the value of a flag. "help COMMAND"
// becomes "COMMAND --help". A word that is no command and a flag that the command does not have
// are usage errors.
func permute(app *cli.App, args []string) ([]string, error) {
	l := newLine(app)
	words := args[1:]
	if len(words) > 0 && words[0] == "help" {
		words = append(slices.Clone(words[1:]), "--help")
	}
	if err := l.scan(words); err != nil {
		return nil, err
	}
	return l.ordered(args[0])
}

// line is a command line while it is read.
type line struct {
	command     *cli.Command // the innermost command named so far
	path        []string     // its words, without the program
	flags       []flagUse
	positionals []string
	verbatim    bool // the command reads its arguments itself
	ended       bool // "--" was seen
}

// flagUse is one flag of a command line.
type flagUse struct {
	name  string // the flag's first name
	typed string // as it was typed, with its dashes
	value string
	bare  bool // a switch without "=value"
}

func newLine(app *cli.App) *line {
	return &line{command: &cli.Command{Name: app.Name, Flags: app.Flags, Subcommands: app.Commands}}
}

func (l *line) scan(words []string) error {
	for len(words) > 0 && !l.verbatim {
		taken, err := l.next(words)
		if err != nil {
			return err
		}
		words = words[taken:]
	}
	l.positionals = append(l.positionals, words...)
	return nil
}

// next reads the first of words, and the one behind it if that is a flag's value, and returns how
// many it took.
func (l *line) next(words []string) (int, error) {
	word := words[0]
	switch {
	case l.ended || word == "-" || !strings.HasPrefix(word, "-"):
		return 1, l.word(word)
	case word == "--":
		l.ended = true
		return 1, nil
	}
	name, value, hasValue := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if flag := l.flag(name); flag != nil {
		return l.use(flag, words, value, hasValue)
	}
	if !strings.HasPrefix(word, "--") {
		return l.cluster(words)
	}
	return 0, l.unknownFlag(word)
}

// word reads a command word or a positional.
func (l *line) word(word string) error {
	if len(l.command.Subcommands) == 0 {
		l.positionals = append(l.positionals, word)
		return nil
	}
	sub := l.command.Command(word)
	if sub == nil {
		return l.unknownCommand(word)
	}
	l.command, l.verbatim = sub, sub.SkipFlagParsing
	l.path = append(l.path, sub.Name)
	return nil
}

// cluster reads short flags written as one word: -qo json, -ojson.
func (l *line) cluster(words []string) (int, error) {
	letters := strings.TrimPrefix(words[0], "-")
	for i := range len(letters) {
		flag := l.flag(letters[i : i+1])
		if flag == nil {
			return 0, l.unknownFlag(words[0])
		}
		rest := letters[i+1:]
		if takesValue(flag) || rest == "" || rest[0] == '=' {
			as := append([]string{"-" + letters[i:i+1]}, words[1:]...)
			return l.use(flag, as, strings.TrimPrefix(rest, "="), rest != "")
		}
		l.flags = append(l.flags, flagUse{name: flag.Names()[0], typed: words[0], bare: true})
	}
	return 1, nil
}

// use records a flag, taking the next word as its value where it needs one. A next word that is
// itself a flag is a forgotten value; who means it literally writes --name=value.
func (l *line) use(flag cli.Flag, words []string, value string, hasValue bool) (int, error) {
	typed, _, _ := strings.Cut(words[0], "=")
	u := flagUse{name: flag.Names()[0], typed: typed, value: value, bare: !hasValue && !takesValue(flag)}
	taken := 1
	if !hasValue && !u.bare {
		if len(words) < 2 || l.startsFlag(words[1]) {
			return 0, usageError{
				message: fmt.Sprintf("flag %s needs a value", typed),
				hint:    fmt.Sprintf("write %s VALUE, or %s=VALUE for a value that looks like a flag", typed, typed),
			}
		}
		u.value, taken = words[1], 2
	}
	l.flags = append(l.flags, u)
	return taken, nil
}

func (l *line) startsFlag(word string) bool {
	if word == "--" {
		return true
	}
	if !strings.HasPrefix(word, "-") || word == "-" {
		return false
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return l.flag(name) != nil
}

// flag finds a flag of the command, or of a command below it: the command word may still follow.
func (l *line) flag(name string) cli.Flag {
	return findBelow(l.command, name)
}

// ordered puts the line together for the flag library.
func (l *line) ordered(program string) ([]string, error) {
	arguments := append([]string{program}, l.path...)
	if l.verbatim {
		return append(arguments, l.positionals...), nil
	}
	var flags []string
	for _, u := range l.flags {
		if findFlag(l.command.Flags, u.name) == nil {
			return nil, l.misplacedFlag(u.typed)
		}
		if u.name == "help" && u.bare {
			return append(arguments, "--help"), nil
		}
		if u.bare {
			flags = append(flags, "--"+u.name)
			continue
		}
		flags = append(flags, "--"+u.name+"="+u.value)
	}
	arguments = append(arguments, flags...)
	if len(l.positionals) == 0 {
		return arguments, nil
	}
	return append(append(arguments, "--"), l.positionals...), nil
}

// name is the command as one types it.
func (l *line) name() string {
	return strings.Join(append([]string{"meshray"}, l.path...), " ")
}

func (l *line) unknownCommand(word string) error {
	e := usageError{
		message: fmt.Sprintf("unknown command %q for %q", word, l.name()),
		hint:    fmt.Sprintf("'%s --help' lists the commands", l.name()),
	}
	if near := nearest(word, commandNames(l.command)); near != "" {
		e.hint = fmt.Sprintf("did you mean '%s %s'?", l.name(), near)
	}
	return e
}

// misplacedFlag is a flag that some command has, but not the one that was named.
func (l *line) misplacedFlag(typed string) error {
	if len(l.command.Subcommands) == 0 {
		return l.unknownFlag(typed)
	}
	return usageError{
		message: fmt.Sprintf("flag %s belongs to a command, and %q names none", typed, l.name()),
		hint:    fmt.Sprintf("'%s --help' lists the commands", l.name()),
	}
}

func (l *line) unknownFlag(word string) error {
	typed, _, _ := strings.Cut(word, "=")
	e := usageError{
		message: fmt.Sprintf("unknown flag %s for %q", typed, l.name()),
		hint:    fmt.Sprintf("'%s --help' lists the flags", l.name()),
	}
	if near := nearest(strings.TrimLeft(typed, "-"), flagNames(l.command)); near != "" {
		e.hint = fmt.Sprintf("did you mean %s?", dashed(near))
	}
	return e
}
