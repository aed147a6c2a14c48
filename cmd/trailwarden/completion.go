package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"
)

func completionCommand(a *app) *cobra.Command {
	scripts := []struct {
		shell string
		write func(root *cobra.Command, w io.Writer) error
	}{
		{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
		{"zsh", func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) }},
		{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
		{"powershell", func(root *cobra.Command, w io.Writer) error { return root.GenPowerShellCompletionWithDesc(w) }},
	}
	c := &cobra.Command{
		Use:   "completion",
		Short: "Print the script that lets a shell complete trailwarden's commands",
		Example: `  source <(trailwarden completion bash)            # for this shell
  trailwarden completion zsh --out "${fpath[1]}/_trailwarden"
  trailwarden completion fish --out ~/.config/fish/completions/trailwarden.fish`,
	}
	group(c)
	for _, script := range scripts {
		c.AddCommand(&cobra.Command{
			Use:                   script.shell,
			Short:                 "Print the script for " + script.shell,
			Args:                  noArgs,
			DisableFlagsInUseLine: true,
			RunE: func(c *cobra.Command, _ []string) error {
				var b bytes.Buffer
				if err := script.write(c.Root(), &b); err != nil {
					return err
				}
				return a.write(c, result{Text: b.Bytes()})
			},
		})
	}
	return c
}
