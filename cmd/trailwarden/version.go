package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (see the Makefile); `go install` leaves it, and the module's version counts.
var version string

// build is what this program was made of.
type build struct {
	head
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified"` // the commit alone does not tell all
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func buildInfo() build {
	b := build{head: head{SchemaVersion: 1}, Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	commit := ""
	if b.Commit != "" {
		commit = "commit " + b.Commit[:min(12, len(b.Commit))] + ", "
	}
	return fmt.Sprintf("%s (%s%s, %s)", b.Version, commit, b.Go, b.Platform)
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Example: `  trailwarden version
  trailwarden version -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b := buildInfo()
			return a.write(c, result{
				Table: func(w io.Writer) { fmt.Fprintln(w, "trailwarden version", b) },
				JSON:  b,
			})
		},
	}
}
