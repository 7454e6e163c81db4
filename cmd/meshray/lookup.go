package main

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// findFlag returns the flag that has the name or alias, or nil.
func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, flag := range flags {
		if slices.Contains(flag.Names(), name) {
			return flag
		}
	}
	return nil
}

// findBelow returns the flag of a command, or else of the first command below it that has one.
func findBelow(command *cli.Command, name string) cli.Flag {
	if flag := findFlag(command.Flags, name); flag != nil {
		return flag
	}
	for _, sub := range command.Subcommands {
		if flag := findBelow(sub, name); flag != nil {
			return flag
		}
	}
	return nil
}

func takesValue(flag cli.Flag) bool {
	documented, ok := flag.(cli.DocGenerationFlag)
	return ok && documented.TakesValue()
}

// commandNames lists the visible commands below command with their aliases, in order of the help.
func commandNames(command *cli.Command) []string {
	var names []string
	for _, sub := range command.Subcommands {
		if !sub.Hidden {
			names = append(names, sub.Names()...)
		}
	}
	return names
}

// flagNames lists a command's flags without dashes, in order of the help, and those of the commands
// below it: the command word may still follow.
func flagNames(command *cli.Command) []string {
	var names []string
	for _, flag := range command.Flags {
		names = append(names, flag.Names()...)
	}
	for _, sub := range command.Subcommands {
		for _, name := range flagNames(sub) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// dashed is a flag's name as one types it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
