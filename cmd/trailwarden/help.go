package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/trailwarden/trailwarden/internal/config"
)

// exitCodes is the part of the root's help that scripts are written by.
const exitCodes = `Exit codes: 0 well; 1 error; 2 wrong usage or configuration; 3 drift or findings;
4 a repair failed or was refused; 5 partial; 130 interrupted.
`

// printHelp is the help of every command: what it is, examples, then the rest.
func printHelp(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(text))
	if c.Example != "" {
		fmt.Fprintf(w, "Examples:\n%s\n\n", strings.TrimRight(c.Example, "\n"))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "Usage:\n  %s COMMAND [flags]\n\nCommands:\n", c.CommandPath())
		for _, child := range c.Commands() {
			if child.IsAvailableCommand() && child.Name() != "help" {
				fmt.Fprintf(w, "  %-*s  %s\n", c.NamePadding(), child.Name(), child.Short)
			}
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "Usage:\n  %s\n\n", c.UseLine())
	}
	if c.HasParent() {
		printFlags(w, "Flags", c.LocalFlags().FlagUsages())
		fmt.Fprintf(w, "Global flags: see `%s --help`.\n", c.Root().Name())
		return
	}
	printFlags(w, "Flags", c.LocalNonPersistentFlags().FlagUsages())
	printFlags(w, "Global flags", c.PersistentFlags().FlagUsages())
	fmt.Fprint(w, exitCodes)
}

func printFlags(w io.Writer, title, usages string) {
	if usages != "" {
		fmt.Fprintf(w, "%s:\n%s\n", title, usages)
	}
}

// flagError makes a usage error of what the flag parser refuses.
func flagError(c *cobra.Command, err error) error {
	hint := "see `" + c.CommandPath() + " --help` for its flags"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var known []string
		for _, flags := range []*pflag.FlagSet{c.Flags(), c.InheritedFlags()} {
			flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		}
		if near := config.Nearest(unknown.GetSpecifiedName(), known); near != "" {
			hint = "did you mean --" + near + "?"
		}
	}
	return usage(hint, "%w", err)
}
