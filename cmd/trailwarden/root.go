package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/config"
	"github.com/trailwarden/trailwarden/internal/config/file"
)

// app is what every verb is given. Data goes to stdout (with app.write), everything else to stderr.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            []string // as os.Environ gives it

	// The global flags that are not keys of the configuration.
	configFile string
	format     string
	outFile    string
	yes        bool
	quiet      bool
	verbose    bool
	noColor    bool
}

// newRoot is the command line. To add a verb, write NAME.go with a function nameCommand(a *app)
// *cobra.Command whose RunE returns errors as failure.go says, and list it here.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "trailwarden",
		Short: "Keeps AWS CloudTrail recording: sees tampering, repairs it, tells people.",
		Example: `  trailwarden demo                                 # see it work, on a simulated AWS
  trailwarden baseline capture                     # pin the trails as they are, in a file to review
  trailwarden check                                # is everything still as pinned?
  trailwarden plan                                 # what would put it back?
  trailwarden handle --observe event.json          # what would be done about this event?
  trailwarden deploy --email security@example.com  # guard this account
  trailwarden doctor                               # is everything there that would save the trails?
  trailwarden config init --out trailwarden.yaml   # a commented configuration file
  trailwarden config check                         # is what I wrote valid?
  trailwarden config show --origin                 # what is in force, and where does it come from?`,
		Version:       buildInfo().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	root.SetHelpFunc(printHelp)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		demoCommand(a),
		watchCommand(a),
		incidentsCommand(a),
		handleCommand(a),
		checkCommand(a),
		planCommand(a),
		applyCommand(a),
		baselineCommand(a),
		simulateCommand(a),
		scanCommand(a),
		verifyCommand(a),
		deployCommand(a),
		destroyCommand(a),
		doctorCommand(a),
		notifyCommand(a),
		configCommand(a),
		completionCommand(a),
		versionCommand(a),
	)

	flags := root.PersistentFlags()
	flags.StringVarP(&a.configFile, "config", "c", "", "Configuration `file` (default: $TRAILWARDEN_CONFIG, else trailwarden.yaml where there is one)")
	flags.StringVarP(&a.format, "output", "o", formatTable, "How to print the data: `table|json|jsonl`; scan has csv, html and ocsf too")
	flags.StringVar(&a.outFile, "out", "", "Write the data to a `file` in place of standard output")
	flags.BoolVar(&a.yes, "yes", false, "Do it without asking")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "Print data and errors only")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "Log what is done, in detail")
	flags.BoolVar(&a.noColor, "no-color", false, "Print no colours; so do NO_COLOR and TERM=dumb")
	flags.BoolP("help", "h", false, "Print help")
	root.Flags().Bool("version", false, "Print the version")
	keyFlags(root, "region", "baseline", "log-format")
	complete(root, "output", formatTable, formatJSON, formatLines, "csv", "html", "ocsf", "part")
	complete(root, "log-format", "text", "json")
	return root
}

// run is the program but for the process around it: it gives the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, env: env}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := execute(ctx, root)
	a.report(err)
	return exitCode(ctx, err)
}

// exitCode is that of a run. A verb that a signal ended returns an error, unless to be ended was all it
// waited for.
func exitCode(ctx context.Context, err error) int {
	if err != nil && ctx.Err() != nil {
		return exitInterrupted
	}
	return codeOf(err)
}

// execute runs the command. What cobra refuses before a verb has begun is wrong usage.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	begun := false
	defer func() {
		// Go's own exit code for a panic is 2, which means wrong usage here.
		if p := recover(); p != nil {
			err = fail(exitError, "this is a bug in trailwarden: please report it with the lines above",
				fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	var mark func(*cobra.Command)
	mark = func(c *cobra.Command) {
		if verb := c.RunE; verb != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				begun = true
				return verb(c, args)
			}
		}
		for _, child := range c.Commands() {
			mark(child)
		}
	}
	mark(root)
	c, err := root.ExecuteContextC(ctx)
	if err != nil && !begun && codeOf(err) == exitError {
		err = usage("see `"+c.CommandPath()+" --help`", "%w", err)
	}
	return err
}

// group makes a command one that only holds others: by itself it prints its help, and a word that it
// does not know is answered with the nearest that it does.
func group(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		var known []string
		for _, child := range c.Commands() {
			if child.IsAvailableCommand() {
				known = append(known, child.Name())
			}
		}
		hint := "see `" + c.CommandPath() + " --help` for what there is"
		if near := config.Nearest(args[0], known); near != "" {
			hint = fmt.Sprintf("did you mean `%s %s`?", c.CommandPath(), near)
		}
		return usage(hint, "unknown command %q", c.CommandPath()+" "+args[0])
	}
}

// noArgs is for verbs that only have flags.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage("see `"+c.CommandPath()+" --help` for its flags", "%s takes no argument, and got %q", c.CommandPath(), args[0])
}

// keyFlags registers the flags of keys of the configuration, by the names of the flags.
func keyFlags(c *cobra.Command, names ...string) {
	for _, k := range config.Keys {
		if !slices.Contains(names, k.Flag) {
			continue
		}
		if help := strings.TrimSuffix(k.Doc, "."); k.Kind() == config.Bool {
			c.PersistentFlags().Bool(k.Flag, false, help)
		} else {
			c.PersistentFlags().String(k.Flag, "", help)
		}
	}
}

// complete offers words in the shell for a flag's value.
func complete(c *cobra.Command, flag string, words ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("complete --" + flag + ": " + err.Error()) // no such flag: an error in this package
	}
}

// getenv is a variable of the environment that run was given.
func (a *app) getenv(name string) string {
	value := ""
	for _, line := range a.env {
		if n, v, ok := strings.Cut(line, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// configPath is the configuration file to read; empty when there is none.
func (a *app) configPath() string {
	if a.configFile != "" {
		return a.configFile
	}
	if name := a.getenv("TRAILWARDEN_CONFIG"); name != "" {
		return name
	}
	if _, err := os.Stat("trailwarden.yaml"); err == nil {
		return "trailwarden.yaml"
	}
	return ""
}

// configuration is what file, environment and flags say together. Its error is of type config.Problems.
func (a *app) configuration(c *cobra.Command) (config.Config, error) {
	var fromFile config.Layer
	if path := a.configPath(); path != "" {
		fromFile = file.Read(path)
	}
	effective, err := config.Load(fromFile, config.Env(a.env), flagLayer(c))
	a.logger(effective).Debug("read configuration", "file", a.configPath(), "valid", err == nil)
	return effective, err
}

func flagLayer(c *cobra.Command) config.Layer {
	given := map[string]string{}
	for _, k := range config.Keys {
		f := c.Flags().Lookup(k.Flag)
		if f == nil || !f.Changed {
			continue
		}
		if _, own := f.Value.(*regionList); !own {
			given[k.Flag] = f.Value.String()
		}
	}
	return config.Flags(given)
}

// logger writes to stderr, as much as -q and -v say, in the shape that the configuration says.
func (a *app) logger(c config.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	switch {
	case a.quiet:
		options.Level = slog.LevelError
	case a.verbose:
		options.Level = slog.LevelDebug
	}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// note tells a person something on stderr that is neither data nor an error.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}
